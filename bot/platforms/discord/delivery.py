"""Requests that must arrive: which of Discord's refusals may pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import aiohttp
import discord

from bot.platforms import insisting
from bot.platforms.insisting import PAUSES, Passing

PASSING = (aiohttp.ClientError, OSError, discord.HTTPException, discord.RateLimited)

TOO_MANY = 429  # status code of a rate limit that outlasted discord.py's own five tries
SERVER_TROUBLE = 500  # status codes from here on are not our fault

T = TypeVar("T")


async def insist(do: Callable[[], Awaitable[T]], pauses: Sequence[float] = PAUSES) -> T:
    """What `do` returns; discord.py has waited and tried by itself before each of the pauses. Raises Undeliverable.

    It must be harmless to do twice. What Discord refuses for good (no permission, gone, malformed) is raised at once.
    """
    return await insisting.insist(lambda: _once(do), pauses)


async def _once(do: Callable[[], Awaitable[T]]) -> T:
    try:
        return await do()
    except PASSING as error:
        if isinstance(error, discord.HTTPException) and error.status < SERVER_TROUBLE and error.status != TOO_MANY:
            raise
        raise Passing(f"{type(error).__name__}: {error}") from error
