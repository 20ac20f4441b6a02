"""How the installation is doing, for whoever runs it."""

from __future__ import annotations

import asyncio

from bot import texts
from bot.app import App


async def status(app: App, is_on: bool) -> str:
    """One paragraph."""
    stored = app.repositories
    users, lessons, waiting, reports, ready = await asyncio.gather(
        asyncio.to_thread(stored.users.count),
        asyncio.to_thread(stored.lessons.unfinished),
        asyncio.to_thread(stored.exchanges.pending),
        asyncio.to_thread(stored.feedback.reports),
        app.engine.is_ready(),
    )
    return texts.status(users, len(lessons), len(waiting), len(reports), texts.ENGINE_READY if ready else texts.ENGINE_NOT_READY, is_on)
