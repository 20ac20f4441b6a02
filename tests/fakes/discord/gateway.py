"""The websocket that events come through: sessions that can be resumed, and everything that can happen to a connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from tests.fakes.discord.world import GUILD_MEMBERS, GUILDS, MESSAGE_CONTENT, World

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, REQUEST_MEMBERS = 0, 1, 2, 6, 7, 8
INVALID_SESSION, HELLO, HEARTBEAT_ACK = 9, 10, 11


@dataclass(eq=False)
class Session:
    """What outlives a connection: the events so far, for the bot to catch up on."""

    intents: int
    shard: tuple[int, int] = (0, 1)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    events: list[str] = field(default_factory=list)
    connection: Connection | None = None

    def hears(self, server: Any) -> bool:
        """Whether what happens in that server, or (None) in direct messages, comes to its shard."""
        number, count = self.shard
        return (int(server or 0) >> 22) % count == number

    def dispatch(self, event: str, data: Any) -> None:
        """Add an event, and send it if the bot is connected."""
        self.events.append(json.dumps({"op": DISPATCH, "t": event, "s": len(self.events) + 1, "d": data}))
        if self.connection:
            self.connection.send(self.events[-1])

    def resume(self, connection: Connection, after: int) -> None:
        """Send what was missed."""
        self.connection = connection
        for each in self.events[after:]:
            connection.send(each)
        self.dispatch("RESUMED", {})


class Compressor(Protocol):
    """One stream of compressed frames."""

    def __call__(self, text: str) -> bytes: ...


class Gateway:
    """Settings may be changed at any time.

    `heartbeat`: seconds between the bot's heartbeats. `acknowledges`: whether they are answered. `delay`: seconds by which
    each frame is late.
    """

    def __init__(self, token: str) -> None:
        self.heartbeat = 41.25
        self.acknowledges = True
        self.delay = 0.0
        self.identified = 0
        self.resumed = 0
        self.heartbeats = 0
        self.world: World
        self.url = ""
        self._token = token
        self._sessions: dict[str, Session] = {}
        self._connections: set[Connection] = set()
        self._twice: dict[str, int] = {}

    @property
    def connected(self) -> bool:
        """Whether the bot is connected and hears events."""
        return any(each.connection for each in self._sessions.values())

    @property
    def shards(self) -> list[tuple[int, int]]:
        """The shards that are heard, of how many, sorted."""
        return sorted(each.shard for each in self._sessions.values() if each.connection)

    @property
    def intents(self) -> int:
        """The intents that the bot last identified with."""
        return [*self._sessions.values()][-1].intents

    def emit(self, event: str, data: Callable[[int], dict[str, Any]], intent: int) -> None:
        """Tell every session that asked for such events. Without a session, nobody hears it: the bot is offline."""
        twice = self._twice.get(event, 0) > 0
        self._twice[event] = self._twice.get(event, 0) - twice
        for session in self._sessions.values():
            if not intent or session.intents & intent:
                said = data(session.intents)
                server = said.get("id") if event.startswith("GUILD_") and "guild_id" not in said else said.get("guild_id")
                for _ in range((1 + twice) * session.hears(server)):
                    session.dispatch(event, said)

    def duplicate(self, event: str, times: int = 1) -> None:
        """Deliver the next events of this kind twice."""
        self._twice[event] = times

    async def close(self, code: int = 4000) -> None:
        """Close the connection; the session can be resumed."""
        for each in [*self._connections]:
            await each.close(code)

    def drop(self) -> None:
        """Lose the connection without a word."""
        for each in self._connections:
            each.abort()

    def reconnect(self) -> None:
        """Ask the bot to connect again."""
        for each in self._connections:
            each.send({"op": RECONNECT, "d": None})

    def invalidate(self, *, resumable: bool = False) -> None:
        """Declare the session invalid; what happens until the bot has identified again is lost."""
        connections = [*self._connections]
        if not resumable:
            self._sessions.clear()
        for each in connections:
            each.send({"op": INVALID_SESSION, "d": resumable})

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from HELLO to its end."""
        socket = web.WebSocketResponse(max_msg_size=4096 + 1)  # Discord closes on payloads above 4,096 bytes
        await socket.prepare(request)
        connection = Connection(socket, request, _compressor(request.query.get("compress")), lambda: self.delay)
        self._connections.add(connection)
        try:
            connection.send({"op": HELLO, "d": {"heartbeat_interval": round(self.heartbeat * 1000)}})
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._receive(connection, json.loads(message.data))
        finally:
            self._connections.discard(connection)
            await connection.end()
            for session in [*self._sessions.values()]:
                if session.connection is connection:
                    session.connection = None
                    if connection.code is None and socket.close_code in (1000, 1001):  # the bot said good-bye
                        del self._sessions[session.id]
        return socket

    async def _receive(self, connection: Connection, frame: dict[str, Any]) -> None:
        match frame["op"]:
            case 1:
                self.heartbeats += 1
                if self.acknowledges:
                    connection.send({"op": HEARTBEAT_ACK})
            case 2:
                await self._identify(connection, frame["d"])
            case 6:
                self._resume(connection, frame["d"])
            case 8:
                self._members(connection, frame["d"])

    async def _identify(self, connection: Connection, data: dict[str, Any]) -> None:
        if data["token"] != self._token:
            return await connection.close(4004)
        if data["intents"] & (GUILD_MEMBERS | MESSAGE_CONTENT) & ~self.world.portal_intents:
            return await connection.close(4014)
        self.identified += 1
        session = Session(data["intents"], tuple(data.get("shard") or (0, 1)), connection=connection)
        self._sessions[session.id] = session
        guilds = [each for each in self.world.guilds.values() if session.hears(each.id)]
        bot = self.world.bot
        session.dispatch("READY", {
            "v": 10, "user": {**bot.payload(), "mfa_enabled": False, "verified": True, "email": None, "locale": "en-US"},
            "guilds": [{"id": str(each.id), "unavailable": True} for each in guilds], "session_id": session.id,
            "resume_gateway_url": self.url, "shard": list(session.shard), "application": {"id": str(bot.id), "flags": self.world.application_flags},
        })  # fmt: skip
        if session.intents & GUILDS:
            for guild in guilds:
                session.dispatch("GUILD_CREATE", guild.gateway_payload())
        return None

    def _resume(self, connection: Connection, data: dict[str, Any]) -> None:
        session = self._sessions.get(data["session_id"])
        if session is None or data["token"] != self._token:
            connection.send({"op": INVALID_SESSION, "d": False})
            return
        self.resumed += 1
        session.resume(connection, data["seq"] or 0)

    def _members(self, connection: Connection, data: dict[str, Any]) -> None:
        guild = self.world.guilds[int(data["guild_id"])]
        chosen = [each for each in guild.members.values() if str(each.id) in data.get("user_ids", [str(each.id)])]
        found = [{**guild.member(each), "user": each.payload()} for each in chosen]
        for session in self._sessions.values():
            if session.connection is connection:
                session.dispatch("GUILD_MEMBERS_CHUNK", {
                    "guild_id": str(guild.id), "members": found, "chunk_index": 0, "chunk_count": 1, "nonce": data.get("nonce"),
                })  # fmt: skip


class Connection:
    """One websocket. Frames go out in order, by a task of their own, so that nobody waits for a slow one."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        compress: Compressor | None,
        delay: Callable[[], float],
    ) -> None:
        self.code: int | None = None
        self._socket = socket
        self._request = request
        self._compress = compress
        self._delay = delay
        self._frames: asyncio.Queue[str] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write())

    def send(self, frame: str | dict[str, Any]) -> None:
        """Send a frame, after those before it."""
        self._frames.put_nowait(frame if isinstance(frame, str) else json.dumps(frame))

    async def close(self, code: int) -> None:
        """Close with a code."""
        self.code = code
        await self._socket.close(code=code)

    def abort(self) -> None:
        """Cut the line."""
        self.code = 1006
        if self._request.transport:
            self._request.transport.abort()

    async def end(self) -> None:
        """Stop writing."""
        self._writer.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await self._writer

    async def _write(self) -> None:
        while True:
            text = await self._frames.get()
            await asyncio.sleep(self._delay())
            if self._compress:
                await self._socket.send_bytes(self._compress(text))
            else:
                await self._socket.send_str(text)


def _compressor(kind: str | None) -> Compressor | None:
    """What discord.py asks for: Zstandard where Python has it, zlib else."""
    if kind == "zlib-stream":
        stream = zlib.compressobj()
        return lambda text: stream.compress(text.encode()) + stream.flush(zlib.Z_SYNC_FLUSH)
    if kind == "zstd-stream":
        if sys.version_info >= (3, 14):
            from compression.zstd import ZstdCompressor

            newest = ZstdCompressor()
            return lambda text: newest.compress(text.encode(), ZstdCompressor.FLUSH_BLOCK)
        zstandard: Any = import_module("zstandard")
        older = zstandard.ZstdCompressor().compressobj()
        return lambda text: older.compress(text.encode()) + older.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return None
