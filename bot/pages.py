"""Pages that people ask for: their home, the versions of their model, and how the bot is doing for whoever runs it."""

from __future__ import annotations

import asyncio

from bot import cards, pictures, status, texts
from bot.app import App
from bot.errors import NotAllowed
from bot.limits import Limits
from bot.messages import InboundMessage, Notice
from bot.switch import Switch
from storage.records import UserRecord

SHOWN_REPORTS = 20  # newest; the database has the rest


class Pages:
    """What is shown, of one installation."""

    def __init__(self, app: App, limits: Limits, switch: Switch) -> None:
        self._app, self._limits, self._switch = app, limits, switch
        self._message_days = app.settings.retention.message_days

    async def home(self, platform: str, external_user_id: str) -> tuple[Notice, ...]:
        """A person's own page: their model, their lessons, their day's limits, and what is kept."""
        stored = self._app.repositories
        user = await asyncio.to_thread(stored.users.find, platform, external_user_id)
        if user is None:
            return (Notice(texts.HELLO), Notice(texts.privacy(self._message_days)))
        lessons = await asyncio.to_thread(stored.lessons.of_user, user.id)
        used = await asyncio.to_thread(self._limits.used, user)
        return (await self.versions(user, drawn=True), cards.lessons(user, lessons, 1), *map(Notice, used), self.privacy(user))

    async def versions(self, user: UserRecord, *, drawn: bool) -> Notice:
        """Which version of their model answers, and the earlier ones; `drawn`: with the picture of progress."""
        stored = self._app.repositories
        live = await asyncio.to_thread(stored.adapters.live, user.id)
        versions = [each for each in await asyncio.to_thread(stored.adapters.of_user, user.id) if each.published_at]
        lessons = await asyncio.to_thread(stored.lessons.of_user, user.id)
        name = live.name if live else None
        picture = await asyncio.to_thread(pictures.progress_picture, versions, lessons, name) if versions and drawn else None
        return cards.model(user, live, versions, lessons, picture)

    def privacy(self, user: UserRecord) -> Notice:
        """What is kept of them and what they can do about it."""
        return cards.privacy(user, self._message_days)

    async def help(self, user: UserRecord, message: InboundMessage) -> Notice:
        """What can be done here, and how much of the day's limits is used up."""
        if message.operator:
            return Notice(texts.HELP)
        return Notice("\n".join((texts.HELP_ON_PLATFORMS, *await asyncio.to_thread(self._limits.used, user))))

    async def administer(self, message: InboundMessage, what: str) -> Notice:
        """How the bot is doing, the answers that were reported, or the bot switched on or off. Raises NotAllowed."""
        if not (message.operator or message.admin):
            raise NotAllowed(texts.ADMIN_ONLY)
        if what == "reports":
            text = texts.reports(await asyncio.to_thread(self._app.repositories.feedback.reports, SHOWN_REPORTS))
        elif what:
            await asyncio.to_thread(self._switch.turn, what == "on")
            text = texts.SWITCHED_ON_NOW if what == "on" else texts.SWITCHED_OFF_NOW
        else:
            text = await status.status(self._app, await asyncio.to_thread(lambda: self._switch.is_on))
        return Notice(text, private=True)
