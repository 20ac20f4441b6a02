"""Shows that an answer is coming ("… is typing"): once per channel, however many answers are coming there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import discord

from bot.platforms.base import Undeliverable

log = logging.getLogger(__name__)

LASTS = 8.0  # seconds; Discord shows it for ten
REST = 4.0  # seconds between two signs in a channel: where many write, requests are wanted for answers


@dataclass(slots=True)
class _Coming:
    """What is coming in one channel."""

    answers: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Signs:
    """`show` takes a channel."""

    def __init__(self, show: Callable[[str], Awaitable[None]]) -> None:
        self._show = show
        self._coming: dict[str, _Coming] = {}
        self._shown_at: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def coming(self, channel: str) -> Iterator[None]:
        """Inside, an answer is coming in that channel."""
        here = self._coming.get(channel)
        if here is None:
            here = self._coming[channel] = _Coming()
            task = asyncio.create_task(self._keep_showing(channel, here))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        here.answers += 1
        try:
            yield
        finally:
            here.answers -= 1
            if not here.answers:
                here.over.set()
                del self._coming[channel]

    async def close(self) -> None:
        """No more signs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_showing(self, channel: str, here: _Coming) -> None:
        try:
            while not here.over.is_set():
                if self._is_time(channel):
                    await self._show(channel)
                with suppress(TimeoutError):
                    await asyncio.wait_for(here.over.wait(), LASTS)
        except (discord.HTTPException, Undeliverable) as error:
            log.info("typing was not shown, error=%s", error)

    def _is_time(self, channel: str) -> bool:
        now = asyncio.get_running_loop().time()
        self._shown_at = {where: when for where, when in self._shown_at.items() if now - when < REST}
        return self._shown_at.setdefault(channel, now) == now
