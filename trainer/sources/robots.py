"""What sites ask of programs: robots.txt (RFC 9309), read once an hour per site."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from protego import Protego

KEEP_SECONDS = 3600.0
MOST_SITES = 1000
BIGGEST = 500_000  # bytes; more need not be read (RFC 9309, section 2.5)


class Robots:
    """``read`` gives status and text of an address, or raises where it cannot say; then nothing is kept."""

    def __init__(self, read: Callable[[str], tuple[int, str]], user_agent: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._agent = user_agent.partition("/")[0].strip() or user_agent
        self._clock = clock
        self._known: dict[str, tuple[float, Protego | None]] = {}
        self._lock = Lock()

    def allow(self, origin: str, url: str) -> bool:
        """Whether the site at ``origin`` lets us read ``url``; a site without rules does. Raises what ``read`` raises."""
        with self._lock:
            kept = self._known.get(origin)
        if kept is None or self._clock() - kept[0] > KEEP_SECONDS:
            kept = (self._clock(), self._rules(origin))
            with self._lock:
                if len(self._known) >= MOST_SITES:
                    self._known.clear()
                self._known[origin] = kept
        rules = kept[1]
        return rules is None or bool(rules.can_fetch(url, self._agent))

    def _rules(self, origin: str) -> Protego | None:
        status, text = self._read(f"{origin}/robots.txt")
        return Protego.parse(text) if 200 <= status < 300 else None
