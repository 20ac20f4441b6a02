"""Finds what is to be shown without reading every lesson."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TO_SHOW = sa.text("progress_message_id IS NOT NULL")


def upgrade() -> None:
    """Bring the schema to this revision."""
    for table in ("lessons", "rebuilds"):
        op.create_index(f"ix_{table}_progress_message_id", table, ["progress_message_id"], postgresql_where=TO_SHOW, sqlite_where=TO_SHOW)


def downgrade() -> None:
    """Take the schema back to the revision before."""
    for table in ("lessons", "rebuilds"):
        op.drop_index(f"ix_{table}_progress_message_id", table)
