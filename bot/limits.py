"""What one person may ask for in 24 hours."""

from __future__ import annotations

from datetime import timedelta

from bot import texts
from bot.app import App
from bot.errors import TooMuch
from bot.messages import InboundMessage
from storage.records import UserRecord
from storage.repositories.base import Clock

DAY = timedelta(hours=24)


class Limits:
    """The limits of the configuration; whoever runs the bot has none."""

    def __init__(self, app: App, now: Clock) -> None:
        self._stored = app.repositories
        self._limits = app.settings.limits
        self._now = now

    def require_message(self, user: UserRecord, message: InboundMessage) -> None:
        """Raises TooMuch where the day's messages are used up."""
        limit = self._limits.messages_per_day
        if self._counts(message, limit) and self._stored.exchanges.count(user.id, self._now() - DAY) >= limit:
            raise TooMuch(texts.too_many_messages(limit))

    def require_lesson(self, user: UserRecord, message: InboundMessage) -> None:
        """Raises TooMuch where the day's lessons are used up."""
        limit = self._limits.lessons_per_day
        if self._counts(message, limit) and self._stored.lessons.count(user.id, self._now() - DAY) >= limit:
            raise TooMuch(texts.too_many_lessons(limit))

    def used(self, user: UserRecord) -> tuple[str, ...]:
        """What of the day's limits is used up, in a sentence; () where there are none."""
        since, limits = self._now() - DAY, self._limits
        if not (limits.messages_per_day or limits.lessons_per_day):
            return ()
        messages, lessons = self._stored.exchanges.count(user.id, since), self._stored.lessons.count(user.id, since)
        return (texts.used(messages, limits.messages_per_day, lessons, limits.lessons_per_day),)

    @staticmethod
    def _counts(message: InboundMessage, limit: int) -> bool:
        return limit > 0 and not (message.operator or message.admin)
