"""Runs migrations on a connection handed over by `Database.upgrade`, or opened here for the alembic command."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import context
from sqlalchemy import Connection

from storage.models import Base
from storage.schema import migration_transaction
from storage.session import Database


def migrate(connection: Connection) -> None:
    """Run what is missing, in one transaction: also on SQLite, which can roll back tables, too."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite changes a table by rebuilding it
        compare_type=True,
        compare_server_default=True,
    )
    with migration_transaction(connection):
        context.run_migrations()


def migrate_by_address() -> None:
    """Open the database named in the environment or in alembic.ini."""
    database = Database(os.environ.get("TUTEE_DATABASE_URL") or context.config.get_main_option("sqlalchemy.url") or "")
    if database.url.get_backend_name() == "sqlite" and database.url.database:
        Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
    with database.engine.connect() as connection:
        migrate(connection)
    database.close()


handed_over = context.config.attributes.get("connection")
if context.is_offline_mode():
    raise SystemExit("Migrations need a database to run on: --sql is not supported.")
if handed_over is not None:
    migrate(handed_over)
else:
    migrate_by_address()
