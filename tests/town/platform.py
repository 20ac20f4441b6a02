"""The bot's side of the fake chat platform: one process, any number of people, JSON lines over a socket."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from bot.messages import Answer, InboundMessage, LessonProgress, LessonReceipt, Notice, Reply, Trouble, as_json
from bot.platforms.base import Core, Undeliverable

NAME = "town"
LONGEST_LINE = 1 << 20
_POINTS = {Answer: "answer", LessonProgress: "progress", LessonReceipt: "receipt", Notice: "notice", Trouble: "trouble"}


class TownPlatform:
    """Speaks to `tests.town.square` as the bot `bot`. `reach` is told of each step, so that a test can stop the process there."""

    name = NAME
    biggest_file = 10_000_000

    def __init__(self, address: Path, reach: Callable[[str], None] = lambda point: None, bot: str = "bot") -> None:
        self._address = address
        self._reach = reach
        self._bot = bot
        self._numbers = itertools.count(1)
        self._acknowledged: dict[int, asyncio.Future[str]] = {}
        self._events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    def serves(self, channel: str) -> bool:
        """All of them."""
        return True

    async def run(self, core: Core) -> None:
        """Handle what comes, everything at once, until the platform closes the connection."""
        self._write(await self._connected(), {"ready": self._bot})
        handling: set[asyncio.Task[None]] = set()
        while (said := await self._events.get()) is not None:
            task = asyncio.create_task(self._handle(core, said))
            handling.add(task)
            task.add_done_callback(handling.discard)
        for task in handling:
            task.cancel()

    async def send(self, channel: str, reply: Reply, reply_to: str | None = None) -> str:
        """Show it; waits until the platform has it."""
        return await self._show(channel, None, reply, reply_to)

    async def edit(self, channel: str, message_id: str, reply: Reply) -> None:
        """Show it in place of that message."""
        await self._show(channel, message_id or None, reply, None)

    async def stream(self, channel: str, pieces: AsyncIterator[str | Answer], reply_to: str | None = None) -> str | None:
        """Show the whole answer, when it is there."""
        shown = None
        async for piece in pieces:
            if isinstance(piece, Answer):
                shown = await self.send(channel, piece, reply_to)
        return shown

    async def _handle(self, core: Core, said: dict[str, Any]) -> None:
        person, text, message_id = said["person"], said["text"], said["message_id"]
        await core.handle(InboundMessage(NAME, person, person, person, message_id, text, reply_to=said.get("reply_to"), operator=True))
        self._write(await self._connected(), {"handled": message_id})

    async def _show(self, channel: str, message_id: str | None, reply: Reply, reply_to: str | None) -> str:
        self._reach(_POINTS[type(reply)])
        writer = await self._connected()
        number = next(self._numbers)
        acknowledged: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._acknowledged[number] = acknowledged
        self._write(writer, {"show": number, "channel": channel, "message_id": message_id, "reply_to": reply_to, "reply": as_json(reply)})
        return await acknowledged

    def _write(self, writer: asyncio.StreamWriter, said: dict[str, Any]) -> None:
        if writer.is_closing():
            raise Undeliverable("the platform has gone")
        writer.write(json.dumps(said).encode() + b"\n")

    async def _connected(self) -> asyncio.StreamWriter:
        """Opened at first use: what was under way when the bot began is shown before it takes its first event."""
        if self._writer is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(str(self._address))
            reader, self._writer = await asyncio.open_connection(sock=connection, limit=LONGEST_LINE)
            self._reading = asyncio.create_task(self._read(reader))
        return self._writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            said = json.loads(line)
            if "acknowledged" in said:
                self._acknowledged.pop(said["acknowledged"]).set_result(said["message_id"])
            else:
                self._events.put_nowait(said)
        self._events.put_nowait(None)
