"""What a lesson's job does with the errors of its run: what is counted, what waits, what is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from rq.job import Job
from rq.serializers import JSONSerializer

from storage.errors import ArtifactWriteError, DatabaseUnavailableError, StaleVersionError, UnknownLessonError
from storage.records import LessonRecord
from storage.repositories import Lessons
from tests.services import Installation
from trainer import wiring
from trainer.contracts import Answered, Finished, Progress, Rebuilt, lesson_job_id
from trainer.errors import ModeratorUnavailableError, TeacherUnavailableError
from trainer.jobs import MAX_ATTEMPTS, Teaching, tell
from trainer.worker import Abandoned

AWAY = {
    "moderator": ModeratorUnavailableError("The moderator does not answer."),
    "teacher": TeacherUnavailableError("The teacher does not answer."),
    "stale": StaleVersionError("user-1-v1", "user-1-v2"),
    "redis": RedisConnectionError("refused"),
    "database": DatabaseUnavailableError("refused"),
    "disk": ArtifactWriteError("user-1-v1", "No space left on device"),
    "stop": Abandoned(),
}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    installation.close()


class ScriptedRunner:
    """Starts the lesson, as the pipeline does, and then does what the test says."""

    def __init__(self, lessons: Lessons, then: Callable[[int], object]) -> None:
        self._lessons = lessons
        self._then = then
        self.runs = 0

    def run(self, lesson_id: int) -> object:
        self._lessons.start(lesson_id)
        self.runs += 1
        return self._then(lesson_id)


def raising(error: BaseException) -> Callable[[int], object]:
    def then(lesson_id: int) -> object:
        raise error

    return then


def row(here: Installation, lesson: LessonRecord) -> LessonRecord:
    found = here.repositories.lessons.get(lesson.id)
    assert found is not None
    return found


@pytest.mark.parametrize("error", AWAY.values(), ids=AWAY)
def test_a_lesson_waits_for_as_long_as_something_is_away(here: Installation, error: BaseException) -> None:
    lesson = here.teach("patience")
    teaching = Teaching(here.repositories, here.redis, ScriptedRunner(here.repositories.lessons, raising(error)))

    for _ in range(2 * MAX_ATTEMPTS):
        with pytest.raises(type(error)):
            teaching.learn(lesson.id)

    assert (row(here, lesson).state, row(here, lesson).attempts) == ("running", 0)


def test_what_the_lesson_waits_for_is_told(here: Installation) -> None:
    lesson, error = here.teach("patience"), AWAY["stale"]
    events = here.queue.events()
    with pytest.raises(StaleVersionError):
        Teaching(here.repositories, here.redis, ScriptedRunner(here.repositories.lessons, raising(error))).learn(lesson.id)
    told = next(events)[1]
    assert isinstance(told, Progress) and told.note == StaleVersionError.user_message


def test_an_attempt_is_taken_back_late_where_the_database_was_away(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = here.teach("patience")
    real = here.repositories.lessons.not_counted

    def away(lesson_id: int) -> None:
        raise DatabaseUnavailableError("refused")

    runner = ScriptedRunner(here.repositories.lessons, raising(AWAY["database"]))
    teaching = Teaching(here.repositories, here.redis, runner)
    monkeypatch.setattr(here.repositories.lessons, "not_counted", away)
    with pytest.raises(DatabaseUnavailableError):
        teaching.learn(lesson.id)
    assert row(here, lesson).attempts == 1

    monkeypatch.setattr(here.repositories.lessons, "not_counted", real)
    with pytest.raises(DatabaseUnavailableError):
        teaching.learn(lesson.id)
    assert row(here, lesson).attempts == 0


def test_a_fault_of_ours_ends_the_lesson_with_its_last_attempt(here: Installation) -> None:
    lesson, runner = here.teach("broken"), ScriptedRunner(here.repositories.lessons, raising(ValueError("never works")))
    events = here.queue.events()
    teaching = Teaching(here.repositories, here.redis, runner)

    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(ValueError, match="never works"):
            teaching.learn(lesson.id)
        assert row(here, lesson).state == "running"
    teaching.learn(lesson.id)

    assert (row(here, lesson).state, runner.runs) == ("failed", MAX_ATTEMPTS)
    assert next(events)[1] == Finished(lesson.id, lesson.user_id)


def test_a_lesson_that_kills_its_process_is_given_up(here: Installation) -> None:
    lesson = here.teach("too big")
    for _ in range(MAX_ATTEMPTS):
        here.repositories.lessons.start(lesson.id)
    runner = ScriptedRunner(here.repositories.lessons, raising(AssertionError("must not run")))

    Teaching(here.repositories, here.redis, runner).learn(lesson.id)

    assert (row(here, lesson).state, runner.runs) == ("failed", 0)


def test_a_lesson_whose_user_deleted_everything_is_over_and_holds_nobody_up(here: Installation) -> None:
    lesson = here.teach("gone")

    def then(lesson_id: int) -> object:
        here.repositories.users.delete(lesson.user_id)
        raise UnknownLessonError(lesson_id)

    Teaching(here.repositories, here.redis, ScriptedRunner(here.repositories.lessons, then)).learn(lesson.id)


def test_after_the_first_retries_a_lesson_is_tried_again_calmly(here: Installation) -> None:
    here.queue.enqueue_lesson(7)
    job = Job.fetch(lesson_job_id(7), here.redis, serializer=JSONSerializer)
    assert job.retry_intervals is not None
    assert all(30 <= pause <= 60 for pause in job.retry_intervals[2:])
    assert sum(job.retry_intervals) > 3600


def test_events_are_lost_and_nothing_stops_while_redis_is_away(here: Installation) -> None:
    here.redis_server.stop()
    tell(here.redis, Answered(1, 1))


def test_a_running_lesson_is_cancelled_by_its_row_or_with_it(here: Installation) -> None:
    here.redis_server.stop()  # it is not asked
    lessons, running = here.repositories.lessons, here.teach("one")
    lessons.start(running.id)
    assert not wiring.is_cancelled(lessons, running.id)
    lessons.finish(running.id, "cancelled")
    assert wiring.is_cancelled(lessons, running.id)
    deleted = here.teach("two", user="bob")
    here.repositories.users.delete(deleted.user_id)
    assert wiring.is_cancelled(lessons, deleted.id)


def test_a_database_that_is_away_cancels_nothing(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(lesson_id: int) -> Any:
        raise DatabaseUnavailableError("refused")

    monkeypatch.setattr(here.repositories.lessons, "get", away)
    assert not wiring.is_cancelled(here.repositories.lessons, 1)


def test_lessons_and_rebuilds_of_a_user_run_in_the_order_in_which_they_were_asked_for(here: Installation) -> None:
    lessons, rebuilds, ran = here.repositories.lessons, here.repositories.rebuilds, []
    first = here.teach("first")
    rebuild, _ = rebuilds.create(first.user_id, platform="terminal", channel="terminal")
    last = here.teach("last")

    def learn(lesson_id: int) -> object:
        ran.append(f"lesson {lesson_id}")
        return lessons.finish(lesson_id, "live")

    def remake(rebuild_id: int) -> object:
        ran.append(f"rebuild {rebuild_id}")
        return rebuilds.finish(rebuilds.start(rebuild_id).id, "live")

    teaching = Teaching(here.repositories, here.redis, ScriptedRunner(lessons, learn), remake)
    teaching.rebuild(rebuild.id)
    assert ran == [f"lesson {first.id}", f"rebuild {rebuild.id}"]
    teaching.learn(last.id)
    teaching.rebuild(rebuild.id)
    assert ran[2:] == [f"lesson {last.id}"]


@pytest.mark.parametrize("error", [AWAY["stale"], AWAY["stop"]], ids=["stale", "stop"])
def test_a_rebuild_waits_as_lessons_do(here: Installation, error: BaseException) -> None:
    rebuild, _ = here.repositories.rebuilds.create(here.teach("x").user_id, platform="terminal", channel="terminal")
    here.repositories.lessons.finish(1, "live")

    def remake(rebuild_id: int) -> object:
        here.repositories.rebuilds.start(rebuild_id)
        raise error

    teaching = Teaching(here.repositories, here.redis, ScriptedRunner(here.repositories.lessons, raising(error)), remake)
    for _ in range(2 * MAX_ATTEMPTS):
        with pytest.raises(type(error)):
            teaching.rebuild(rebuild.id)
    found = here.repositories.rebuilds.get(rebuild.id)
    assert found is not None
    assert (found.state, found.attempts) == ("running", 0)


def test_a_rebuild_that_never_works_is_given_up_and_told(here: Installation) -> None:
    rebuild, _ = here.repositories.rebuilds.create(here.teach("x").user_id, platform="terminal", channel="terminal")
    here.repositories.lessons.finish(1, "live")
    events = here.queue.events()

    def remake(rebuild_id: int) -> object:
        here.repositories.rebuilds.start(rebuild_id)
        raise ValueError("never works")

    teaching = Teaching(here.repositories, here.redis, ScriptedRunner(here.repositories.lessons, raising(ValueError())), remake)
    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(ValueError, match="never works"):
            teaching.rebuild(rebuild.id)
    teaching.rebuild(rebuild.id)
    found = here.repositories.rebuilds.get(rebuild.id)
    assert found is not None and found.state == "failed" and found.reason is not None and "4 times" in found.reason
    assert next(events)[1] == Rebuilt(rebuild.id, rebuild.user_id)
