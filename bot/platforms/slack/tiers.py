"""How often a workspace lets a method be called: calls that may be left out wait for their turn, or are left out."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

MINUTE = 60.0


class Tier:
    """One method in one workspace: at most `per_minute` calls in any minute, of which so many may come `at_once` after a rest.

    That is a bucket of `at_once` calls that fills evenly with the others. `clock` gives seconds.
    """

    def __init__(self, per_minute: int, at_once: int, clock: Callable[[], float] = monotonic) -> None:
        self._every = MINUTE / (per_minute - at_once)
        self._rest = (at_once - 1) * self._every
        self._clock = clock
        self._full = clock()  # when the bucket is full again

    @property
    def is_free(self) -> bool:
        """Whether the next turn is now."""
        return self._full - self._rest <= self._clock()

    def turn(self) -> float:
        """Take the next turn; how many seconds it is away."""
        now = self._clock()
        away = max(0.0, self._full - self._rest - now)
        self._full = max(self._full, now) + self._every
        return away

    def wait(self, seconds: float) -> None:
        """Slack wants no calls for so long."""
        self._full = max(self._full, self._clock() + seconds + self._rest)


class Tiers:
    """Of one workspace: chat.startStream (Slack's tier 2), chat.update (tier 3) and chat.appendStream (tier 4)."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.start, self.edit, self.append = Tier(20, 10, clock), Tier(50, 10, clock), Tier(100, 20, clock)
