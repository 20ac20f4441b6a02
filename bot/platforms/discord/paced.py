"""Edits of messages that move: of each the newest, and no oftener than every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import discord

from bot.messages import Reply
from bot.platforms.base import Undeliverable

log = logging.getLogger(__name__)

Edit = Callable[[str, str, Reply], Awaitable[None]]


class Paced:
    """`edit` takes channel, message id and reply; `every` is in seconds."""

    def __init__(self, edit: Edit, every: float) -> None:
        self._edit = edit
        self._every = every
        self._newest: dict[str, tuple[str, Reply]] = {}
        self._moving: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}

    def put(self, channel: str, message_id: str, reply: Reply) -> None:
        """Show the reply soon, unless a newer one comes first."""
        self._newest[message_id] = channel, reply
        if message_id not in self._moving:
            ended = asyncio.Event()
            self._moving[message_id] = asyncio.create_task(self._move(message_id, ended)), ended

    async def end(self, message_id: str) -> None:
        """No more edits of that message; one that is under way is waited for."""
        self._newest.pop(message_id, None)
        if message_id in self._moving:
            task, ended = self._moving[message_id]
            ended.set()
            await asyncio.wait({task})

    async def close(self) -> None:
        """No more edits at all."""
        tasks = [task for task, _ in self._moving.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _move(self, message_id: str, ended: asyncio.Event) -> None:
        try:
            while (newest := self._newest.pop(message_id, None)) is not None:
                try:
                    await self._edit(newest[0], message_id, newest[1])
                except (Undeliverable, discord.HTTPException) as error:
                    log.info("a step was not shown, error=%s", error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), self._every)
        finally:
            self._moving.pop(message_id, None)
