"""Work that outlives a message, as RQ jobs in Redis; and the events that tell how it goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from trainer.contracts import (
    ANSWER_JOB,
    CHAT_QUEUE,
    EVENT_STREAM,
    LESSON_JOB,
    LESSON_QUEUE,
    REBUILD_JOB,
    Event,
    answer_job_id,
    decode,
    lesson_job_id,
    publish,
    rebuild_job_id,
)
from trainer.lease import Claims, Lease, answering

log = logging.getLogger(__name__)

LESSON_TIMEOUT_S = 12 * 3600  # a document on a large model without a GPU; a stuck lesson must end some day
ANSWER_TIMEOUT_S = 600
# A lesson that raised is tried again soon: the usual reason is a neighbour that restarts. Then calmly, for what takes longer: a
# fault of ours has used up the lesson's attempts by then. The sweeper begins afresh where these end, after an hour and a quarter.
LESSON_RETRY = (2, 10, *[45] * 100)
# The usual reason to wait is an engine that is loading its model: half a minute of short pauses, then longer ones.
# After an hour and a half the job has failed, and the sweeper queues it afresh: a message is never given up.
ANSWER_RETRY = (*[1] * 30, *[5] * 24, *[30] * 170)
FAILED_JOB_S = 3600  # how long the traceback of a failed job can be looked up
_JOBS: dict[str, tuple[str, Callable[[int], str]]] = {
    LESSON_JOB: (LESSON_QUEUE, lesson_job_id),
    REBUILD_JOB: (LESSON_QUEUE, rebuild_job_id),
    ANSWER_JOB: (CHAT_QUEUE, answer_job_id),
}
ACTIVE = frozenset({JobStatus.QUEUED, JobStatus.STARTED, JobStatus.SCHEDULED, JobStatus.DEFERRED})
BLOCK_MS = 1000  # below the client's socket timeout of 5 s; also how soon `stop` is noticed
LONGEST_PAUSE_S = 5.0


class JobQueue:
    """All queues on one Redis; safe to share between threads.

    Nothing here is the truth: that is the rows. So an unreachable Redis is logged, never raised, and the sweeper
    queues what is missing as soon as Redis is back.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._queues = {name: Queue(name, connection=redis, serializer=JSONSerializer) for name in (LESSON_QUEUE, CHAT_QUEUE)}

    def enqueue_lesson(self, lesson_id: int, at: datetime | None = None) -> bool:
        """Have the lesson learned, not before `at`: a job that waits for its time waits for this one instead.

        False, and nothing changes, while its job waits or runs, or while Redis is away.
        """
        with _logging_outages("queue a lesson"):
            if at is not None:
                return self._enqueue_at(lesson_id, at)
            return self._enqueue(LESSON_QUEUE, LESSON_JOB, lesson_id, lesson_job_id(lesson_id))
        return False

    def enqueue_rebuild(self, rebuild_id: int) -> bool:
        """Have the user's model rebuilt. False as for lessons."""
        with _logging_outages("queue a rebuild"):
            return self._enqueue(LESSON_QUEUE, REBUILD_JOB, rebuild_id, rebuild_job_id(rebuild_id))
        return False

    def enqueue_answer(self, exchange_id: int) -> bool:
        """Have the waiting message answered. False as for lessons."""
        with _logging_outages("queue a message"):
            return self._enqueue(CHAT_QUEUE, ANSWER_JOB, exchange_id, answer_job_id(exchange_id))
        return False

    def cancel_lesson(self, lesson_id: int) -> bool:
        """Take the lesson off the queue. False: a worker may have it, and reads in the row, at its next step, that it has ended."""
        return self._cancel(lesson_job_id(lesson_id))

    def cancel_rebuild(self, rebuild_id: int) -> bool:
        """Take the rebuild off the queue. False as for lessons."""
        return self._cancel(rebuild_job_id(rebuild_id))

    def answering(self, exchange_id: int) -> Lease:
        """Hold this around an answer that is being streamed, so that the sweeper does not queue its message meanwhile."""
        return answering(self.redis, exchange_id)

    def claims(self) -> Claims:
        """What this process shows, so that no other one shows it, too."""
        return Claims(self.redis)

    def publish(self, event: Event) -> None:
        """Tell every bot process."""
        with _logging_outages("publish an event"):
            publish(self.redis, event)

    def events(self, after: str = "$", stop: threading.Event | None = None) -> Iterator[tuple[str, Event]]:
        """Events after that entry ("0": all that are kept; "$": from this call on), each with its entry's id.

        Waits for more without end, or until about a second after `stop` is set; outages of Redis are waited out.
        """
        stop = stop or threading.Event()
        return self._read_events(self._newest_entry() if after == "$" else after, stop)

    def waiting(self, queue: str, within: float | None = None) -> set[str]:
        """Ids of all jobs that wait in the queue, or for their next attempt (if that comes `within` so many seconds). Raises RedisError."""
        until = "+inf" if within is None else time.time() + within
        scheduled = cast(list[bytes], self.redis.zrangebyscore(self._queues[queue].scheduled_job_registry.key, "-inf", until))
        return {*map(str, self._queues[queue].get_job_ids()), *(each.decode() for each in scheduled)}

    def enqueue_again(self, path: str, row_id: int) -> None:
        """Queue a job afresh that was found missing, whatever is left of it. Raises RedisError."""
        queue, name = _JOBS[path]
        self._delete(name(row_id))
        self._enqueue(queue, path, row_id, name(row_id))

    def move_due(self) -> None:
        """Put jobs whose next attempt is due back into their queue. Raises RedisError.

        RQ would do it in a process that it forks, which a worker that has used torch must not do.
        """
        scheduler = RQScheduler(list(self._queues.values()), self.redis, serializer=JSONSerializer, logging_level="WARNING")
        scheduler.prepare_registries(self._queues)
        scheduler.enqueue_scheduled_jobs()

    def _enqueue_at(self, lesson_id: int, at: datetime) -> bool:
        job_id = lesson_job_id(lesson_id)
        if self._status(job_id) is JobStatus.SCHEDULED:
            self._delete(job_id)
        if at <= datetime.now(UTC):
            return self._enqueue(LESSON_QUEUE, LESSON_JOB, lesson_id, job_id)
        try:
            self._queues[LESSON_QUEUE].enqueue_at(at, LESSON_JOB, args=(lesson_id,), **_options(LESSON_QUEUE, job_id))
        except DuplicateJobError:
            return False
        return True

    def _cancel(self, job_id: str) -> bool:
        with _logging_outages("cancel a job"):
            if job_id in self.waiting(LESSON_QUEUE):
                self._delete(job_id)
                return True
        return False

    def _enqueue(self, queue: str, path: str, row_id: int, job_id: str) -> bool:
        for _ in range(2):
            try:
                self._queues[queue].enqueue(path, args=(row_id,), **_options(queue, job_id))
            except DuplicateJobError:
                if self._status(job_id) in ACTIVE:
                    return False
                self._delete(job_id)  # the remains of one that failed
            else:
                return True
        return False

    def _status(self, job_id: str) -> JobStatus | None:
        try:
            return Job.fetch(job_id, self.redis, serializer=JSONSerializer).get_status(refresh=False)
        except NoSuchJobError:
            return None

    def _delete(self, job_id: str) -> None:
        try:
            Job.fetch(job_id, self.redis, serializer=JSONSerializer).delete()
        except NoSuchJobError:
            for queue in self._queues.values():
                queue.remove(job_id)

    def _newest_entry(self) -> str:
        with _logging_outages("find the newest event"):
            newest = cast(list[tuple[bytes, Any]], self.redis.xrevrange(EVENT_STREAM, count=1))
            return newest[0][0].decode() if newest else "0"
        return "$"

    def _read_events(self, after: str, stop: threading.Event) -> Iterator[tuple[str, Event]]:
        pause = 0.1
        while not stop.is_set():
            try:
                found = cast(Any, self.redis.xread({EVENT_STREAM: after}, count=100, block=BLOCK_MS))
                pause = 0.1
            except RedisError as error:
                log.warning("events cannot be read, trying again, seconds=%.1f error=%s", pause, error)
                stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                continue
            for after, event in _decoded(found):
                if event is not None:
                    yield after, event


def _options(queue: str, job_id: str) -> dict[str, Any]:
    lesson = queue == LESSON_QUEUE
    pauses = list(LESSON_RETRY if lesson else ANSWER_RETRY)
    return {
        "job_id": job_id,
        "unique": True,
        "retry": Retry(len(pauses), pauses),
        "job_timeout": LESSON_TIMEOUT_S if lesson else ANSWER_TIMEOUT_S,
        "result_ttl": 0,  # the row has the result; and a job that is gone can be queued again
        "failure_ttl": FAILED_JOB_S,
    }


def _decoded(found: Any) -> Iterator[tuple[str, Event | None]]:
    """Entries of an answer to XREAD, which is a mapping in Redis' newer protocol and a list in the older one."""
    streams = found.values() if isinstance(found, dict) else [entries for _, entries in found or ()]
    for entries in streams:
        # the newer protocol wraps the entries once more
        for entry_id, fields in entries[0] if entries and isinstance(entries[0], list) else entries:
            try:
                yield entry_id.decode(), decode(fields[b"event"])
            except (KeyError, TypeError, ValueError) as error:
                log.warning("an unknown event was left out, entry=%s error=%s", entry_id, error)
                yield entry_id.decode(), None


class _logging_outages:  # noqa: N801  (reads as the context manager that it is)
    """Logs RedisError and goes on."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, RedisError):
            log.warning("could not %s, error=%s", self._doing, error)
            return True
        return False
