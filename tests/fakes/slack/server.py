"""The HTTP side: every call is recorded, checked against Slack's description, and carried out or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.fakes.slack import description, limits
from tests.fakes.slack.methods import Methods, Refusal
from tests.fakes.slack.oauth import OAuth
from tests.fakes.slack.world import TEAM, Message, World

BOT_TOKEN, APP_TOKEN = "xoxb-fake", "xapp-fake"
SCOPES = (
    "app_mentions:read", "assistant:write", "chat:write", "commands", "files:read", "files:write", "im:history", "im:write",
    "reactions:read", "users:read",
)  # fmt: skip
LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in to your workspace</body></html>"
_USES = 5  # of a response URL
_RESPONSE_KEYS = {"text", "blocks", "response_type", "replace_original", "delete_original", "thread_ts"}


@dataclass
class Call:
    """A call that the bot made; `error` is what Slack said to it, "" where it was carried out."""

    method: str
    arguments: dict[str, Any]
    error: str = ""


@dataclass
class Fault:
    """What befalls the next `times` calls of a method ("" any): an error, or 429 with `retry_after` seconds, or HTTP `status`."""

    method: str
    error: str = ""
    retry_after: int | None = None
    status: int = 200
    times: int = 1


@dataclass
class ResponseUrl:
    """Where an interaction can be answered. `card`: the message it came from."""

    channel: str
    user: str
    card: Message | None
    uses: int = 0


@dataclass
class Server:
    """Answers calls; `changed` is called after each."""

    world: World
    changed: Callable[[], None]
    methods: Methods = field(init=False)
    oauth: OAuth = field(init=False)
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))
    tokens: dict[str, str] = field(default_factory=lambda: {BOT_TOKEN: TEAM, APP_TOKEN: TEAM})
    redirects: dict[str, str] = field(default_factory=dict)
    response_urls: dict[str, ResponseUrl] = field(default_factory=dict)
    stray_tokens: list[str] = field(default_factory=list)
    """Tokens that came where none may come."""

    def __post_init__(self) -> None:
        self.methods = Methods(self.world)
        self.oauth = OAuth(self.world, self.tokens)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/{method}", self.call),
            web.get("/api/{method}", self.call),
            web.get("/files/{id}/{name}", self.download),
            web.post("/upload/{id}", self.upload),
            web.post("/response/{id}", self.respond),
        ]

    async def call(self, request: web.Request) -> web.Response:
        """One call of a method."""
        method = request.match_info["method"]
        token, arguments = await _taken_apart(request)
        call = Call(method, arguments)
        self.calls.append(call)
        try:
            wrong = description.problems(method, arguments | ({"token": token} if token else {}))
            self.violations += wrong
            fault = self._fault(method)
            if fault is not None and fault.retry_after is not None:
                call.error = "ratelimited"
                return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(fault.retry_after)})
            if fault is not None and fault.status != 200:
                call.error = str(fault.status)
                return web.Response(status=fault.status, text="trouble")
            if fault is not None:
                raise Refusal(fault.error)
            answer = self._carried_out(method, arguments, token, wrong)
            return web.json_response({"ok": True, **answer}, headers={"x-oauth-scopes": ",".join(sorted(self.scopes))})
        except Refusal as refusal:
            call.error = refusal.error
            if refusal.fault:
                self.violations.append(f"{method}: {refusal.fault}")
            return web.json_response({"ok": False, "error": refusal.error}, headers={"x-oauth-scopes": ",".join(sorted(self.scopes))})
        finally:
            self.changed()

    async def download(self, request: web.Request) -> web.StreamResponse:
        """A file's content, for whoever has the token and the scope; for others Slack's login page."""
        file = self.world.files.get(request.match_info["id"])
        if file is None:
            raise web.HTTPNotFound
        if file.id in self.redirects:
            raise web.HTTPFound(self.redirects[file.id])
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens or token == APP_TOKEN or "files:read" not in self.scopes:
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
        return web.Response(body=file.content, content_type=file.type)

    async def upload(self, request: web.Request) -> web.Response:
        """The content of a file that was announced."""
        if "Authorization" in request.headers:
            self.stray_tokens.append("upload")
        self.world.files[request.match_info["id"]].content = await request.read()
        return web.Response(text="OK")

    async def respond(self, request: web.Request) -> web.Response:
        """An answer to an interaction."""
        place = self.response_urls.get(request.match_info["id"])
        said = await request.json()
        if place is None or place.uses >= _USES:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        place.uses += 1
        wrong = limits.message_problems(said.get("blocks"), said.get("text"))
        wrong += [f"{key} is unknown" for key in said if key not in _RESPONSE_KEYS]
        if said.get("blocks") and not said.get("text"):
            wrong.append("blocks without text")
        if wrong:
            self.violations += [f"response_url: {each}" for each in wrong]
            return web.json_response({"ok": False, "error": "invalid_blocks"}, status=400)
        self._responded(place, said)
        self.changed()
        return web.Response(text="ok")

    def new_response_url(self, channel: str, user: str, card: Message | None) -> str:
        identifier = str(self.world.number())
        self.response_urls[identifier] = ResponseUrl(channel, user, card)
        return f"{self.methods.url}/response/{identifier}"

    def _responded(self, place: ResponseUrl, said: dict[str, Any]) -> None:
        if said.get("replace_original") and place.card is not None:
            message = place.card
        else:
            ephemeral = said.get("response_type", "ephemeral") == "ephemeral"
            bot = self.world.teams[self.world.channels[place.channel].team].bot
            message = Message(place.channel, self.world.ts(), bot, thread_ts=said.get("thread_ts"))
            message.seen_by = place.user if ephemeral else None
            self.world.messages.append(message)
        message.text, message.blocks = said.get("text") or "", said.get("blocks") or []
        message.versions.append(message.shown)

    def _carried_out(self, method: str, arguments: dict[str, Any], token: str, wrong: list[str]) -> dict[str, Any]:
        if wrong:
            raise Refusal("invalid_arguments")
        if method == "oauth.v2.access":
            return self.oauth.access(arguments)
        if token not in self.tokens:
            raise Refusal("invalid_auth" if token else "not_authed")
        if (token == APP_TOKEN) != (method == "apps.connections.open"):
            raise Refusal("not_allowed_token_type")
        self.methods.team = self.world.teams[self.tokens[token]]
        self._check_workspace(arguments)
        needed = description.scopes(method)
        if needed and not self.scopes.intersection(needed):
            raise Refusal("missing_scope")
        handler = self.methods.handlers.get(method)
        if handler is None:
            raise Refusal("unknown_method", fault="the fake does not play this method")
        return handler(arguments)

    def _check_workspace(self, arguments: dict[str, Any]) -> None:
        team = self.methods.team.id
        for name in ("channel", "channel_id", "user", "users", "user_id"):
            named = self.world.channels.get(arguments.get(name, "")) or self.world.users.get(arguments.get(name, ""))
            if named is not None and named.team != team:
                raise Refusal("channel_not_found", fault=f"{name} {named.id} belongs to {named.team}, the token to {team}")

    def _fault(self, method: str) -> Fault | None:
        for each in self.faults:
            if each.method in ("", method) and each.times > 0:
                each.times -= 1
                return each
        return None


async def _taken_apart(request: web.Request) -> tuple[str, dict[str, Any]]:
    """The token and the other arguments, wherever they came."""
    arguments: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        arguments |= json.loads(await request.text() or "{}")
    elif request.body_exists:
        arguments |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    kind, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if kind == "Basic":
        client = aiohttp.BasicAuth.decode(request.headers["Authorization"])
        arguments |= {"client_id": client.login, "client_secret": client.password}
        credentials = ""
    token = credentials or arguments.get("token", "")
    arguments.pop("token", None)
    return token, arguments
