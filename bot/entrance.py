"""Takes in what one person sends in the order in which it came, while everybody else's goes on beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from bot.messages import InboundMessage


class Entrance:
    """A line for each person; platforms hand events over at once, and reading them takes threads that overtake each other."""

    def __init__(self) -> None:
        self._lines: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._inside: dict[int, asyncio.Lock] = {}

    @asynccontextmanager
    async def of(self, message: InboundMessage) -> AsyncIterator[None]:
        """Inside, no later message of the same person is taken in, until `leave`."""
        line = self._lines.setdefault((message.platform, message.external_user_id), asyncio.Lock())
        await line.acquire()
        self._inside[id(message)] = line
        try:
            yield
        finally:
            self.leave(message)

    def leave(self, message: InboundMessage) -> None:
        """The message is taken in, the next one may come; again is the same as once."""
        line = self._inside.pop(id(message), None)
        if line is not None:
            line.release()
