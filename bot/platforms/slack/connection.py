"""Being let in by Slack, and staying connected: a web socket or signed HTTP requests, and the pages of an installation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
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
    """The bot's user id, once the tokens are known to be good; "" where each workspace has its own. Raises PlatformRefused."""
    bot = ""
    try:
        if settings.token:
            bot = str((await insist(client.auth_test, pauses))["user_id"])
        if not settings.port:
            await insist(lambda: client.apps_connections_open(app_token=settings.app_token or ""), pauses)
    except Refused as error:
        raise PlatformRefused(texts.slack_refused(error.error), error.error) from error
    except Undeliverable as error:
        raise PlatformRefused(texts.SLACK_UNREACHABLE, str(error)) from error
    return bot


async def stay(app: AsyncApp, settings: SlackSettings, connected: Callable[[], None]) -> None:
    """Hear Slack until cancelled; `connected` is called as soon as it can be heard. Raises PlatformRefused where a port is taken."""
    async with AsyncExitStack() as open_:
        if settings.port:
            await open_.enter_async_context(_serving(app, settings.host, settings.port, hears=True))
        else:
            await open_.enter_async_context(_listening(app, settings.app_token or ""))
            if settings.install_port:
                await open_.enter_async_context(_serving(app, settings.host, settings.install_port, hears=False))
        connected()
        await asyncio.Event().wait()


@asynccontextmanager
async def _listening(app: AsyncApp, app_token: str) -> AsyncIterator[None]:
    handler = AsyncSocketModeHandler(app, app_token, ping_interval=PING_SECONDS)
    try:
        await handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt leaves out the types
        yield
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]  # as above


@asynccontextmanager
async def _serving(app: AsyncApp, host: str, port: int, *, hears: bool) -> AsyncIterator[None]:
    """Bolt checks each request's signature, and that it is not older than five minutes; what begins in a browser ends in the same one."""

    async def hear(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    application = web.Application(client_max_size=LONGEST_REQUEST)
    if hears:
        application.add_routes([web.post(PATH, hear)])
    if app.oauth_flow is not None:
        application.add_routes(_pages(app.oauth_flow))
    runner = web.AppRunner(application, access_log=None)  # it would hold the codes of installations
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise PlatformRefused(texts.slack_port_taken(host, port), str(error)) from error
        yield
    finally:
        await runner.cleanup()


def _pages(flow: AsyncOAuthFlow) -> list[web.RouteDef]:
    async def install(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await flow.handle_installation(await to_bolt_request(request)))

    async def installed(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await flow.handle_callback(await to_bolt_request(request)))

    return [web.get(flow.install_path, install), web.get(flow.redirect_uri_path, installed)]
