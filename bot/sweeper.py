"""What has to be done now and then: unfinished work without a job is queued again, what belongs to nobody or has had its time is deleted,
and at night everybody's model is trained anew."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from redis.exceptions import RedisError

from bot.queue import JobQueue
from bot.rebuilds import rebuild_everyone
from storage.artifacts import Artifacts
from storage.errors import StorageError
from storage.paused import Paused
from storage.repositories import Repositories
from storage.repositories.base import utc_now
from trainer.contracts import (
    ANSWER_JOB,
    CHAT_QUEUE,
    LESSON_JOB,
    LESSON_QUEUE,
    REBUILD_JOB,
    answer_job_id,
    answering_key,
    lesson_job_id,
    rebuild_job_id,
    teaching_key,
)
from trainer.lease import is_held

log = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0
TIDY_SECONDS = 60.0
PUBLISHING_TAKES = timedelta(hours=1)  # at most: from proposing a version to its going live, only its files are written
ANSWERING_TAKES = timedelta(minutes=1)  # so long after its removal nobody is answered by a version any more
# No pause between attempts is this long: a job that waits longer was put off by somebody whose clock is wrong.
LONGEST_PAUSE_S = 120
SUSPICION_SECONDS = 10  # a job found missing in two sweeps this near is really missing
# A bot answers a message at once, holding its lease meanwhile: one that is this old and has none is nobody's.
ANSWER_GRACE = timedelta(seconds=15)


class Sweeper:
    """Call it every second or so, from as many processes as you like: they take turns."""

    def __init__(
        self,
        queue: JobQueue,
        repositories: Repositories,
        artifacts: Artifacts,
        now: Callable[[], datetime] = utc_now,
        *,
        message_days: int = 0,
        rebuild_hour: int = -1,
    ) -> None:
        """`message_days`: how long messages are kept (0: for ever); `rebuild_hour`: when models are trained anew (UTC; -1: never)."""
        self._queue = queue
        self._repositories = repositories
        self._artifacts = artifacts
        self._now = now
        self._message_days = message_days
        self._rebuild_hour = rebuild_hour
        self._tidy_here_at = 0.0

    def __call__(self) -> None:
        """Move due retries; every two seconds, look for what is missing, and every minute for what belongs to nobody.

        Outages are logged: the next call is soon.
        """
        try:
            self._queue.move_due()
            if self._queue.redis.set("tutee:sweep", 1, nx=True, px=int(SWEEP_SECONDS * 1000)):
                self._sweep_models()
                self._sweep_exchanges()
            if time.monotonic() >= self._tidy_here_at:
                self._tidy_here_at = time.monotonic() + TIDY_SECONDS
                self._tidy_here()
            if self._queue.redis.set("tutee:tidy", 1, nx=True, px=int(TIDY_SECONDS * 1000)):
                self._tidy()
                self._rebuild_at_night()
        except (RedisError, StorageError) as error:
            log.warning("the sweep was cut short, error=%s", error)

    def _sweep_models(self) -> None:
        now = self._now()
        lessons = [each for each in self._repositories.lessons.unfinished() if each.begins_at is None or each.begins_at <= now]
        rebuilds = self._repositories.rebuilds.unfinished()
        if not lessons and not rebuilds:
            return
        waiting = self._queue.waiting(LESSON_QUEUE, within=LONGEST_PAUSE_S)
        jobs = [(LESSON_JOB, lesson_job_id(each.id), each.id, each.user_id) for each in lessons if each.state != "awaiting"]
        jobs += [(REBUILD_JOB, rebuild_job_id(each.id), each.id, each.user_id) for each in rebuilds]
        for path, job_id, row_id, user_id in jobs:
            if job_id not in waiting and not is_held(self._queue.redis, teaching_key(user_id)):
                self._requeue(path, row_id, job_id)

    def _sweep_exchanges(self) -> None:
        settled = self._now() - ANSWER_GRACE
        exchanges = [one for one in self._repositories.exchanges.pending() if one.created_at < settled]
        if not exchanges:
            return
        waiting = self._queue.waiting(CHAT_QUEUE, within=LONGEST_PAUSE_S)
        for exchange in exchanges:
            if answer_job_id(exchange.id) not in waiting and not is_held(self._queue.redis, answering_key(exchange.id)):
                self._requeue(ANSWER_JOB, exchange.id, answer_job_id(exchange.id))

    def _tidy_here(self) -> None:
        """What this host has for itself, so it cannot leave it to others: weights of rebuilds that have ended, copies of adapters."""
        paused = Paused(self._artifacts.root)
        for rebuild_id in paused.rebuilds() - {each.id for each in self._repositories.rebuilds.unfinished()}:
            paused.drop(rebuild_id)
        self._artifacts.tidy()

    def _tidy(self) -> None:
        """Delete what a crash or an outage left of versions that never went live and of users who deleted everything, and old messages."""
        if self._message_days:
            expired = self._repositories.exchanges.expire(before=self._now() - timedelta(days=self._message_days))
            if expired:
                log.info("deleted messages that were kept long enough, count=%d", expired)
        adapters = self._repositories.adapters
        adapters.discard_unpublished(before=self._now() - PUBLISHING_TAKES)
        # The files are listed first: a version's row is always there before them.
        for name in adapters.deleted(self._artifacts.names()):
            self._artifacts.delete(name)
            log.info("deleted files without an owner, adapter=%s", name)
        stored = set(self._artifacts.names())
        for version in adapters.removed(before=self._now() - ANSWERING_TAKES):
            if version.name in stored:
                self._artifacts.delete(version.name)
                log.info("deleted files of a removed version, adapter=%s", version.name)

    def _rebuild_at_night(self) -> None:
        now = self._now()
        if now.hour == self._rebuild_hour and self._queue.redis.set(f"tutee:night:{now:%Y-%m-%d}", 1, nx=True, ex=86_400):
            queued = rebuild_everyone(self._repositories, self._queue, self._repositories.users.ids())
            log.info("models are trained anew, count=%d", queued)

    def _requeue(self, path: str, row_id: int, job_id: str) -> None:
        # A worker that has just taken the job from the queue has not said so yet: only a second look tells.
        if self._queue.redis.set(f"tutee:missing:{job_id}", 1, nx=True, ex=SUSPICION_SECONDS):
            return
        self._queue.enqueue_again(path, row_id)
        self._queue.redis.delete(f"tutee:missing:{job_id}")
        log.info("queued again, job=%s", job_id)
