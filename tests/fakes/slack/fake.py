"""A small Slack on loopback that the unmodified slack-bolt and slack-sdk talk to: Web API, Socket Mode or signed HTTP, people."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.fakes.slack.oauth import CLIENT_ID, CLIENT_SECRET
from tests.fakes.slack.people import Person
from tests.fakes.slack.server import APP_TOKEN, BOT_TOKEN, Call, Fault, Server
from tests.fakes.slack.socket import Socket
from tests.fakes.slack.world import APP, TEAM, Channel, File, Message, Team, World

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"

T = TypeVar("T")


class FakeSlack:
    """Use as an asynchronous context manager; `api` is the base URL for the SDK.

    `hears_channels`: the app is subscribed to all messages of channels, so that mentions come twice. `violations` names everything
    that Slack would not have accepted, or that a bot must not do; tests assert that it is empty. `posts_to`: where events go by
    signed HTTP requests; None: Socket Mode.
    """

    bot_token, app_token, signing_secret = BOT_TOKEN, APP_TOKEN, SECRET
    client_id, client_secret = CLIENT_ID, CLIENT_SECRET

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.world = World()
        self.server = Server(self.world, self._changed.set)
        self.socket = Socket(self._changed.set)
        self.hears_channels = False
        self.understood: list[Any] = []  # what the bots of the tests handed to their core
        self.posts_to: str | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> FakeSlack:
        application = web.Application()
        application.add_routes([*self.server.routes(), web.get("/socket", self.socket.serve)])
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.server.methods.url = self.url
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def api(self) -> str:
        return f"{self.url}/api/"

    @property
    def violations(self) -> list[str]:
        return [
            *self.server.violations,
            *self.socket.violations,
            *(f"a token came to {each}" for each in self.server.stray_tokens),
        ]

    @property
    def general(self) -> Channel:
        return self.world.channel("general")

    def person(self, name: str, team: Team | None = None) -> Person:
        return Person(self, self.world.user(name, team.id if team else TEAM))

    def file(self, name: str, content: bytes, type_: str = "text/plain") -> File:
        """A file that somebody has uploaded."""
        file = self.world.file(name, content, type_)
        file.url = f"{self.url}/files/{file.id}/{name}"
        return file

    def calls(self, method: str) -> list[Call]:
        return [each for each in self.server.calls if each.method == method]

    def said(self, channel: Channel | None = None, *, to: Person | None = None) -> list[Message]:
        """What the bot has said: in a channel, or to a person directly or for their eyes only."""
        ours = [each for each in self.world.messages if each.user in self.world.bots]
        if channel is not None:
            ours = [each for each in ours if each.channel == channel.id]
        if to is not None:
            ours = [each for each in ours if each.channel == to.direct.id or each.seen_by == to.id]
        return ours

    def rate_limit(self, method: str, retry_after: int = 1, times: int = 1) -> None:
        self.server.faults.append(Fault(method, retry_after=retry_after, times=times))

    def refuse(self, method: str, error: str, times: int = 1) -> None:
        self.server.faults.append(Fault(method, error=error, times=times))

    def trouble(self, method: str, status: int = 500, times: int = 1) -> None:
        self.server.faults.append(Fault(method, status=status, times=times))

    def look_again(self) -> None:
        """Something happened that others may wait for."""
        self._changed.set()

    async def until(self, found: Callable[[], T | None], seconds: float = 120) -> T:
        """What `found` gives as soon as that is something; looked at whenever something happened."""
        try:
            async with asyncio.timeout(seconds):
                while not (result := found()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            said = [each.shown for each in self.said()]
            raise AssertionError(f"it did not happen; violations: {self.violations}; said: {said}; {self.server.calls[-8:]}") from error
        return result

    async def event(self, event: dict[str, Any], *, event_id: str | None = None, team: Team | None = None) -> str:
        """Deliver an event; its id."""
        event_id = event_id or f"Ev{self.world.number()}"
        await self.deliver("events_api", self.envelope(event, event_id, team))
        return event_id

    def envelope(self, event: dict[str, Any], event_id: str, team: Team | None = None) -> dict[str, Any]:
        """What Slack sends of an event."""
        there = team or self.world.teams[TEAM]
        return {
            "token": "x", "team_id": there.id, "api_app_id": APP, "event": event, "type": "event_callback", "event_id": event_id,
            "event_time": int(time.time()), "is_ext_shared_channel": False,
            "authorizations": [{"enterprise_id": None, "team_id": there.id, "user_id": there.bot, "is_bot": True, "is_enterprise_install": False}],
        }  # fmt: skip

    async def deliver(self, kind: str, payload: dict[str, Any]) -> Any:
        """Hand something to the bot; what it acknowledged with."""
        if self.posts_to is not None:
            status = await self.post(kind, payload)
            assert status == 200, status
            return None
        envelope_id = f"env-{self.world.number()}"
        accepts = kind != "events_api"
        await self.socket.send({"envelope_id": envelope_id, "type": kind, "payload": payload, "accepts_response_payload": accepts})
        await self.until(lambda: envelope_id in self.socket.acknowledged)
        return self.socket.acknowledged[envelope_id]

    async def post(
        self, kind: str, payload: dict[str, Any], *, age: int = 0, secret: str = SECRET, signed: bool = True, to: str | None = None
    ) -> int:
        """Deliver by HTTP, signed `age` seconds ago; the status of the answer."""
        if kind == "events_api":
            body, content_type = json.dumps(payload), "application/json"
        else:
            form = {"payload": json.dumps(payload)} if kind == "interactive" else payload
            body, content_type = urlencode(form), "application/x-www-form-urlencoded"
        stamp = str(int(time.time()) - age)
        digest = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"Content-Type": content_type}
        if signed:
            headers |= {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(to or self.posts_to or "", data=body, headers=headers) as answer,
        ):
            return answer.status
