"""The fake chat platform itself: what people say, what the bot shows them, and what is delivered again after a bot died."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.town.platform import LONGEST_LINE

Said = dict[str, Any]


@dataclass
class Shown:
    """A message of the bot's, and everything that stood in it, the newest last."""

    message_id: str
    channel: str
    reply_to: str | None
    replies: list[Said] = field(default_factory=list)
    at: float = 0.0

    @property
    def kind(self) -> str:
        return str(self.replies[-1]["type"])


class Square:
    """Listens on `address`, in the event loop that calls `open`. A message counts as delivered when a bot has handled it; until then,
    each bot that connects gets it (again), as Slack does it. There may be several bots; each message goes to one of them."""

    def __init__(self, address: Path) -> None:
        self.address = address
        self.shown: dict[str, Shown] = {}
        self.asked_at: dict[str, float] = {}
        self.keeps_history = True  # else only the newest of each message, for a crowd that goes on for an hour
        self._numbers = itertools.count(1)
        self._undelivered: dict[str, Said] = {}
        self._bots: dict[str, asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self.heard: asyncio.Queue[Shown] | None = None

    async def open(self) -> None:
        """From now on bots may come."""
        self._server = await asyncio.start_unix_server(self._serve, str(self.address), limit=LONGEST_LINE)

    async def close(self) -> None:
        """Bots are sent away, which ends them."""
        if self._server is not None:
            self._server.close()
        for bot in self._bots.values():
            bot.close()
        await asyncio.sleep(0)

    @property
    def bots(self) -> list[str]:
        """The names of those that are connected."""
        return list(self._bots)

    def say(self, person: str, text: str, *, message_id: str | None = None, to: str | None = None) -> str:
        """Have a person write; the message's id. Named again, it is the same message delivered twice. `to`: the bot that gets it."""
        said = {"person": person, "text": text, "message_id": message_id or f"in-{next(self._numbers)}"}
        self._undelivered[said["message_id"]] = said
        self.asked_at[said["message_id"]] = time.monotonic()
        if bot := self._bots.get(to) if to else next(reversed(self._bots.values()), None):
            self._write(bot, said)
        return str(said["message_id"])

    def seen_by(self, person: str) -> list[Shown]:
        """The bot's messages to that person, oldest first."""
        return [each for each in list(self.shown.values()) if each.channel == person]

    def deliver_again(self, to: str) -> None:
        """Give a bot what no bot has said that it has handled."""
        for each in list(self._undelivered.values()):
            self._write(self._bots[to], each)

    @property
    def undelivered(self) -> int:
        """How many messages no bot has handled yet."""
        return len(self._undelivered)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self._take(json.loads(line), writer)
        except (OSError, ValueError):
            return  # the bot has gone
        finally:
            self._bots = {name: each for name, each in self._bots.items() if each is not writer}
            writer.close()

    def _take(self, said: Said, writer: asyncio.StreamWriter) -> None:
        if "ready" in said:
            self._bots[said["ready"]] = writer
            for each in list(self._undelivered.values()):
                self._write(writer, each)
        elif "handled" in said:
            self._undelivered.pop(said["handled"], None)
        else:
            self._write(writer, {"acknowledged": said["show"], "message_id": self._show(said)})

    def _show(self, said: Said) -> str:
        message_id = said["message_id"] or f"out-{next(self._numbers)}"
        shown = self.shown.get(message_id) or Shown(message_id, said["channel"], said["reply_to"], at=time.monotonic())
        if not self.keeps_history:
            shown.replies.clear()
        shown.replies.append(said["reply"])
        self.shown[message_id] = shown
        if self.heard is not None:
            self.heard.put_nowait(shown)
        return str(message_id)

    def _write(self, writer: asyncio.StreamWriter, said: Said) -> None:
        writer.write(json.dumps(said).encode() + b"\n")
