"""Calls that must arrive: done again while the connection breaks, Slack has trouble or wants us to wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.platforms.base import Undeliverable

log = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds; longer where Slack says so in Retry-After
LIMITED = ("ratelimited", "rate_limited")

T = TypeVar("T")


class Refused(Undeliverable):
    """Slack says no, and would again; `error` is its name for why."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Limited(Undeliverable):
    """Slack wants us to wait that many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"rate limited for {seconds:.0f} s")
        self.seconds = seconds


async def once(do: Callable[[], Awaitable[T]]) -> T:
    """What `do` returns. Raises Refused, Limited or (what may pass) Undeliverable."""
    try:
        return await do()
    except SlackApiError as error:
        raise _understood(error) from error
    except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Undeliverable(f"{type(error).__name__}: {error}") from error


async def insist(do: Callable[[], Awaitable[T]], pauses: Sequence[float] = PAUSES) -> T:
    """The same until it succeeds or is refused. It should be harmless to do twice, for a broken connection hides what arrived."""
    for pause in (*pauses, None):
        try:
            return await once(do)
        except Refused:
            raise
        except Undeliverable as error:
            if pause is None:
                raise
            wait = max(pause, error.seconds) if isinstance(error, Limited) else pause
            log.warning("Slack did not take a call, trying again in %.1f s, error=%s", wait, error)
            await asyncio.sleep(wait)
    raise AssertionError("the last pause is None")


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
        return Undeliverable(f"Slack has trouble: {status} {name}")
    return Refused(name)
