"""Changes that several migrations make."""

from __future__ import annotations

from alembic import op

NEVER_REUSE_KEYS = {"sqlite_autoincrement": True}  # which a table that SQLite rebuilds would lose


def let_hold(table: str, column: str, words: str) -> None:
    """Have a column hold only these words ("'up', 'down'") from here on."""
    # op.f marks a name as complete; without it, the naming convention would put its prefix before a check's name once more.
    name = op.f(f"ck_{table}_{column}")
    with op.batch_alter_table(table, table_kwargs=NEVER_REUSE_KEYS) as changed:
        changed.drop_constraint(name, type_="check")
        changed.create_check_constraint(name, f"{column} IN ({words})")
