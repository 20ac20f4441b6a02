"""Whose turn it is: the events that the core is dealing with, each once, and what the platform knows of each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

REMEMBERED = 5_000  # events, so that one that is delivered twice is followed once

Turn = TypeVar("Turn")


class Turns(Generic[Turn]):
    """A turn is whatever a platform needs for showing what belongs to an event: who asked, where, and how it is answered."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._now: dict[str, Turn] = {}

    def begins(self, event_id: str) -> bool:
        """Whether the event is new; from now on it is not."""
        if event_id in self._seen:
            return False
        self._seen[event_id] = None
        while len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return True

    @contextmanager
    def taking(self, message_id: str, turn: Turn) -> Iterator[None]:
        """Inside, replies to that message belong to this turn."""
        self._now[message_id] = turn
        try:
            yield
        finally:
            if self._now.get(message_id) is turn:
                del self._now[message_id]

    def of(self, message_id: str | None) -> Turn | None:
        """The turn that replies to that message belong to; None where it is over, or there is no such message."""
        return self._now.get(message_id or "")

    def __iter__(self) -> Iterator[Turn]:
        """All turns that are being taken."""
        return iter(tuple(self._now.values()))
