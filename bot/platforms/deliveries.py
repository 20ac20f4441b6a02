"""Events that come more than once, or to several bot processes, are followed once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

# Slack tries again at once, after one minute and after five. What a process was at when it died is taken up by the last of these tries.
AT_WORK_SECONDS = 240
DONE_SECONDS = 3_600
ASK_SECONDS = 1.0  # Discord wants an answer within three
AWAY_SECONDS = 5.0  # Redis that did not answer is left alone for so long: everybody waits for its answer


class Deliveries:
    """Of one platform; `redis` is what all bot processes of the installation share. Without it each process knows its own events only: one
    answer too many is better than none."""

    def __init__(self, redis: Redis, platform: str) -> None:
        self._redis = redis
        self._prefix = f"tutee:{platform}:event:"
        self._in_turn = asyncio.Lock()  # what one person writes in one breath must not overtake itself here
        self._away_until = 0.0

    async def take(self, event: str) -> bool:
        """Whether no other process has taken the event; now it is this one's."""
        taken = await self._ask(lambda: self._redis.set(self._prefix + event, "taken", nx=True, ex=AT_WORK_SECONDS), unknown=True)
        return bool(taken)

    async def done(self, event: str) -> None:
        """The event has been followed to its end."""
        await self._ask(lambda: self._redis.set(self._prefix + event, "done", ex=DONE_SECONDS))

    async def turned(self, switch: str, state: str) -> bool:
        """Whether this is news of what is switched on and off and has no other name for each time: it was not in that state before."""
        before = await self._ask(lambda: self._redis.set(self._prefix + switch, state, get=True, ex=DONE_SECONDS))
        return before is None or before != state.encode()

    async def _ask(self, do: Callable[[], Any], unknown: Any = None) -> Any:
        async with self._in_turn:
            if time.monotonic() < self._away_until:
                return unknown
            try:
                return await asyncio.wait_for(asyncio.to_thread(do), ASK_SECONDS)
            except (RedisError, TimeoutError) as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                log.warning("events are not compared with other processes for a while, seconds=%.0f error=%s", AWAY_SECONDS, error)
                return unknown
