"""Opens the database and lends short sessions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker

from storage.errors import DatabaseUnavailableError
from storage.schema import outside_transaction, upgrade

BUSY_TIMEOUT_S = 30
SCRUB_TIMEOUT_S = 2  # a reader that takes longer is not worth the wait: the log is emptied another time
# A host whose network was cut neither answers nor says good-bye. We notice it after so long, and PostgreSQL ends a transaction that has been
# left alone for so long, and with it its locks, for which others wait.
CONNECT_S = 5
SILENCE_S = 20
LEFT_ALONE_S = 60


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
        """Run all migrations that are missing, up to `revision`; as `storage.schema.upgrade`."""
        if self.url.get_backend_name() == "sqlite" and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        with _translating_errors(), self.engine.connect() as connection:
            upgrade(connection, self.url, revision)

    def scrub(self) -> None:
        """Have nothing of what was deleted stay in SQLite's files: its log is written back and emptied, where nobody reads just now.

        PostgreSQL's own vacuum does that in its time. Never raises: it comes after what mattered.
        """
        if self.engine.dialect.name == "sqlite":
            with suppress(OperationalError), self.engine.connect() as connection:
                outside_transaction(connection, f"PRAGMA busy_timeout = {SCRUB_TIMEOUT_S * 1000}")
                outside_transaction(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
                outside_transaction(connection, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def _with_driver(url: URL) -> URL:
    """The address with psycopg 3 named as the driver of PostgreSQL."""
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _create_engine(url: URL) -> Engine:
    # hide_parameters: an error's text goes to the log, and the parameters hold what users wrote.
    if url.get_backend_name() != "sqlite":
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=_patience(url))
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _patience(url: URL) -> dict[str, Any]:
    """How long PostgreSQL's client and server wait for each other; what the address says itself stays so."""
    wanted = {
        "connect_timeout": CONNECT_S,
        "tcp_user_timeout": SILENCE_S * 1000,
        "keepalives_idle": SILENCE_S // 2,
        "keepalives_interval": SILENCE_S // 4,
        "keepalives_count": 2,
        "options": f"-c idle_in_transaction_session_timeout={LEFT_ALONE_S * 1000}",
    }
    return {name: value for name, value in wanted.items() if name not in url.query}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own: _begin_sqlite does
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what users delete is overwritten, not only unlinked


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if another wrote in between, whatever the timeout.
    # Taking the write lock at the beginning waits instead.
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE"))


@contextmanager
def _translating_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise DatabaseUnavailableError(str(error)) from error
    except DBAPIError as error:
        if error.connection_invalidated:  # by the server, because we had left it alone for too long
            raise DatabaseUnavailableError(str(error)) from error
        raise
