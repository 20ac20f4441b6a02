"""A warm RQ worker: one process that never forks, stops at once when asked to, and outlives Redis."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import InvalidJobOperation, StopRequested
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.serializers import JSONSerializer

log = logging.getLogger(__name__)

# A worker asks Redis for a job for 15 s less than this at a time (RQ's rule), so a lost connection is noticed in 15 s.
WORKER_TTL_S = 30
COMPUTING = "computing"  # the field of a worker's hash in Redis that says what it computes with
SWEEP_EVERY_S = 1.0
LONGEST_PAUSE_S = 5.0


Done = Callable[[str, bool, float], None]
"""Hears of every job its queue, whether it succeeded, and its seconds."""


class Abandoned(BaseException):
    """Raised inside a running job when the process is asked to stop. The job goes back to the front of its queue."""


def run_worker(
    redis: Redis, queues: Sequence[str], sweep: Callable[[], None] = lambda: None, done: Done = lambda *_: None, computing: str = ""
) -> None:
    """Work until SIGTERM or SIGINT; call it in the main thread. `sweep` is called every second, in a thread of its own, `done` after each job.
    What the worker computes models with, `computing`, is noted in Redis, for who looks.

    A running job is abandoned at once and taken up by the next worker. An unreachable Redis is waited for.
    """
    stop = threading.Event()
    sweeper = threading.Thread(target=_sweep_until, args=(stop, sweep), name="sweep", daemon=True)
    sweeper.start()
    try:
        _work_until(stop, redis, queues, done, computing)
    finally:
        stop.set()
        sweeper.join(timeout=5)


def _work_until(stop: threading.Event, redis: Redis, queues: Sequence[str], done: Done, computing: str) -> None:
    pause = 0.2
    while not stop.is_set():
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda *_: stop.set())  # while no RQ worker is there to take it
        try:
            worker = WarmWorker(queues, stop, redis, done, computing)
            worker.work(logging_level="WARNING")
            pause = 0.2
        except RedisError as error:
            log.warning("redis cannot be reached, trying again, seconds=%.1f error=%s", pause, error)
        except (Abandoned, StopRequested):
            stop.set()
        stop.wait(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _sweep_until(stop: threading.Event, sweep: Callable[[], None]) -> None:
    while not stop.is_set():
        try:
            sweep()
        except Exception:
            log.exception("the sweep failed")
        stop.wait(SWEEP_EVERY_S)


class WarmWorker(SimpleWorker):
    """RQ's worker without fork, without its command channel, and with stopping that does not wait for the job."""

    def __init__(self, queues: Sequence[str], stop: threading.Event, redis: Redis, done: Done = lambda *_: None, computing: str = "") -> None:
        super().__init__(list(queues), connection=redis, serializer=JSONSerializer, worker_ttl=WORKER_TTL_S)
        # A connection from before would give up after five seconds (redis-py's rule), while a worker waits for a job for fifteen.
        redis.connection_pool.reset()
        self._stop = stop
        self._done = done
        self._computing = computing
        self._working = False

    def register_birth(self) -> None:
        super().register_birth()
        if self._computing:
            self.connection.hset(self.key, COMPUTING, self._computing)

    def subscribe(self) -> None:
        """Not needed: nobody sends commands, and each outage of Redis would leave a thread behind."""

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()
        self._stop_requested = self._stop.is_set()  # the signal came before these handlers

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """On SIGTERM and SIGINT."""
        self._stop.set()
        self._stop_requested = True
        if self._working:
            self._working = False  # once: a second signal must not disturb putting the job back
            raise Abandoned
        super().request_stop(signum, frame)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        self._working = True
        try:
            if self._stop.is_set():  # the signal came between taking the job and here
                self._put_back(job, queue, execution)
                return False
            began = time.monotonic()
            succeeded: bool = super().perform_job(job, queue, execution)
            self._done(queue.name, succeeded, time.monotonic() - began)
            return succeeded
        finally:
            self._working = False

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Errors that explain themselves are expected, and tried again: one line says enough."""
        error = exc_info[1]
        if isinstance(error, InvalidJobOperation):
            log.info("another worker has ended the job meanwhile, job=%s", job.id)
        elif hasattr(error, "user_message"):
            log.warning("a job has to wait, job=%s reason=%s error=%s", job.id, type(error).__name__, error)
        else:
            super().handle_exception(job, *exc_info)

    def _finalize_failure(
        self,
        job: Job,
        queue: Queue,
        execution: Execution,
        exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None],
    ) -> None:
        self._working = False
        if exc_info[0] is Abandoned:
            self._put_back(job, queue, execution)
        else:
            super()._finalize_failure(job, queue, execution, exc_info)

    def _put_back(self, job: Job, queue: Queue, execution: Execution) -> None:
        with self.connection.pipeline() as pipeline:
            self.cleanup_execution(job, pipeline=pipeline, execution=execution)
            job.set_status(JobStatus.QUEUED, pipeline=pipeline)
            queue.push_job_id(job.id, pipeline=pipeline, at_front=True)
            pipeline.execute()
        log.info("put back into the queue, job=%s", job.id)

    def _set_ip_address(self, connection: Any) -> None:
        """Not asked for: it is a command that some hosted Redis servers refuse."""
        self.ip_address = "unknown"
