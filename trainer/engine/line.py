"""Who is answered next: one request of each user in turn, so that somebody who asks twenty things at once keeps nobody waiting."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator

from trainer.engine.generation import Generation


class Line:
    """Waiting requests. Adapters take turns; requests of the base model are different people's, each with a turn of its own."""

    def __init__(self) -> None:
        self._turns: OrderedDict[object, deque[Generation]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Generation]:
        return (one for waiting in self._turns.values() for one in waiting)

    def append(self, generation: Generation) -> None:
        """At the end of its user's requests; a user who had none gets the last turn."""
        self._turns.setdefault(generation.request.adapter or generation, deque()).append(generation)
        self._count += 1

    def first(self) -> Generation:
        """Whose turn it is. Raises IndexError where nobody waits."""
        if not self._turns:
            raise IndexError("nobody waits")
        return next(iter(self._turns.values()))[0]

    def remove(self, generation: Generation) -> None:
        """It waits no longer. If it was the first of all, its user's next turn comes after everybody else's."""
        key = generation.request.adapter or generation
        waiting = self._turns[key]
        was_first = self.first() is generation
        waiting.remove(generation)
        self._count -= 1
        if not waiting:
            del self._turns[key]
        elif was_first:
            self._turns.move_to_end(key)
