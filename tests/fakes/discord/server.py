"""The HTTP side: every request is recorded, checked against Discord's description and limits, and carried out or refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import BodyPartReader, web

from tests.fakes.discord import limits
from tests.fakes.discord.description import Operation, description
from tests.fakes.discord.errors import Refusal
from tests.fakes.discord.faults import Fault, RateLimits
from tests.fakes.discord.places import File
from tests.fakes.discord.routes import Routes
from tests.fakes.discord.routing import Ask
from tests.fakes.discord.world import World

PREFIX = "/api/v10"


@dataclass
class Request:
    """A request that the bot made, and the status that it got; 0: none, for the connection broke off."""

    operation: str
    path: str
    body: Any
    at: float
    """Seconds on the loop's clock."""
    status: int = 0


class Server:
    """Answers requests; `changed` is called after each."""

    def __init__(self, world: World, token: str, changed: Callable[[], None]) -> None:
        self.routes = Routes(world)
        self.rate_limits = RateLimits()
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.url = ""
        self._world = world
        self._token = token
        self._changed = changed

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One request to the API."""
        path = request.path.removeprefix(PREFIX)
        found = description().operation(request.method, path)
        if found is None:
            self.violations.append(f"{request.method} {path}: Discord has no such route")
            return _json(404, {"message": "404: Not Found", "code": 0})
        operation, values = found
        record = Request(operation.id, path, None, asyncio.get_running_loop().time())
        self.requests.append(record)
        try:
            answer = await self._answer(request, operation, values, record)
            record.status = answer.status
        except ConnectionResetError:
            raise
        except Exception as error:
            self.violations.append(f"{operation.id}: the fake broke: {error!r}")
            raise
        finally:
            self._changed()
        return answer

    async def serve_file(self, request: web.Request) -> web.Response:
        """A file that was attached to a message."""
        file = self._world.files.get(int(request.match_info["file_id"]))
        if file is None:
            raise web.HTTPNotFound
        return web.Response(body=file.content, content_type=file.type)

    async def _answer(self, request: web.Request, operation: Operation, values: dict[str, str], record: Request) -> web.Response:
        ask, content_type = await self._taken_apart(request, values)
        record.body = ask.body
        problems = self._problems(operation, ask, content_type)
        self.violations += [f"{operation.id}: {each}" for each in problems]
        if not operation.public and request.headers.get("Authorization") != f"Bot {self._token}":
            return _json(401, {"message": "401: Unauthorized", "code": 0})
        fault = next((each for each in self.faults if each.befalls(operation.id)), None)
        if fault:
            await asyncio.sleep(fault.delay)
        if fault and fault.lost == "before":
            raise _lose(request)
        headers, wait, everywhere = self.rate_limits.take(operation.id, _major(values), everywhere=not operation.public)
        if fault and fault.status == 429:
            wait, everywhere = fault.retry_after, fault.everywhere
        elif fault and fault.status:
            return _json(fault.status, {"message": "Internal Server Error", "code": 0})
        if wait:
            return _too_many(headers, wait, everywhere)
        if problems:
            return _json(400, _form_error(problems), headers)
        status, body = self._carried_out(operation, ask)
        if fault and fault.lost == "after":
            raise _lose(request)
        return _json(status, body, headers)

    def _carried_out(self, operation: Operation, ask: Ask) -> tuple[int, Any]:
        handler = self.routes.handler(operation.id)
        if handler is None:
            self.violations.append(f"{operation.id}: the fake does not play this operation")
            return 501, {"message": "Not played", "code": 0}
        try:
            status, body = handler(ask)
        except Refusal as refusal:
            if refusal.fault:
                self.violations.append(f"{operation.id}: {refusal.message}")
            return refusal.status, {"message": refusal.message, "code": refusal.code}
        wrong = description().answer_problems(operation, status, body)
        self.violations += [f"{operation.id}: the fake's own answer: {each}" for each in wrong]
        return status, body

    def _problems(self, operation: Operation, ask: Ask, content_type: str | None) -> list[str]:
        body = ask.body
        if ask.files and isinstance(body, dict):
            body = {**body, **dict.fromkeys(ask.files, "")}
        problems = description().problems(operation, ask.path, ask.query, body, content_type)
        if problems:
            return problems
        edited = self.routes.edited(operation.id, ask)
        contents = {name: file.content for name, file in ask.files.items()}
        return limits.problems(operation.id, ask.body, contents, was_v2=bool(edited and edited.flags & limits.IS_V2))

    async def _taken_apart(self, request: web.Request, values: dict[str, str]) -> tuple[Ask, str | None]:
        query = dict(request.query)
        if not request.body_exists:
            return Ask(values, query, None), None
        if request.content_type != "multipart/form-data":
            text = await request.text()
            return Ask(values, query, json.loads(text) if text else None), request.content_type
        ask = Ask(values, query, None)
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)  # multipart within multipart is not sent
            content = bytes(await part.read())
            if part.name == "payload_json":
                ask.body = json.loads(content)
            else:
                file = File(part.filename or "file", content)
                file.url = f"{self.url}/attachments/{file.id}/{file.name}"
                ask.files[part.name or ""] = file
        return ask, request.content_type


def _too_many(headers: dict[str, str], wait: float, everywhere: bool) -> web.Response:
    scope = {"X-RateLimit-Scope": "global", "X-RateLimit-Global": "true"} if everywhere else {"X-RateLimit-Scope": "user"}
    headers = headers | scope | {"Retry-After": str(max(1, round(wait)))}
    return _json(429, {"message": "You are being rate limited.", "retry_after": wait, "global": everywhere}, headers)


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """`Via` stands on everything that comes through Discord's proxy; discord.py takes a 429 without it for a ban."""
    headers = {"Via": "1.1 google", **(headers or {})}
    if body is None:
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json", headers=headers)


def _form_error(problems: list[str]) -> dict[str, Any]:
    reasons = [{"code": "INVALID", "message": each} for each in problems]
    return {"message": "Invalid Form Body", "code": 50035, "errors": {"_errors": reasons}}


def _lose(request: web.Request) -> ConnectionResetError:
    if request.transport:
        request.transport.abort()
    return ConnectionResetError("as the test wanted")


def _major(values: dict[str, str]) -> str:
    return "+".join(values[name] for name in ("channel_id", "guild_id", "webhook_id", "webhook_token") if name in values)
