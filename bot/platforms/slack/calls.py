"""Calls that must arrive: done again while the connection breaks, Slack has trouble or wants us to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.platforms import insisting
from bot.platforms.base import Undeliverable
from bot.platforms.insisting import PAUSES, Passing

LIMITED = ("ratelimited", "rate_limited")

T = TypeVar("T")


class Refused(Undeliverable):
    """Slack says no, and would again; `error` is its name for why."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Limited(Passing):
    """Slack wants us to wait that many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"rate limited for {seconds:.0f} s", seconds)


async def once(do: Callable[[], Awaitable[T]]) -> T:
    """What `do` returns. Raises Refused or (what may pass) Passing, of which Limited is one."""
    try:
        return await do()
    except SlackApiError as error:
        raise _understood(error) from error
    except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Passing(f"{type(error).__name__}: {error}") from error


async def insist(do: Callable[[], Awaitable[T]], pauses: Sequence[float] = PAUSES) -> T:
    """The same until it succeeds or is refused. It should be harmless to do twice, for a broken connection hides what arrived."""
    return await insisting.insist(lambda: once(do), pauses)


def _understood(error: SlackApiError) -> Undeliverable:
    response = error.response
    status = getattr(response, "status_code", 200)
    data = getattr(response, "data", None)
    name = str(data.get("error", "")) if isinstance(data, dict) else ""
    if status == 429 or name in LIMITED:
        headers = getattr(response, "headers", {})
        after = str(headers.get("Retry-After", "1"))
        return Limited(float(after) if after.isdecimal() else 1.0)
    if status >= 500 or not name or name in ("internal_error", "fatal_error", "service_unavailable", "request_timeout"):
        return Passing(f"Slack has trouble: {status} {name}")
    return Refused(name)
