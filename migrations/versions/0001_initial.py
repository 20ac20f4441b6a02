"""Initial: users, lessons, adapters, conversations, feedback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LIVE_POINTER = "fk_users_live_adapter_id_adapters"

# op.f marks a name as complete; without it, the naming convention would put its prefix before a check's name once more.


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "users",
        _key(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live_adapter_id", sa.Integer(), nullable=True),
        sa.Column("lessons_numbered", sa.Integer(), nullable=False),
        sa.Column("adapters_numbered", sa.Integer(), nullable=False),
        _time("created_at"),
        # use_alter: written here on SQLite, which accepts a table that does not exist yet; below on PostgreSQL.
        sa.ForeignKeyConstraint(["live_adapter_id"], ["adapters.id"], name=LIVE_POINTER, ondelete="SET NULL", use_alter=True),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "adapters",
        _key(),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("lesson_ids", sa.JSON(), nullable=False),
        sa.Column("base_model", sa.Text(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        _time("created_at"),
        _time("published_at", nullable=True),
        _refers("adapters", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name="pk_adapters"),
        sa.UniqueConstraint("name", name="uq_adapters_name"),
        sa.UniqueConstraint("user_id", "number", name="uq_adapters_user_id_number"),
        sqlite_autoincrement=True,
    )
    if op.get_context().dialect.name != "sqlite":
        op.create_foreign_key(LIVE_POINTER, "users", "adapters", ["live_adapter_id"], ["id"], ondelete="SET NULL")
    op.create_table(
        "identities",
        _key(),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        _time("created_at"),
        _refers("identities", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
        sa.UniqueConstraint("platform", "external_id", name="uq_identities_platform_external_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.create_table(
        "consents",
        _key(),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        _time("given_at"),
        _refers("consents", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
        sa.UniqueConstraint("user_id", "version", name="uq_consents_user_id_version"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "conversations",
        _key(),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        _time("started_at"),
        _refers("conversations", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_conversations_user_id_platform_channel", "conversations", ["user_id", "platform", "channel"])
    op.create_table(
        "exchanges",
        _key(),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("inbound_message_id", sa.Text(), nullable=False),
        sa.Column("reply_message_id", sa.Text(), nullable=True),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        _time("created_at"),
        sa.CheckConstraint("state IN ('pending', 'answered', 'failed')", name=op.f("ck_exchanges_state")),
        _refers("exchanges", "user_id", "users"),
        _refers("exchanges", "conversation_id", "conversations"),
        sa.PrimaryKeyConstraint("id", name="pk_exchanges"),
        sa.UniqueConstraint("platform", "inbound_message_id", name="uq_exchanges_platform_inbound_message_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_exchanges_user_id", "exchanges", ["user_id"])
    op.create_index("ix_exchanges_conversation_id", "exchanges", ["conversation_id"])
    op.create_index("ix_exchanges_state", "exchanges", ["state"])
    op.create_index("ix_exchanges_platform_reply_message_id", "exchanges", ["platform", "reply_message_id"])
    op.create_table(
        "lessons",
        _key(),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("metrics", sa.JSON(), nullable=True),
        sa.Column("conversation_id", sa.Integer(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("progress_message_id", sa.Text(), nullable=True),
        _time("created_at"),
        _time("started_at", nullable=True),
        _time("finished_at", nullable=True),
        sa.CheckConstraint("kind IN ('instruction', 'document', 'web')", name=op.f("ck_lessons_kind")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'live', 'rejected', 'failed', 'cancelled', 'forgotten')",
            name=op.f("ck_lessons_state"),
        ),
        _refers("lessons", "user_id", "users"),
        _refers("lessons", "conversation_id", "conversations", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_lessons"),
        sa.UniqueConstraint("user_id", "number", name="uq_lessons_user_id_number"),
        sa.UniqueConstraint("user_id", "dedupe_key", name="uq_lessons_user_id_dedupe_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_lessons_conversation_id", "lessons", ["conversation_id"])
    op.create_index("ix_lessons_state", "lessons", ["state"])
    op.create_table(
        "examples",
        _key(),
        sa.Column("lesson_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("refused_category", sa.Text(), nullable=True),
        sa.CheckConstraint("role IN ('train', 'quiz', 'neighbour', 'rewrite')", name=op.f("ck_examples_role")),
        _refers("examples", "lesson_id", "lessons"),
        sa.PrimaryKeyConstraint("id", name="pk_examples"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_examples_lesson_id", "examples", ["lesson_id"])
    op.create_table(
        "feedback",
        _key(),
        sa.Column("exchange_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("correction", sa.Text(), nullable=True),
        sa.Column("used_in", sa.Text(), nullable=True),
        _time("created_at"),
        _time("withdrawn_at", nullable=True),
        sa.CheckConstraint("kind IN ('up', 'down', 'report')", name=op.f("ck_feedback_kind")),
        _refers("feedback", "exchange_id", "exchanges"),
        _refers("feedback", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.UniqueConstraint("exchange_id", "user_id", "kind", name="uq_feedback_exchange_id_user_id_kind"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feedback_user_id", "feedback", ["user_id"])


def downgrade() -> None:
    """Take the schema back to nothing."""
    if op.get_context().dialect.name != "sqlite":
        op.drop_constraint(LIVE_POINTER, "users", type_="foreignkey")
    for table in (
        "feedback", "examples", "lessons", "exchanges", "conversations", "consents", "identities", "adapters", "users",
    ):  # fmt: skip
        op.drop_table(table)


def _key() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _refers(table: str, column: str, target: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}_{target}", ondelete=ondelete)
