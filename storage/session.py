"""Opens the database, lends short sessions, brings the schema up to date."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker

from storage.errors import DatabaseUnavailableError

BUSY_TIMEOUT_S = 30
SCRUB_TIMEOUT_S = 2  # a reader that takes longer is not worth the wait: the log is emptied another time
MIGRATION_LOCK = 0x7475746565  # any number that all Tutee processes share: "tutee" in ASCII

# Alembic keeps the migration in progress in module globals, so one process runs one upgrade at a time.
_upgrading = threading.Lock()


class Database:
    """One database, SQLite or PostgreSQL, for all threads of a process.

    Opening does no I/O. Sessions raise `DatabaseUnavailableError` where the database cannot be reached or stays locked.
    """

    def __init__(self, url: str) -> None:
        self.url = _with_driver(make_url(url))
        self.engine = _create_engine(self.url)
        self._writing = sessionmaker(self.engine, expire_on_commit=False)
        self._reading = sessionmaker(self.engine.execution_options(sqlite_begin="BEGIN"), expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that may write; commits at the end of the block, rolls back if it raises."""
        with _translating_errors(), self._writing.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads: it never waits for a writer."""
        with _translating_errors(), self._reading.begin() as session:
            yield session

    def upgrade(self, revision: str = "head") -> None:
        """Run all migrations that are missing, up to `revision`; safe to call from several processes and threads at once."""
        with _upgrading, _translating_errors(), _only_process_upgrading(self.url), self.engine.connect() as connection:
            if self.engine.dialect.name == "sqlite":
                # The file remembers it. Two processes that set it at once fail without waiting ("database is locked"),
                # so it is set here, behind the lock, and not by each connection.
                _outside_transaction(connection, "PRAGMA journal_mode = WAL")
            with resources.as_file(resources.files("migrations")) as folder:
                config = Config()
                config.set_main_option("script_location", str(folder).replace("%", "%%"))
                config.attributes["connection"] = connection
                command.upgrade(config, revision)

    def scrub(self) -> None:
        """Have nothing of what was deleted stay in SQLite's files: its log is written back and emptied, where nobody reads just now.

        PostgreSQL's own vacuum does that in its time. Never raises: it comes after what mattered.
        """
        if self.engine.dialect.name == "sqlite":
            with suppress(OperationalError), self.engine.connect() as connection:
                _outside_transaction(connection, f"PRAGMA busy_timeout = {SCRUB_TIMEOUT_S * 1000}")
                _outside_transaction(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
                _outside_transaction(connection, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


@contextmanager
def migration_transaction(connection: Connection) -> Iterator[None]:
    """The transaction around a run of migrations: all or nothing, one process at a time.

    SQLite needs foreign keys off while a table is rebuilt, or dropping the old copy would delete what refers to it.
    """
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        _outside_transaction(connection, "PRAGMA foreign_keys = OFF")
    try:
        with connection.begin():
            if not sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            yield
    finally:
        if sqlite:
            _outside_transaction(connection, "PRAGMA foreign_keys = ON")


def _with_driver(url: URL) -> URL:
    """The address with psycopg 3 named as the driver of PostgreSQL."""
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _create_engine(url: URL) -> Engine:
    # hide_parameters: an error's text goes to the log, and the parameters hold what users wrote.
    if url.get_backend_name() != "sqlite":
        return create_engine(url, hide_parameters=True, pool_pre_ping=True)
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own: _begin_sqlite does
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what users delete is overwritten, not only unlinked


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if another wrote in between, whatever the timeout.
    # Taking the write lock at the beginning waits instead.
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE"))


def _outside_transaction(connection: Connection, statement: str) -> None:
    cursor = connection.connection.cursor()
    cursor.execute(statement)
    cursor.close()


@contextmanager
def _translating_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise DatabaseUnavailableError(str(error)) from error


@contextmanager
def _only_process_upgrading(url: URL) -> Iterator[None]:
    """For SQLite, a lock on a file beside the database; PostgreSQL is locked inside the transaction."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        yield
        return
    path = Path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".upgrade-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
