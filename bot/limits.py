"""What one person may ask for in 24 hours."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot import texts
from bot.app import App
from bot.commands import taught
from bot.errors import TooMuch
from bot.messages import InboundMessage
from storage.records import UserRecord
from storage.repositories.base import Clock

DAY = timedelta(hours=24)
MINUTE = 60  # seconds
NOT_ENDED = 60.0  # seconds that a lesson which has not ended counts for: or a hundred sent at once would pass any limit


class Limits:
    """The limits of the configuration; whoever runs the bot has none."""

    def __init__(self, app: App, now: Clock) -> None:
        self._stored = app.repositories
        self._limits = app.settings.limits
        self._now = now

    def require_message(self, user: UserRecord, message: InboundMessage) -> None:
        """Raises TooMuch where the day's messages are used up."""
        limit = self._limits.messages_per_day
        if self._counts(message, limit) and self._messages(user) >= limit:
            raise TooMuch(texts.too_many_messages(limit))

    def require_lesson(self, user: UserRecord, message: InboundMessage) -> None:
        """Raises TooMuch where the day's lessons, minutes of training or bytes are used up, or the message has more than are left."""
        limit = self._limits.lessons_per_day
        if self._counts(message, limit) and self._lessons(user) >= limit:
            raise TooMuch(texts.too_many_lessons(limit))
        self.require_training(user, message)
        limit, brought = self._limits.bytes_per_day, _size(message)
        if self._counts(message, limit) and (left := limit - self._bytes(user)) < brought:
            raise TooMuch(texts.too_many_bytes(brought, max(0, left), limit))

    def require_training(self, user: UserRecord, message: InboundMessage) -> None:
        """Raises TooMuch where the day's minutes of training are used up."""
        limit = self._limits.training_minutes_per_day
        if self._counts(message, limit) and self._minutes(user) >= limit:
            raise TooMuch(texts.too_much_training(limit))

    def used(self, user: UserRecord) -> tuple[str, ...]:
        """What of the day's limits is used up, in a sentence; () where there are none."""
        limits = self._limits
        found = []
        if limits.messages_per_day:
            found.append(texts.used_messages(self._messages(user), limits.messages_per_day))
        if limits.lessons_per_day:
            found.append(texts.used_lessons(self._lessons(user), limits.lessons_per_day))
        if limits.training_minutes_per_day:
            found.append(texts.used_training(self._minutes(user), limits.training_minutes_per_day))
        if limits.bytes_per_day:
            found.append(texts.used_bytes(self._bytes(user), limits.bytes_per_day))
        return (texts.used(found),) if found else ()

    def _messages(self, user: UserRecord) -> int:
        return self._stored.exchanges.count(user.id, self._since)

    def _lessons(self, user: UserRecord) -> int:
        return self._stored.lessons.count(user.id, self._since)

    def _minutes(self, user: UserRecord) -> float:
        lessons, rebuilds = self._stored.lessons, self._stored.rebuilds
        waiting = len(lessons.unfinished_of_user(user.id)) + len(rebuilds.unfinished_of_user(user.id))
        return (lessons.worked(user.id, self._since) + rebuilds.worked(user.id, self._since) + waiting * NOT_ENDED) / MINUTE

    def _bytes(self, user: UserRecord) -> int:
        return self._stored.lessons.brought(user.id, self._since)

    @property
    def _since(self) -> datetime:
        return self._now() - DAY

    @staticmethod
    def _counts(message: InboundMessage, limit: int) -> bool:
        return limit > 0 and not (message.operator or message.admin)


def _size(message: InboundMessage) -> int:
    """What is to be kept of a lesson until it has been read: its files, or its words."""
    return sum(len(each.content) for each in message.attachments) or len(taught(message.text).encode("utf-8", "replace"))
