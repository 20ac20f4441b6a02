"""Better answers that a model finds by itself, and answers reported as harmful."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.changes import NEVER_REUSE_KEYS, let_hold

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

REASONS = "'wrong', 'outdated', 'long', 'rude'{}, 'other'"


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("feedback", sa.Column("proposed", sa.Text(), nullable=True))
    let_hold("feedback", "reason", REASONS.format(", 'harmful'"))


def downgrade() -> None:
    """Take the schema back to the revision before; harmful answers, which it does not know, are bad for some other reason."""
    op.execute("UPDATE feedback SET reason = 'other' WHERE reason = 'harmful'")
    let_hold("feedback", "reason", REASONS.format(""))
    with op.batch_alter_table("feedback", table_kwargs=NEVER_REUSE_KEYS) as feedback:
        feedback.drop_column("proposed")
