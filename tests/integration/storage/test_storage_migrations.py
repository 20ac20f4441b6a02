"""The migrations build exactly what the models describe, whoever runs them and however often."""

from __future__ import annotations

import multiprocessing.synchronize
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import op
from sqlalchemy import CheckConstraint, inspect, text

from storage.errors import DatabaseUnavailableError
from storage.models import Base
from storage.repositories import Repositories
from storage.session import Database
from tests.storage_fixtures import at_once

ROOT = Path(__file__).parents[3]


def alembic(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini", *arguments]
    environment = {**os.environ, "TUTEE_DATABASE_URL": url}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_alembic_check_finds_no_drift(database: Database, database_url: str) -> None:
    check = alembic(database_url, "check")

    assert check.returncode == 0, check.stderr + check.stdout


def test_alembic_check_would_find_drift(database: Database, database_url: str) -> None:
    with database.session() as session:
        session.execute(text("ALTER TABLE lessons ADD COLUMN mood TEXT"))

    check = alembic(database_url, "check")

    assert check.returncode != 0
    assert "mood" in check.stderr + check.stdout


def test_checks_and_names_are_those_of_the_models(database: Database) -> None:
    """Alembic's own check compares neither."""
    found = inspect(database.engine)
    for table in Base.metadata.sorted_tables:
        described = {str(each.name): each for each in table.constraints if isinstance(each, CheckConstraint)}
        built = {str(each["name"]): each["sqltext"] for each in found.get_check_constraints(table.name)}
        assert built.keys() == described.keys()
        for name, constraint in described.items():
            assert words(built[name]) == words(str(constraint.sqltext))
        assert {each["name"] for each in found.get_foreign_keys(table.name)} == {each.name for each in table.foreign_key_constraints}


def words(check: str) -> set[str]:
    return set(re.findall(r"'(\w+)'", check))


def test_migrations_can_be_taken_back_and_run_again(database: Database, database_url: str) -> None:
    assert tables(database) == set(Base.metadata.tables)

    assert alembic(database_url, "downgrade", "base").returncode == 0
    assert tables(database) == set()

    database.upgrade()
    assert tables(database) == set(Base.metadata.tables)


def test_upgrading_again_keeps_what_is_stored(database: Database, repositories: Repositories) -> None:
    user = repositories.users.identify("terminal", "ada", "Ada")

    database.upgrade()

    assert repositories.users.find("terminal", "ada") == user


def test_a_migration_that_fails_leaves_the_database_as_it_was(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    database = Database(database_url)
    monkeypatch.setattr(op, "create_index", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        database.upgrade()
    assert tables(database) == set()

    monkeypatch.undo()
    database.upgrade()
    assert tables(database) == set(Base.metadata.tables)
    database.close()


def upgrade_in_process(urls: list[str], start: multiprocessing.synchronize.Barrier) -> None:
    for url in urls:
        database = Database(url)
        start.wait()
        try:
            database.upgrade()
        except BaseException:
            start.abort()  # or the others would wait for this one for ever
            raise
        database.close()


def upgrade_in_processes(urls: list[str]) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(4)
    processes = [context.Process(target=upgrade_in_process, args=(urls, start)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def test_several_processes_may_upgrade_at_once(database_url: str) -> None:
    assert upgrade_in_processes([database_url]) == [0, 0, 0, 0]


def test_several_processes_may_create_sqlite_files_at_once(tmp_path: Path) -> None:
    """Switching a new file to WAL collides only now and then, hence many files."""
    assert upgrade_in_processes([f"sqlite:///{tmp_path}/{number}.db" for number in range(15)]) == [0, 0, 0, 0]


def test_several_threads_may_upgrade_at_once(database_url: str) -> None:
    database = Database(database_url)

    at_once(lambda _: database.upgrade(), times=4)

    assert tables(database) == set(Base.metadata.tables)
    database.close()


def test_a_database_that_cannot_be_reached_is_told_in_words_for_the_user(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for url in (f"sqlite:///{tmp_path / 'folder'}", f"postgresql://nobody@/none?host={tmp_path}"):
        database = Database(url)
        with pytest.raises(DatabaseUnavailableError) as caught:
            Repositories.on(database).users.find("terminal", "ada")
        assert "cannot reach my memory" in caught.value.user_message
        database.close()


def test_what_users_wrote_is_not_in_the_errors_of_the_database(database: Database, repositories: Repositories) -> None:
    user = repositories.users.identify("terminal", "ada", "Ada")
    with pytest.raises(Exception, match="constraint") as caught:
        repositories.exchanges.receive(user.id, 999, "terminal", "m1", "my secret question")

    assert "secret" not in str(caught.value)


def test_a_sqlite_database_is_set_up_for_many_processes(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'made' / 'on' / 'demand' / 'tutee.db'}")
    database.upgrade()

    with database.reading() as session:
        settings = {name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "busy_timeout")}
    assert settings == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}
    database.close()


def test_plain_postgresql_addresses_are_opened_with_psycopg_3() -> None:
    for address in ("postgresql://ada:pw@db/tutee", "postgres://ada:pw@db/tutee"):
        opened = Database(address).url.render_as_string(hide_password=False)
        assert opened == "postgresql+psycopg://ada:pw@db/tutee"
