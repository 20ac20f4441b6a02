"""Being let in by Slack, and staying connected: a web socket, or signed HTTP requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot import texts
from bot.errors import PlatformRefused
from bot.platforms.base import Undeliverable
from bot.platforms.slack.calls import Refused, insist
from trainer.settings import SlackSettings

log = logging.getLogger(__name__)

PATH = "/slack/events"
PING_SECONDS = 10
LONGEST_REQUEST = 1_000_000  # bytes; Slack's are much shorter


async def check_in(client: AsyncWebClient, settings: SlackSettings, pauses: Sequence[float]) -> str:
    """The bot's user id, once the tokens are known to be good. Raises PlatformRefused."""
    try:
        answer = await insist(client.auth_test, pauses)
        if not settings.port:
            await insist(lambda: client.apps_connections_open(app_token=settings.app_token or ""), pauses)
    except Refused as error:
        raise PlatformRefused(texts.slack_refused(error.error), error.error) from error
    except Undeliverable as error:
        raise PlatformRefused(texts.SLACK_UNREACHABLE, str(error)) from error
    return str(answer["user_id"])


async def stay(app: AsyncApp, settings: SlackSettings) -> None:
    """Hear Slack until cancelled."""
    if settings.port:
        await _serve(app, settings.host, settings.port)
    else:
        await _listen(app, settings.app_token or "")


async def _listen(app: AsyncApp, app_token: str) -> None:
    handler = AsyncSocketModeHandler(app, app_token, ping_interval=PING_SECONDS)
    try:
        await handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt leaves out the types
        await asyncio.Event().wait()
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]  # as above


async def _serve(app: AsyncApp, host: str, port: int) -> None:
    """Bolt checks each request's signature, and that it is not older than five minutes."""

    async def hear(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    application = web.Application(client_max_size=LONGEST_REQUEST)
    application.add_routes([web.post(PATH, hear)])
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
