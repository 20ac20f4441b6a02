"""Edits of messages that move: of each the newest, and no oftener than every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bot.messages import Reply

log = logging.getLogger(__name__)

Edit = Callable[[str, str, Reply], Awaitable[None]]
TakeTurn = Callable[[str], Awaitable[float]]


async def _at_once(_channel: str) -> float:
    return 0.0


class Paced:
    """`edit` takes channel, message id and reply; `every` is in seconds, `failures` are what a step may fail with and be left out.

    `turn` takes a turn among all that moves where a channel is: how many seconds it is away. It does not fail.
    """

    def __init__(self, edit: Edit, every: float, failures: tuple[type[Exception], ...] = (OSError,), turn: TakeTurn = _at_once) -> None:
        self._edit = edit
        self._every = every
        self._failures = failures
        self._turn = turn
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
            while message_id in self._newest:
                try:
                    await _sleep(await self._turn(self._newest[message_id][0]), ended)
                    if (newest := self._newest.pop(message_id, None)) is not None:
                        await self._edit(newest[0], message_id, newest[1])
                except self._failures as error:
                    log.info("a step was not shown, error=%s", error)
                await _sleep(self._every, ended)
        finally:
            self._moving.pop(message_id, None)


async def _sleep(seconds: float, ended: asyncio.Event) -> None:
    """For so long, or until the end."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), seconds)
