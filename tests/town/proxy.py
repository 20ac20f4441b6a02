"""A TCP connection that can be cut, slowed down, silenced or made to talk nonsense."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Way = Literal["open", "slow", "silent", "refused", "garbage"]
GARBAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>This hotel's Wi-Fi wants you to log in.</html>"
SLOW_SECONDS = 0.03  # each piece of data, in both directions
BLOCK = 65_536

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@dataclass
class Proxy:
    """Between a client and what `connect` leads to. `way` says what becomes of data; set it at any time.

    open: it passes; slow: it passes late; silent: nothing passes and nothing ends; refused: connections end at once; garbage: each
    request is answered with a web page. Listens on `host`, or on the Unix socket `path`.
    """

    connect: Connect
    way: Way = "open"
    port: int = 0
    path: Path | None = None
    host: str = "127.0.0.1"
    _server: asyncio.Server | None = None
    _running: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._running)

    async def start(self) -> None:
        """Listen."""
        if self.path is not None:
            self._server = await asyncio.start_unix_server(self._serve, str(self.path))
            return
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more and cut what is there."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """End all connections that there are; new ones may come."""
        for task in list(self._running):
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        there: asyncio.StreamWriter | None = None
        try:
            if self.way == "refused":
                return
            back, there = await self.connect()
            await _first(self._pass_on(reader, there, garbles=writer), self._pass_on(back, writer))
        except (OSError, asyncio.CancelledError):
            pass  # it is cut, or there is nobody
        finally:
            self._running.discard(task)
            for each in (writer, there):
                if each is not None:
                    each.close()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, garbles: asyncio.StreamWriter | None = None) -> None:
        while data := await source.read(BLOCK):
            while self.way == "silent":  # noqa: ASYNC110  (set from outside, and what waits here may be cut)
                await asyncio.sleep(0.02)
            if self.way == "refused":
                return
            if self.way == "slow":
                await asyncio.sleep(SLOW_SECONDS)
            if self.way == "garbage" and garbles is not None:
                garbles.write(GARBAGE)
                await garbles.drain()
                return
            sink.write(data)
            await sink.drain()


async def _first(*ways: Coroutine[Any, Any, None]) -> None:
    """Both directions, until one of them ends."""
    tasks = [asyncio.ensure_future(each) for each in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task
