"""Where to write: a channel is a string by which a restarted process finds the place again."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_PLACE = re.compile(r"([TE][A-Z0-9]+):([CDG][A-Z0-9]+)(?::(\d+\.\d+))?")


@dataclass(frozen=True, slots=True)
class Place:
    """A channel of a workspace, or the thread in it whose first message has the time stamp `thread`."""

    team: str
    channel: str
    thread: str | None = None

    def __str__(self) -> str:
        return ":".join(filter(None, (self.team, self.channel, self.thread)))

    @property
    def is_private(self) -> bool:
        """Whether nobody else reads along."""
        return self.channel.startswith("D")

    def in_thread(self, thread: str | None) -> Place:
        """The thread in the same channel."""
        return replace(self, thread=thread)

    def message_id(self, ts: str) -> str:
        """The id of a message there: time stamps are unique within a channel only."""
        return f"{self.channel}:{ts}"


def read(channel: str) -> Place | None:
    """The place that the string names; None where it is none of Slack's."""
    found = _PLACE.fullmatch(channel)
    return Place(found[1], found[2], found[3]) if found else None


def of(channel: str) -> Place:
    """The place that a string of our own names."""
    place = read(channel)
    if place is None:
        raise ValueError(f"{channel} is no place on Slack")
    return place


def ts_of(message_id: str) -> str:
    """The time stamp in a message's id; "" where the message has none, as those that only one person sees."""
    return message_id.partition(":")[2]
