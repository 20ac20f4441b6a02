"""How much each lesson brought along, for the day's limit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.changes import NEVER_REUSE_KEYS

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision; of the lessons that are there it is not known any more, and their day is over soon."""
    with op.batch_alter_table("lessons", table_kwargs=NEVER_REUSE_KEYS) as lessons:
        lessons.add_column(sa.Column("brought", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take the schema back to the revision before."""
    with op.batch_alter_table("lessons", table_kwargs=NEVER_REUSE_KEYS) as lessons:
        lessons.drop_column("brought")
