"""Requests that must arrive: done again while the connection breaks or Discord has trouble."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import aiohttp
import discord

from bot.platforms.base import Undeliverable

log = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds; discord.py has waited and tried by itself before each of them
PASSING = (aiohttp.ClientError, OSError, discord.HTTPException, discord.RateLimited)

TOO_MANY = 429  # status code of a rate limit that outlasted discord.py's own five tries
SERVER_TROUBLE = 500  # status codes from here on are not our fault

T = TypeVar("T")


async def insist(do: Callable[[], Awaitable[T]], pauses: Sequence[float] = PAUSES) -> T:
    """What `do` returns. It must be harmless to do twice, for a broken connection hides what arrived. Raises Undeliverable.

    What Discord refuses (no permission, gone, malformed) is raised at once.
    """
    for pause in (*pauses, None):
        try:
            return await do()
        except PASSING as error:
            if isinstance(error, discord.HTTPException) and error.status < SERVER_TROUBLE and error.status != TOO_MANY:
                raise
            if pause is None:
                raise Undeliverable(f"{type(error).__name__}: {error}") from error
            log.warning("Discord did not take a request, trying again in %.1f s, error=%s", pause, type(error).__name__)
            await asyncio.sleep(pause)
    raise AssertionError("the last pause is None")
