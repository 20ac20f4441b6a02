"""A small Discord on loopback that the unmodified discord.py talks to: HTTP API, gateway, people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Literal, TypeVar
from unittest import mock

import yarl
from aiohttp import web
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.fakes.discord.faults import Fault
from tests.fakes.discord.gateway import Gateway
from tests.fakes.discord.messages import Interaction, Message
from tests.fakes.discord.people import Person
from tests.fakes.discord.places import Channel, Guild, User
from tests.fakes.discord.server import PREFIX, Request, Server
from tests.fakes.discord.world import World

TOKEN = "MTIz.fake.token"
_ALWAYS = 1 << 30

T = TypeVar("T")


class FakeDiscord:
    """Use as an asynchronous context manager: inside, discord.py's constants point here.

    `gateway` has what can befall the connection, `rate_limits` what is allowed how often. `violations` names everything
    that Discord would not have accepted, or that a bot must not do; tests assert that it is empty.
    """

    token = TOKEN

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.gateway = Gateway(TOKEN)
        self.world = World(self.gateway.emit)
        self.gateway.world = self.world
        self._server = Server(self.world, TOKEN, self._changed.set)
        self._runner: web.AppRunner | None = None
        self._constants: list[mock._patch[object]] = []

    async def __aenter__(self) -> FakeDiscord:
        app = web.Application(client_max_size=30 * 1024 * 1024)
        app.router.add_get("/gateway/", self.gateway.serve)
        app.router.add_get("/attachments/{file_id}/{name}", self._server.serve_file)
        app.router.add_route("*", PREFIX + "/{path:.*}", self._server.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self._server.url = f"http://127.0.0.1:{port}"
        self.gateway.url = self._server.routes.gateway_url = f"ws://127.0.0.1:{port}/gateway/"
        self._constants = [
            mock.patch.object(Route, "BASE", self._server.url + PREFIX),
            mock.patch.object(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(self.gateway.url)),
        ]
        for each in self._constants:
            each.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for each in self._constants:
            each.stop()
        await self.gateway.close(1001)
        assert self._runner
        await self._runner.cleanup()

    # Who and what there is

    @property
    def bot(self) -> User:
        """The bot's account."""
        return self.world.bot

    @property
    def guild(self) -> Guild:
        """A server that the bot is in."""
        return self.world.guild

    @property
    def general(self) -> Channel:
        """A text channel there."""
        return self.world.general

    def user(self, name: str, *, guild: Guild | None = None) -> Person:
        """The person of that name, a member of the server; new if there is none. `owner` owns it, and the bot."""
        user = self.world.users.setdefault(name, User(name))
        (guild or self.guild).members[user.id] = user
        return Person(self.world, user, self._server.url)

    def messages(self, channel: Channel | None = None) -> list[Message]:
        """What the bot has written and not deleted, there or anywhere, in order."""
        channels = [channel] if channel else self.world.channels.values()
        found = [each for one in channels for each in one.messages.values() if each.author is self.bot]
        return sorted(found, key=lambda each: each.id)

    def texts(self, channel: Channel | None = None) -> list[str]:
        """What stands in those messages."""
        return [each.text for each in self.messages(channel)]

    def replies(self, message: Message) -> list[Message]:
        """What the bot has replied to a message."""
        return [each for each in self.messages(message.channel) if each.reply_to is message]

    # What the bot did

    @property
    def requests(self) -> list[Request]:
        """Every request, in order."""
        return self._server.requests

    @property
    def violations(self) -> list[str]:
        """What was wrong with requests."""
        return self._server.violations

    @property
    def unanswered(self) -> list[Interaction]:
        """Interactions that were not acknowledged, or for which the bot is still "thinking"."""
        return [each for each in self.world.interactions.values() if each.callback is None or each.loading]

    def count(self, operation: str, status: int | None = None) -> int:
        """How many requests there were, by Discord's name of the operation and, if given, by the status they got."""
        return sum(each.operation == operation and status in (None, each.status) for each in self.requests)

    def count_refused(self) -> int:
        """How many requests were answered with 429."""
        return sum(each.status == 429 for each in self.requests)

    # What goes wrong

    def limit(self, operation: str, requests: int, seconds: float) -> None:
        """So many requests per channel (or webhook) in so much time; more are answered with 429."""
        self._server.rate_limits.by_operation[operation] = (requests, seconds)

    def limit_everything(self, requests: int, seconds: float) -> None:
        """Discord's global limit."""
        self._server.rate_limits.everywhere = (requests, seconds)

    def refuse(
        self, operation: str | None = None, *, times: int = 1, every: int = 1, retry_after: float = 0.02, everywhere: bool = False
    ) -> None:  # fmt: skip
        """Answer the next requests, or every n-th, with 429 out of the blue; `everywhere`: as the global limit."""
        self._server.faults.append(Fault(operation, times, every, status=429, retry_after=retry_after, everywhere=everywhere))

    def fail(self, operation: str | None = None, status: int = 502, *, times: int = 1) -> None:
        """Answer the next requests with an error of the server."""
        self._server.faults.append(Fault(operation, times, status=status))

    def lose(self, operation: str | None = None, *, when: Literal["before", "after"] = "before", times: int = 1) -> None:
        """Break the connection of the next requests, before they are carried out or after."""
        self._server.faults.append(Fault(operation, times, lost=when))

    def slow_down(self, operation: str | None = None, seconds: float = 0.1, *, times: int = _ALWAYS) -> None:
        """Answer the next requests late."""
        self._server.faults.append(Fault(operation, times, delay=seconds))

    def heal(self) -> None:
        """No more faults or limits."""
        self._server.faults.clear()
        self._server.rate_limits.by_operation.clear()
        self._server.rate_limits.everywhere = None

    def expire_interactions(self) -> None:
        """Fifteen minutes pass: the tokens of all interactions so far are of no use any more."""
        for each in self.world.interactions.values():
            each.expired = True

    # Waiting

    async def until(self, condition: Callable[[], T | None], *, seconds: float = 120.0) -> T:
        """Wait until the condition holds; what it returned."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (found := condition()):
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"not within {seconds} s. {self._summary()}")
            self._changed.clear()
            try:
                # The condition may depend on something that happens without a request: look now and then.
                await asyncio.wait_for(self._changed.wait(), 0.05)
            except TimeoutError:
                continue
        return found

    async def until_connected(self) -> None:
        """Wait until the bot hears events."""
        await self.until(lambda: self.gateway.connected)

    def _summary(self) -> str:
        last = [(each.operation, each.status) for each in self.requests[-8:]]
        return f"The bot wrote {self.texts()[-8:]}; last requests: {last}; violations: {self.violations}"
