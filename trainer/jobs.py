"""What an RQ worker runs for a lesson: a thin shell that keeps the order and counts attempts."""

from __future__ import annotations

import logging
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError

from storage.errors import (
    DatabaseUnavailableError,
    LessonFinishedError,
    StaleVersionError,
    StorageError,
    UnknownRecordError,
)
from storage.records import LessonRecord
from storage.repositories import Repositories
from trainer.contracts import Event, Finished, Progress, publish
from trainer.errors import ModeratorUnavailableError, TeacherUnavailableError
from trainer.lease import teaching
from trainer.worker import Abandoned

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 4
GAVE_UP = f"I started this lesson {MAX_ATTEMPTS} times and could not finish it. Please teach it again later."
# Not the lesson's fault: it waits for as long as this takes, and none of these attempts is counted.
TEMPORARY = (
    ModeratorUnavailableError,
    TeacherUnavailableError,
    StaleVersionError,
    DatabaseUnavailableError,
    RedisError,
)


class LessonRunner(Protocol):
    """The pipeline; `run` takes a lesson from where it stands to its end, and may be called again after a crash."""

    def run(self, lesson_id: int) -> object: ...


class Teaching:
    """Runs lessons: one at a time per user, in the order in which they were given, never the same one for ever."""

    def __init__(self, repositories: Repositories, redis: Redis, runner: LessonRunner) -> None:
        self._lessons = repositories.lessons
        self._redis = redis
        self._runner = runner
        self._owed: list[int] = []  # lessons with an attempt to take back as soon as the database answers

    def learn(self, lesson_id: int) -> None:
        """Run the user's unfinished lessons up to this one. Nothing happens while another worker teaches the user: the
        sweeper comes back to the lesson then. Raises what the pipeline raised, until the attempts are used up; RQ tries again."""
        while self._owed:
            self._lessons.not_counted(self._owed[-1])
            self._owed.pop()
        lesson = self._lessons.get(lesson_id)
        if lesson is None or lesson.is_finished:
            return
        with teaching(self._redis, lesson.user_id) as held:
            if not held:
                return
            for each in self._lessons.unfinished_of_user(lesson.user_id):
                if each.id <= lesson_id:
                    self._run(each)

    def _run(self, lesson: LessonRecord) -> None:
        if lesson.attempts >= MAX_ATTEMPTS:  # the last one killed the process
            self._give_up(lesson)
            return
        try:
            self._runner.run(lesson.id)
        except (LessonFinishedError, UnknownRecordError):  # it was cancelled meanwhile, or its user deleted everything
            log.info("a lesson had ended already, lesson=%s user=%s", lesson.id, lesson.user_id)
        except (Abandoned, *TEMPORARY) as error:
            self._take_back(lesson.id)
            if isinstance(error, StorageError):  # the pipeline tells what else it waits for
                tell(self._redis, Progress(lesson.id, lesson.user_id, "queued", 0, note=error.user_message))
            raise
        except Exception:
            if lesson.attempts + 1 < MAX_ATTEMPTS:
                raise
            log.exception("a lesson failed, lesson=%s user=%s", lesson.id, lesson.user_id)
            self._give_up(lesson)

    def _take_back(self, lesson_id: int) -> None:
        try:
            self._lessons.not_counted(lesson_id)
        except DatabaseUnavailableError:
            self._owed.append(lesson_id)

    def _give_up(self, lesson: LessonRecord) -> None:
        if self._lessons.finish(lesson.id, "failed", reason=GAVE_UP):
            log.error("gave up a lesson, lesson=%s user=%s", lesson.id, lesson.user_id)
            tell(self._redis, Finished(lesson.id, lesson.user_id))


def tell(redis: Redis, event: Event) -> None:
    """Publish an event. While Redis is away it is lost, and no work stops for it: bots read the rows now and then."""
    try:
        publish(redis, event)
    except RedisError as error:
        log.warning("an event was not published, kind=%s error=%s", type(event).__name__, error)


_teaching: Teaching | None = None


def configure(teaching: Teaching) -> None:
    """Set, once per process, what `learn` works with."""
    global _teaching  # RQ calls a function by its path, so the process is the only place to keep this
    _teaching = teaching


def learn(lesson_id: int) -> None:
    """The RQ job."""
    if _teaching is None:
        raise RuntimeError("this process was not configured for lessons")
    _teaching.learn(lesson_id)
