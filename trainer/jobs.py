"""What an RQ worker runs for a lesson or a rebuild: a thin shell that keeps the order and counts attempts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError

from storage.errors import (
    ArtifactUnavailableError,
    ArtifactWriteError,
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
JOINS_FOR_S = 60.0  # how long others' work may join that of one job: a worker's other queues must not wait for ever
LOOKS_EVERY_S = 0.3  # how often the rows are looked through for work that could join
GAVE_UP_REBUILD = f"I started it {MAX_ATTEMPTS} times and could not finish it. Please try again later."
GAVE_UP = f"I started this lesson {MAX_ATTEMPTS} times and could not finish it. Please teach it again later."
# Not the lesson's fault: it waits for as long as this takes, and none of these attempts is counted.
TEMPORARY = (
    ModeratorUnavailableError,
    TeacherUnavailableError,
    StaleVersionError,
    DatabaseUnavailableError,
    ArtifactUnavailableError,
    ArtifactWriteError,  # a full disk
    RedisError,
)


Work = LessonRecord | RebuildRecord
Runner = Callable[[int], object]
"""Takes the row of this id from where it stands to its end, and may be called again after a crash."""


class LessonRunner(Protocol):
    """The pipeline; `run` takes a lesson from where it stands to its end, and may be called again after a crash."""

    def run(self, lesson_id: int) -> object: ...


class Together(Protocol):
    """Runs tasks side by side; as `trainer.together.Group.work`."""

    def work(self, task: Callable[[], None], more: Callable[[int], Sequence[Callable[[], None]]], most: int) -> None: ...


class Teaching:
    """Runs lessons and rebuilds: one at a time per user, in the order in which they were asked for, never the same one for ever.

    With a `group`, those of up to `most` users run side by side: what waits in the rows joins what a job has begun, and its own
    job finds it done.
    """

    def __init__(
        self,
        repositories: Repositories,
        redis: Redis,
        runner: LessonRunner,
        rebuild: Runner | None = None,
        now: Clock = utc_now,
        *,
        group: Together | None = None,
        most: int = 1,
    ) -> None:
        self._lessons = repositories.lessons
        self._rebuilds = repositories.rebuilds
        self._redis = redis
        self._learn = runner.run
        self._rebuild = rebuild
        self._now = now
        self._group = group
        self._most = most
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
            if self._group is None or self._most == 1:
                self._up_to(wanted)
            else:
                self._group.work(partial(self._up_to, wanted), _Joining(self._waiting, self._joined, wanted.user_id), self._most)

    def _up_to(self, wanted: Work) -> None:
        for each in self._unfinished(wanted.user_id):
            if _turn(each) <= _turn(wanted) and self._is_due(each):
                self._run(each)

    def _waiting(self) -> list[Work]:
        """Everybody's unfinished work, the oldest first. Nothing while the database is away."""
        try:
            found: list[Work] = [*self._lessons.unfinished(), *self._rebuilds.unfinished()]
        except DatabaseUnavailableError:
            return []
        return sorted((each for each in found if each.state != "awaiting" and self._is_due(each)), key=_turn)

    def _joined(self, work: Work) -> None:
        """Run one piece of another user's work, unless somebody else does. It keeps its own job, which tries again what fails here."""
        try:
            with teaching(self._redis, work.user_id) as held:
                first = next(iter(self._unfinished(work.user_id)), None)
                if held and first is not None and first.id == work.id and type(first) is type(work):
                    self._run(first)
        except (Abandoned, *TEMPORARY) as error:
            log.info("it goes on later, %s user=%s reason=%s", _named(work), work.user_id, type(error).__name__)
        except Exception:
            log.exception("it failed beside others, %s user=%s", _named(work), work.user_id)

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


class _Joining:
    """What may join a job's work: the oldest of each user, each piece once, and none of the users who are at work already.

    What came since the last look is left to workers that have nothing to do: they take it at once.
    """

    def __init__(self, waiting: Callable[[], list[Work]], run: Callable[[Work], None], user_id: int) -> None:
        self._waiting, self._run = waiting, run
        self._busy = {user_id}
        self._seen: set[tuple[type, int]] = set()
        self._waited: set[tuple[type, int]] = set()
        self._began = time.monotonic()
        self._looked = float("-inf")

    def __call__(self, room: int) -> list[Callable[[], None]]:
        now = time.monotonic()
        if room < 1 or now - self._began > JOINS_FOR_S or now - self._looked < LOOKS_EVERY_S:
            return []
        self._looked = now
        chosen: dict[int, Work] = {}
        waiting = self._waiting()
        for work in waiting:
            if work.user_id not in self._busy and (type(work), work.id) in self._waited - self._seen and len(chosen) < room:
                chosen.setdefault(work.user_id, work)
        self._waited = {(type(work), work.id) for work in waiting}
        self._busy |= set(chosen)
        self._seen |= {(type(work), work.id) for work in chosen.values()}
        return [partial(self._one, work) for work in chosen.values()]

    def _one(self, work: Work) -> None:
        try:
            self._run(work)
        finally:
            self._busy = self._busy - {work.user_id}


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
