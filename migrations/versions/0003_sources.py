"""Sources and parts of document and web lessons, and lessons that wait for their user's approval."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.changes import NEVER_REUSE_KEYS, let_hold

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATES = "'queued', 'running', {}'live', 'rejected', 'failed', 'cancelled', 'forgotten'"


def upgrade() -> None:
    """Bring the schema to this revision."""
    let_hold("lessons", "state", STATES.format("'awaiting', "))
    op.add_column("lessons", sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("lessons", sa.Column("refreshes", sa.Integer(), nullable=True))
    op.create_table(
        "sources",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lesson_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("published", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("words", sa.Integer(), nullable=True),
        sa.Column("skipped", sa.JSON(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["lesson_id"], ["lessons.id"], name="fk_sources_lesson_id_lessons", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.UniqueConstraint("lesson_id", "number", name="uq_sources_lesson_id_number"),
        sqlite_autoincrement=True,
    )
    for column in ("lesson_id", "digest"):
        op.create_index(f"ix_sources_{column}", "sources", [column])
    op.create_table(
        "parts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lesson_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=True),
        sa.Column("passages", sa.JSON(), nullable=False),
        sa.Column("refused_category", sa.Text(), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["lesson_id"], ["lessons.id"], name="fk_parts_lesson_id_lessons", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_parts_source_id_sources", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_parts"),
        sqlite_autoincrement=True,
    )
    for column in ("lesson_id", "source_id"):
        op.create_index(f"ix_parts_{column}", "parts", [column])
    with op.batch_alter_table("examples", table_kwargs=NEVER_REUSE_KEYS) as examples:
        examples.add_column(sa.Column("part_id", sa.Integer(), nullable=True))
        examples.create_foreign_key("fk_examples_part_id_parts", "parts", ["part_id"], ["id"], ondelete="CASCADE")
    op.create_index("ix_examples_part_id", "examples", ["part_id"])


def downgrade() -> None:
    """Take the schema back to the revision before; lessons that wait for approval are cancelled."""
    op.drop_index("ix_examples_part_id", "examples")
    with op.batch_alter_table("examples", table_kwargs=NEVER_REUSE_KEYS) as examples:
        examples.drop_constraint("fk_examples_part_id_parts", type_="foreignkey")
        examples.drop_column("part_id")
    op.drop_table("parts")
    op.drop_table("sources")
    op.execute("UPDATE lessons SET state = 'cancelled' WHERE state = 'awaiting'")
    op.drop_column("lessons", "refreshes")
    op.drop_column("lessons", "approved_at")
    let_hold("lessons", "state", STATES.format(""))
