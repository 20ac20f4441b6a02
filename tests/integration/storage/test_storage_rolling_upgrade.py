"""A database is upgraded while processes of the version before go on serving: docs/operating.md, "Upgrading", has the rule."""

from __future__ import annotations

import importlib
import itertools
import logging
import pkgutil
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from alembic.migration import MigrationContext
from psycopg import sql
from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    DateTime,
    Double,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    inspect,
    select,
    text,
)

import migrations.versions
from storage import schema, session
from storage.errors import DatabaseInUseError, DatabaseUnavailableError
from storage.repositories import Repositories
from storage.schema import newer_revision
from storage.session import Database
from tests.services import eventually
from tests.storage_fixtures import postgres

VERSIONS = {
    module.revision: module
    for module in (importlib.import_module(f"migrations.versions.{each.name}") for each in pkgutil.iter_modules(migrations.versions.__path__))
}
REVISIONS = sorted(VERSIONS)
HEAD = REVISIONS[-1]
LONGEST_STATEMENT_S = 5.0  # of who serves; the machine may be busy. A lock that is held for the length of a migration would be longer
_numbers = itertools.count(1)


def oldest_beside(revision: str) -> str:
    """The oldest revision whose code may serve while the database is brought to this one: what `contracts` says of the migrations up to it."""
    return max(str(getattr(VERSIONS[each], "contracts", None) or REVISIONS[0]) for each in REVISIONS if each <= revision)


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """An empty database on PostgreSQL, where several hosts share one."""
    name = f"rolling_{next(_numbers)}"
    with psycopg.connect(postgres().get_uri(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield postgres().get_uri(database=name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class OldCode:
    """Writes and reads every table as code of the revision that it finds does: all columns of then, every word that a column held then."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        metadata = MetaData()
        metadata.reflect(engine)
        self._tables = sorted((each for each in metadata.tables.values() if each.name != "alembic_version"), key=_depth)
        found = inspect(engine)
        self._words = {each.name: _words(found.get_check_constraints(each.name)) for each in self._tables}
        self.rounds = 0
        self.longest = 0.0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def start(self) -> OldCode:
        """Begin to serve; returns when every table was used."""
        self._thread.start()
        self.goes_on()
        return self

    def stop(self) -> None:
        """Serve no more."""
        self._stop.set()
        self._thread.join()

    def goes_on(self) -> None:
        """Wait until every table was written and read once more from now on."""
        wanted = self.rounds + 2
        eventually(lambda: self.rounds >= wanted or self.failed, "the next rounds")

    def _serve(self) -> None:
        while not self._stop.is_set() and not self.failed:
            keys: dict[str, int] = {}
            for table in self._tables:
                began = time.monotonic()
                try:
                    with self._engine.begin() as connection:
                        keys[table.name] = self._use(connection, table, keys)
                except Exception as error:
                    self.failed.append(f"{table.name}: {error}")
                    break
                self.longest = max(self.longest, time.monotonic() - began)
            self.rounds += 1
            self._stop.wait(0.05)

    def _use(self, connection: Connection, table: Table, keys: dict[str, int]) -> int:
        choices = self._words[table.name]
        key = 0
        for chosen in range(max([2, *map(len, choices.values())])):
            connection.execute(table.delete().where(table.c.id == key))  # of what may be there once, that is not here twice
            columns = [each for each in table.columns if each.name != "id"]
            row = {each.name: None if each.nullable and chosen == 0 else _value(each, keys) for each in columns}
            row |= {name: words[chosen % len(words)] for name, words in choices.items()}
            key = connection.execute(table.insert().values(row).returning(table.c.id)).scalar_one()
        connection.execute(table.update().where(table.c.id == key).values(row))
        connection.execute(select(table).where(table.c.id == key)).one()
        return int(key)


def _depth(table: Table) -> int:
    """How many tables in a row it cannot be without."""
    return max((1 + _depth(key.column.table) for key in table.foreign_keys if not key.parent.nullable), default=0)


def _value(column: Any, keys: dict[str, int]) -> Any:
    if column.foreign_keys:
        return keys.get(next(iter(column.foreign_keys)).column.table.name)  # tables that refer to each other: the later one's is empty
    kinds: list[tuple[type, Any]] = [
        (Boolean, True), (Integer, next(_numbers)), (Double, 1.5), (DateTime, datetime.now(UTC)), (JSON, []), (LargeBinary, b"x"),
    ]  # fmt: skip
    return next((value for kind, value in kinds if isinstance(column.type, kind)), f"text {next(_numbers)}")


def _words(checks: list[Any]) -> dict[str, list[str]]:
    """Of each column that holds certain words only, these words."""
    found = {}
    for each in checks:
        column = re.search(r"\(*(\w+) =|(\w+) IN", str(each["sqltext"]))
        assert column is not None, each
        found[column[1] or column[2]] = re.findall(r"'(\w+)'", str(each["sqltext"]))
    return found


def test_older_versions_serve_while_the_database_is_upgraded(postgres_url: str) -> None:
    """From the first revision on, step by step: the code of the revision before, and that of the oldest that may still serve."""
    database, serving = Database(postgres_url), Database(postgres_url)
    database.upgrade(REVISIONS[0])
    old: dict[str, OldCode] = {}
    for current, upcoming in itertools.pairwise(REVISIONS):
        old[current] = OldCode(serving.engine).start()
        oldest = next(each for each in old if each >= oldest_beside(upcoming))
        for retired in set(old) - {oldest, current}:
            old.pop(retired).stop()
        database.upgrade(upcoming)
        for revision, code in old.items():
            code.goes_on()
            assert code.failed == [], f"code of {revision} beside {upcoming}"
            assert code.longest < LONGEST_STATEMENT_S
    for code in old.values():
        code.stop()
    database.close()
    serving.close()


@pytest.mark.parametrize(
    "change",
    [
        "RENAME COLUMN reason TO why",
        "DROP COLUMN source",
        "ADD CONSTRAINT named CHECK (source IS NOT NULL) NOT VALID",
        "ADD COLUMN mood TEXT NOT NULL DEFAULT 'good', ALTER COLUMN mood DROP DEFAULT",
        "ADD CONSTRAINT fewer CHECK (kind IN ('instruction', 'document')) NOT VALID",
    ],
)
def test_a_change_that_older_versions_cannot_live_with_is_found(postgres_url: str, change: str) -> None:
    database = Database(postgres_url)
    database.upgrade()
    code = OldCode(database.engine).start()
    with database.engine.begin() as connection:
        for each in change.split(", ALTER"):
            connection.execute(text(f"ALTER TABLE lessons {'ALTER' if each.startswith(' COLUMN') else ''}{each}"))
    code.goes_on()
    code.stop()
    assert [each.partition(":")[0] for each in code.failed] == ["lessons"]
    database.close()


def test_an_upgrade_waits_for_who_uses_a_table_and_holds_nobody_up_meanwhile(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LOCK_TIMEOUT_S", 0.1)
    monkeypatch.setattr(schema, "LOCK_PAUSE_S", 0.1)
    database, other = Database(postgres_url), Database(postgres_url)
    database.upgrade("0005")
    upgrading = threading.Thread(target=database.upgrade)
    with other.engine.begin() as connection:
        connection.execute(text("SELECT * FROM lessons"))  # a long transaction that has looked at the table
        upgrading.start()
        for _ in range(20):
            began = time.monotonic()
            with other.engine.begin() as beside:
                beside.execute(text("SELECT * FROM lessons"))
            assert time.monotonic() - began < LONGEST_STATEMENT_S
            upgrading.join(0.05)
        assert upgrading.is_alive()
    upgrading.join(60)
    assert inspect(database.engine).has_table("packs")
    database.close()
    other.close()


def test_an_upgrade_that_nobody_makes_way_for_says_so_and_changes_nothing(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LOCK_TIMEOUT_S": 0.05, "LOCK_PAUSE_S": 0.01, "LOCK_TRIES": 3}.items():
        monkeypatch.setattr(schema, name, value)
    database, other = Database(postgres_url), Database(postgres_url)
    database.upgrade("0005")
    with other.engine.begin() as connection:
        connection.execute(text("SELECT * FROM lessons"))
        with pytest.raises(DatabaseInUseError) as refused:
            database.upgrade()
    assert "Nothing was changed" in refused.value.user_message
    assert not inspect(database.engine).has_table("packs")
    database.upgrade()
    database.close()
    other.close()


def test_a_process_of_an_older_version_says_so_and_goes_on(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE lessons ADD COLUMN mood TEXT"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9001'"))
    with caplog.at_level(logging.WARNING):
        database.upgrade()
    assert "a newer version of Tutee has upgraded the database, revision=9001" in caplog.text
    stored = Repositories.on(database)
    assert stored.users.find("discord", "1001") is None
    with database.engine.connect() as connection:
        assert newer_revision(connection) == "9001"
        assert MigrationContext.configure(connection).get_current_revision() == "9001"


def test_what_a_host_that_was_cut_off_has_locked_is_free_again_soon(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Database(postgres_url)
    other.upgrade()
    user = Repositories.on(other).users.identify("discord", "1001", "Ada")
    monkeypatch.setattr(session, "LEFT_ALONE_S", 1)
    cut = Database(postgres_url)

    def left_alone_for_long() -> None:
        with cut.session() as locked:
            locked.execute(text("SELECT * FROM users FOR UPDATE"))
            assert Repositories.on(other).adapters.roll_back(user.id, 0) is None  # waits for the lock
            locked.execute(text("SELECT 1"))  # the host is back

    with pytest.raises(DatabaseUnavailableError):
        left_alone_for_long()
    cut.close()
    other.close()
