"""An answer that grows: sent at its first words, edited as often as Discord allows, exact in the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import discord

from bot import texts
from bot.messages import Answer
from bot.platforms.base import Undeliverable
from bot.platforms.discord.delivery import insist
from bot.platforms.discord.rendering import Part, dressed, growing, parts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """A message that was sent: in a channel, or in answer to an interaction. `edit` shows something else in its place."""

    id: int
    edit: Callable[..., Awaitable[object]]


Post = Callable[[Part], Awaitable[Shown]]


async def grow(pieces: AsyncIterator[str | Answer], post: Post, *, every: float, pauses: Sequence[float]) -> str | None:
    """Show the answer as it comes; the id of its last message, None where nothing came.

    `post` sends a message, `every` is the time in seconds between two edits. What `pieces` raises goes through, after what was
    shown so far has been ended. Raises Undeliverable.
    """
    writer = _Writer(post, pauses)
    answer: Answer | None = None
    keeping_up = asyncio.create_task(writer.keep_up(every))
    try:
        async for piece in pieces:
            if isinstance(piece, Answer):
                answer = piece
            else:
                writer.grown(piece)
    finally:
        writer.ended.set()
        await asyncio.wait({keeping_up})
        if answer is None and writer.messages:
            await writer.show(dressed(writer.text + texts.BROKEN_OFF, (), None))
    if answer is None:
        return None
    await writer.show(parts(answer))
    return str(writer.messages[-1].id)


class _Writer:
    """The messages of one answer, and what stands in each."""

    def __init__(self, post: Post, pauses: Sequence[float]) -> None:
        self._post = post
        self._pauses = pauses
        self._standing: list[Part] = []
        self._news = asyncio.Event()
        self.messages: list[Shown] = []
        self.text = ""
        self.ended = asyncio.Event()

    def grown(self, piece: str) -> None:
        """There is more to show."""
        self.text += piece
        self._news.set()

    async def keep_up(self, every: float) -> None:
        """Show what is there, now and then, until the answer has ended."""
        while not self.ended.is_set():
            await _first_of(self._news, self.ended)
            self._news.clear()
            if self.ended.is_set() or not self.text.strip():
                continue
            try:
                await self.show(growing(self.text), pauses=())
            except (Undeliverable, discord.HTTPException) as error:
                log.info("a step of an answer was not shown, error=%s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), every)

    async def show(self, wanted: list[Part], pauses: Sequence[float] | None = None) -> None:
        """Make the messages these parts, with as few requests as possible."""
        pauses = self._pauses if pauses is None else pauses
        for index, part in enumerate(wanted):
            if index < len(self.messages):
                if part != self._standing[index]:
                    await self._edit(self.messages[index], part, pauses)
                    self._standing[index] = part
            else:
                self.messages.append(await self._post(part))
                self._standing.append(part)

    async def _edit(self, message: Shown, part: Part, pauses: Sequence[float]) -> None:
        await insist(lambda: message.edit(**part.to_edit()), pauses)


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
