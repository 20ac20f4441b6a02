"""Requests that must arrive: done again while the connection breaks or the platform has trouble."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from bot.platforms.base import Undeliverable

log = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds

T = TypeVar("T")


class Passing(Undeliverable):
    """Not taken this time, but perhaps the next; where the platform says so, not before that many seconds."""

    def __init__(self, why: str, seconds: float = 0.0) -> None:
        super().__init__(why)
        self.seconds = seconds


async def insist(do: Callable[[], Awaitable[T]], pauses: Sequence[float] = PAUSES) -> T:
    """What `do` returns; it is tried again after each pause while it raises Passing, and what else it raises goes through at once.

    It should be harmless to do twice, for a broken connection hides what arrived.
    """
    for pause in pauses:
        try:
            return await do()
        except Passing as error:
            wait = max(pause, error.seconds)
            log.warning("a request was not taken, trying again in %.1f s, error=%s", wait, error)
            await asyncio.sleep(wait)
    return await do()
