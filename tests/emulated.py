"""An independent Slack: the `emulate` package, on Node."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
from aiohttp import web

from tests.slack_world import free_port

FOLDER = Path(__file__).parent / "emulate"
OLDEST_NODE = 20
TEAM = "T000000001"  # there is one workspace
APP, CLIENT_ID, CLIENT_SECRET = "A000TUTEE", "123.456", "client-secret"
BOT, BOT_ID, BOT_TOKEN = "U000TUTEE", "B000TUTEE", "xoxb-emulated"


def missing() -> str | None:
    """Why it cannot be started here; None where it can."""
    node = shutil.which("node")
    if node is None:
        return f"Node {OLDEST_NODE} is not installed"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.match(r"v(\d+)", version)
    if number is None or int(number[1]) < OLDEST_NODE:
        return f"Node {OLDEST_NODE} is needed, not {version.strip()}"
    if not (FOLDER / "node_modules" / "emulate").is_dir():
        return f"the emulate package is not installed: `npm ci --prefix {FOLDER.parent.name}/{FOLDER.name}`, which `make test` does"
    return None


@asynccontextmanager
async def emulated(people: tuple[str, ...], back: str) -> AsyncIterator[str]:
    """Its address; the token of each person is "xoxp-" and their name. `back`: where the app's installations come back to."""
    port, door = free_port(), free_port()
    address = f"http://localhost:{door}"
    app = {
        "app_id": APP, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "name": "Tutee", "redirect_uris": [back],
        "bot_id": BOT_ID, "bot_user_id": BOT, "bot_name": "tutee",
    }  # fmt: skip
    tokens: list[dict[str, Any]] = [{"token": f"xoxp-{name}", "user": name, "type": "user"} for name in people]
    tokens.append({"token": BOT_TOKEN, "user_id": BOT, "bot_id": BOT_ID, "bot_user_id": BOT, "app_id": APP, "type": "bot"})
    seed = {"baseUrl": address, "users": [{"name": name} for name in people], "oauth_apps": [app], "tokens": tokens}
    command = ["node", str(FOLDER / "start.mjs"), json.dumps({"port": port, "slack": seed})]
    server = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None and server.stdout is not None
    await server.stdout.readline()  # it says that it listens
    try:
        async with _door(door, f"http://localhost:{port}"):
            yield address
    finally:
        server.stdin.close()  # its input ends, and so does it
        await server.wait()


@asynccontextmanager
async def _door(port: int, behind: str) -> AsyncIterator[None]:
    """Slack also takes GET, and arguments in the address, which slack-sdk uses for some methods; emulate takes POST and a body alone."""
    session = aiohttp.ClientSession(auto_decompress=False)

    async def forward(request: web.Request) -> web.Response:
        body, address, method = await request.read(), request.rel_url, request.method
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        if request.path.startswith("/api/") and request.query and request.content_type != "application/json":
            body = urlencode([*request.query.items(), *parse_qsl(body.decode())]).encode()
            address, method = request.rel_url.with_query(None), "POST"
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        async with session.request(method, f"{behind}{address}", data=body, headers=headers, allow_redirects=False) as answer:
            kept = {name: answer.headers[name] for name in ("Content-Type", "Location") if name in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "localhost", port).start()
        yield
    finally:
        await runner.cleanup()
        await session.close()
