"""Events that Slack delivers again are followed once, whichever bot process they come to."""

from __future__ import annotations

import asyncio
import logging

from redis import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

KEY = "tutee:slack:event:"
# Slack tries again at once, after one minute and after five. What a process was at when it died is taken up by the last of these tries.
AT_WORK_SECONDS = 240
DONE_SECONDS = 3_600


class Deliveries:
    """`redis` is what all bot processes of the installation share. Without it each process knows its own events only: one answer too
    many is better than none."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, event: str) -> bool:
        """Whether no other process has taken the event; now it is this one's."""
        try:
            return bool(await asyncio.to_thread(self._redis.set, KEY + event, "taken", nx=True, ex=AT_WORK_SECONDS))
        except RedisError as error:
            log.warning("events are not compared with other processes, error=%s", error)
            return True

    async def done(self, event: str) -> None:
        """The event has been followed to its end."""
        try:
            await asyncio.to_thread(self._redis.set, KEY + event, "done", ex=DONE_SECONDS)
        except RedisError as error:
            log.warning("events are not compared with other processes, error=%s", error)
