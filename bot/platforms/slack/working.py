"""Shows that an answer is being written: as an agent's session, whose Stop button ends it, or as the older status."""

from __future__ import annotations

import asyncio
import logging

from bot import texts
from bot.platforms.base import Undeliverable
from bot.platforms.slack.calls import Refused, once
from bot.platforms.slack.places import Place
from bot.platforms.slack.workspaces import Workspaces

log = logging.getLogger(__name__)


class Working:
    """Nothing depends on it."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces
        self._without_sessions: set[str] = set()  # workspaces

    async def show(self, place: Place, ended: asyncio.Event) -> None:
        """Show it until the end."""
        await self._set(place, working=True)
        await ended.wait()
        await self._set(place, working=False)

    async def _set(self, place: Place, *, working: bool) -> None:
        if place.thread is None:
            return
        thread = place.thread
        try:
            client = (await self._workspaces.of(place.team)).client
            if place.team not in self._without_sessions:
                status = "processing" if working else "active"
                await once(lambda: client.agents_sessions_setStatus(
                    channel_id=place.channel, thread_ts=thread, status=status
                ))  # fmt: skip
            elif working:
                await once(lambda: client.assistant_threads_setStatus(
                    channel_id=place.channel, thread_ts=thread, status=texts.IS_THINKING
                ))  # fmt: skip
        except Refused as error:
            if place.team not in self._without_sessions:
                log.info("no agent sessions in a workspace, team=%s error=%s", place.team, error)
                self._without_sessions.add(place.team)
                await self._set(place, working=working)
        except Undeliverable as error:
            log.info("a status was not shown, error=%s", error)
