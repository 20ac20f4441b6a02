"""Runs the core behind one platform, or behind several."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.app import App
from bot.following import Following
from bot.platforms.base import ChatPlatform
from bot.router import Router


async def serve(app: App, platform: ChatPlatform) -> None:
    """Run the platform until it has no more events, following lessons and waiting answers meanwhile."""
    try:
        async with Following(app, platform) as following:
            await platform.run(Router(app, platform, following))
    finally:
        await app.engine.close()


async def serve_all(app: App, platforms: Sequence[ChatPlatform]) -> None:
    """Run several platforms beside each other, until one of them cannot go on."""
    await asyncio.gather(*(serve(app, platform) for platform in platforms))
