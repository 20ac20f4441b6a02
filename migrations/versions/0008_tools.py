"""Tools as lessons of their own."""

from __future__ import annotations

from alembic import op

from migrations.changes import let_hold

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KINDS = "'instruction', 'document', 'web', 'correction'{}"


def upgrade() -> None:
    """Bring the schema to this revision."""
    let_hold("lessons", "kind", KINDS.format(", 'tool'"))


def downgrade() -> None:
    """Take the schema back to the revision before; lessons about tools become instructions."""
    op.execute("UPDATE lessons SET kind = 'instruction' WHERE kind = 'tool'")
    let_hold("lessons", "kind", KINDS.format(""))
