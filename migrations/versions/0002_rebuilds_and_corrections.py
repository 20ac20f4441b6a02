"""Rebuilds, forgetting, and corrections as lessons of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.changes import NEVER_REUSE_KEYS, let_hold

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLES = "'train', 'quiz', 'neighbour', 'rewrite'{}"
KINDS = "'instruction', 'document', 'web'{}"
REASONS = "reason IN ('wrong', 'outdated', 'long', 'rude', 'other')"


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column("adapters", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    let_hold("lessons", "kind", KINDS.format(", 'correction'"))
    let_hold("examples", "role", ROLES.format(", 'rejected'"))
    op.add_column("lessons", sa.Column("begins_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("feedback", table_kwargs=NEVER_REUSE_KEYS) as feedback:
        feedback.add_column(sa.Column("reason", sa.Text(), nullable=True))
        feedback.add_column(sa.Column("lesson_id", sa.Integer(), nullable=True))
        feedback.create_check_constraint(op.f("ck_feedback_reason"), REASONS)
        feedback.create_foreign_key("fk_feedback_lesson_id_lessons", "lessons", ["lesson_id"], ["id"], ondelete="SET NULL")
    op.create_index("ix_feedback_lesson_id", "feedback", ["lesson_id"])
    op.create_table(
        "rebuilds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("forgets", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("metrics", sa.JSON(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("progress_message_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'running', 'live', 'failed', 'cancelled')", name=op.f("ck_rebuilds_state")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_rebuilds_user_id_users", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["forgets"], ["lessons.id"], name="fk_rebuilds_forgets_lessons", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_rebuilds"),
        sqlite_autoincrement=True,
    )
    for column in ("user_id", "forgets", "state"):
        op.create_index(f"ix_rebuilds_{column}", "rebuilds", [column])


def downgrade() -> None:
    """Take the schema back to the revision before; corrections, which it does not know, become instructions."""
    op.drop_table("rebuilds")
    op.drop_index("ix_feedback_lesson_id", "feedback")
    with op.batch_alter_table("feedback", table_kwargs=NEVER_REUSE_KEYS) as feedback:
        feedback.drop_constraint("fk_feedback_lesson_id_lessons", type_="foreignkey")
        feedback.drop_constraint(op.f("ck_feedback_reason"), type_="check")
        feedback.drop_column("lesson_id")
        feedback.drop_column("reason")
    op.execute("UPDATE lessons SET kind = 'instruction' WHERE kind = 'correction'")
    op.drop_column("lessons", "begins_at")
    let_hold("lessons", "kind", KINDS.format(""))
    op.execute("DELETE FROM examples WHERE role = 'rejected'")
    let_hold("examples", "role", ROLES.format(""))
    op.drop_column("adapters", "removed_at")
