"""What an RQ worker runs for a lesson or a rebuild: a thin shell that keeps the order and counts attempts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError

from storage.errors import (
    DatabaseUnavailableError,
    LessonFinishedError,
    RebuildFinishedError,
    StaleVersionError,
    StorageError,
    UnknownRecordError,
)
from storage.records import LessonRecord, RebuildRecord
from storage.repositories import Lessons, Rebuilds, Repositories
from storage.repositories.base import Clock, utc_now
from trainer.contracts import Event, Finished, Progress, Rebuilding, Rebuilt, publish
from trainer.errors import ModeratorUnavailableError, TeacherUnavailableError
from trainer.lease import teaching
from trainer.worker import Abandoned

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 4
GAVE_UP_REBUILD = f"I started it {MAX_ATTEMPTS} times and could not finish it. Please try again later."
GAVE_UP = f"I started this lesson {MAX_ATTEMPTS} times and could not finish it. Please teach it again later."
# Not the lesson's fault: it waits for as long as this takes, and none of these attempts is counted.
TEMPORARY = (
    ModeratorUnavailableError,
    TeacherUnavailableError,
    StaleVersionError,
    DatabaseUnavailableError,
    RedisError,
)


Work = LessonRecord | RebuildRecord
Runner = Callable[[int], object]
"""Takes the row of this id from where it stands to its end, and may be called again after a crash."""


class LessonRunner(Protocol):
    """The pipeline; `run` takes a lesson from where it stands to its end, and may be called again after a crash."""

    def run(self, lesson_id: int) -> object: ...


class Teaching:
    """Runs lessons and rebuilds: one at a time per user, in the order in which they were asked for, never the same one for ever."""

    def __init__(self, repositories: Repositories, redis: Redis, runner: LessonRunner, rebuild: Runner | None = None, now: Clock = utc_now) -> None:
        self._lessons = repositories.lessons
        self._rebuilds = repositories.rebuilds
        self._redis = redis
        self._learn = runner.run
        self._rebuild = rebuild
        self._now = now
        self._owed: list[Work] = []  # what has an attempt to take back as soon as the database answers

    def learn(self, lesson_id: int) -> None:
        """Run the user's unfinished work up to this lesson. Nothing happens while another worker teaches the user: the
        sweeper comes back to the lesson then. Raises what the pipeline raised, until the attempts are used up; RQ tries again."""
        self._do(lambda: self._lessons.get(lesson_id))

    def rebuild(self, rebuild_id: int) -> None:
        """Run the user's unfinished work up to this rebuild; as `learn`."""
        self._do(lambda: self._rebuilds.get(rebuild_id))

    def _do(self, find: Callable[[], Work | None]) -> None:
        while self._owed:
            self._rows(self._owed[-1]).not_counted(self._owed[-1].id)
            self._owed.pop()
        wanted = find()
        if wanted is None or wanted.is_finished:
            return
        with teaching(self._redis, wanted.user_id) as held:
            if not held:
                return
            for each in self._unfinished(wanted.user_id):
                if _turn(each) <= _turn(wanted) and self._is_due(each):
                    self._run(each)

    def _is_due(self, work: Work) -> bool:
        return not isinstance(work, LessonRecord) or work.begins_at is None or work.begins_at <= self._now()

    def _unfinished(self, user_id: int) -> list[Work]:
        lessons = [each for each in self._lessons.unfinished_of_user(user_id) if each.state != "awaiting"]  # their user has the word
        return sorted([*lessons, *self._rebuilds.unfinished_of_user(user_id)], key=_turn)

    def _rows(self, work: Work) -> Lessons | Rebuilds:
        return self._lessons if isinstance(work, LessonRecord) else self._rebuilds

    def _run(self, work: Work) -> None:
        if work.attempts >= MAX_ATTEMPTS:  # the last one killed the process
            self._give_up(work)
            return
        try:
            self._runner(work)(work.id)
        except (LessonFinishedError, RebuildFinishedError, UnknownRecordError):  # it was cancelled meanwhile, or its user deleted everything
            log.info("it had ended already, %s user=%s", _named(work), work.user_id)
        except (Abandoned, *TEMPORARY) as error:
            self._take_back(work)
            if isinstance(error, StorageError):  # the pipeline tells what else it waits for
                tell(self._redis, _waiting(work, error.user_message))
            raise
        except Exception:
            if work.attempts + 1 < MAX_ATTEMPTS:
                raise
            log.exception("it failed, %s user=%s", _named(work), work.user_id)
            self._give_up(work)

    def _runner(self, work: Work) -> Runner:
        if isinstance(work, LessonRecord):
            return self._learn
        if self._rebuild is None:
            raise RuntimeError("this process was not configured for rebuilds")
        return self._rebuild

    def _take_back(self, work: Work) -> None:
        try:
            self._rows(work).not_counted(work.id)
        except DatabaseUnavailableError:
            self._owed.append(work)

    def _give_up(self, work: Work) -> None:
        if self._rows(work).finish(work.id, "failed", reason=GAVE_UP if isinstance(work, LessonRecord) else GAVE_UP_REBUILD):
            log.error("gave up, %s user=%s", _named(work), work.user_id)
            tell(self._redis, _ended(work))


def _turn(work: Work) -> tuple[datetime, bool, int]:
    """What comes first is run first; at the same moment, lessons before rebuilds."""
    return work.created_at, isinstance(work, RebuildRecord), work.id


def _named(work: Work) -> str:
    return f"lesson={work.id}" if isinstance(work, LessonRecord) else f"rebuild={work.id}"


def _waiting(work: Work, note: str) -> Event:
    kind = Progress if isinstance(work, LessonRecord) else Rebuilding
    return kind(work.id, work.user_id, "queued", 0, note=note)


def _ended(work: Work) -> Event:
    return Finished(work.id, work.user_id) if isinstance(work, LessonRecord) else Rebuilt(work.id, work.user_id)


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
    """The RQ job of a lesson."""
    _configured().learn(lesson_id)


def rebuild(rebuild_id: int) -> None:
    """The RQ job of a rebuild."""
    _configured().rebuild(rebuild_id)


def _configured() -> Teaching:
    if _teaching is None:
        raise RuntimeError("this process was not configured for lessons")
    return _teaching
