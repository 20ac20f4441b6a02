"""Brings a database's schema up to date, while processes of the version before go on serving."""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from storage.errors import DatabaseInUseError

log = logging.getLogger(__name__)

MIGRATION_LOCK = 0x7475746565  # any number that all Tutee processes share: "tutee" in ASCII
# A change of a table waits for whoever uses it, and whoever comes later waits for the change: so it gives up soon and tries again.
# Below PostgreSQL's deadlock_timeout of a second, or a process that serves could be the one that has to give way.
LOCK_TIMEOUT_S = 0.5
LOCK_PAUSE_S = 1.0
LOCK_TRIES = 120
LOCKED = ("55P03", "40P01")  # PostgreSQL's codes of a lock that was not to be had in time, and of a deadlock

# Alembic keeps the migration in progress in module globals, so one process runs one upgrade at a time.
_upgrading = threading.Lock()


def upgrade(connection: Connection, url: URL, revision: str) -> None:
    """Run all migrations that are missing, up to `revision`; safe to call from several processes and threads at once.

    A database that a newer version has upgraded is left as it is: what this version needs is still in it (docs/operating.md).
    Raises DatabaseInUseError where others do not let go of a table.
    """
    with _upgrading, _only_process_upgrading(url), resources.as_file(resources.files("migrations")) as folder:
        if connection.dialect.name == "sqlite":
            # The file remembers it. Two processes that set it at once fail without waiting ("database is locked"),
            # so it is set here, behind the lock, and not by each connection.
            outside_transaction(connection, "PRAGMA journal_mode = WAL")
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        if newer := newer_revision(connection):
            newest = ScriptDirectory.from_config(config).get_current_head()
            log.warning(
                "a newer version of Tutee has upgraded the database, revision=%s; this one knows %s and goes on. Upgrade this host, too.",
                newer,
                newest,
            )
            return
        _insist(config, revision)


def newer_revision(connection: Connection) -> str | None:
    """The database's revision, if this version does not know it; None else."""
    with resources.as_file(resources.files("migrations")) as folder:
        known = {each.revision for each in ScriptDirectory(str(folder)).walk_revisions()}
    found = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()  # what was only looked up
    return found if found not in {None, *known} else None


@contextmanager
def migration_transaction(connection: Connection) -> Iterator[None]:
    """The transaction around a run of migrations: all or nothing, one process at a time.

    SQLite needs foreign keys off while a table is rebuilt, or dropping the old copy would delete what refers to it.
    """
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        outside_transaction(connection, "PRAGMA foreign_keys = OFF")
    try:
        with connection.begin():
            if not sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
                connection.execute(text(f"SET LOCAL lock_timeout = {int(LOCK_TIMEOUT_S * 1000)}"))  # of tables; not of the lock above
            yield
    finally:
        if sqlite:
            outside_transaction(connection, "PRAGMA foreign_keys = ON")


def outside_transaction(connection: Connection, statement: str) -> None:
    """Execute what a transaction would refuse, or be begun for."""
    cursor = connection.connection.cursor()
    cursor.execute(statement)
    cursor.close()


def _insist(config: Config, revision: str) -> None:
    for attempt in range(1, LOCK_TRIES + 1):
        try:
            command.upgrade(config, revision)
            return
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in LOCKED:
                raise
            if attempt == LOCK_TRIES:
                raise DatabaseInUseError(str(error)) from error
            log.info("the tables are in use, the upgrade is tried again, attempt=%d", attempt)
        time.sleep(LOCK_PAUSE_S)


@contextmanager
def _only_process_upgrading(url: URL) -> Iterator[None]:
    """For SQLite, a lock on a file beside the database; PostgreSQL is locked inside the transaction."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        yield
        return
    path = Path(url.database)
    with path.with_name(path.name + ".upgrade-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
