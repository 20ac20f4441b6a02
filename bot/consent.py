"""Messages that wait for their author's consent, so that nobody has to write a lesson twice."""

from __future__ import annotations

from collections import OrderedDict

from bot.messages import InboundMessage

MOST_BYTES = 100_000_000  # of files; in memory only, because nothing may be stored before they agree


class Held:
    """The last message of each person that needs their consent. After a restart they send it again."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._messages: OrderedDict[int, InboundMessage] = OrderedDict()

    def hold(self, user_id: int, message: InboundMessage) -> None:
        """Keep the message in place of an earlier one; the oldest make room."""
        self._messages[user_id] = message
        self._messages.move_to_end(user_id)
        while sum(map(_weight, self._messages.values())) > self._most_bytes:
            self._messages.popitem(last=False)

    def release(self, user_id: int) -> InboundMessage | None:
        """The message that waited, which then no longer does."""
        return self._messages.pop(user_id, None)


def _weight(message: InboundMessage) -> int:
    return 4 * len(message.text) + 1000 + sum(len(each.content) for each in message.attachments)
