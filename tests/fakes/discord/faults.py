"""What can go wrong with a request: rate limits, errors of the server, slow and lost connections."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal


@dataclass
class Fault:
    """Something that befalls the next requests, or every n-th of them.

    `status` 429 and 5xx are answered in place of the real answer; `lost`: the connection breaks off, before the request is
    carried out or after.
    """

    operation: str | None
    times: int
    every: int = 1
    status: int | None = None
    retry_after: float = 0.0
    everywhere: bool = False
    lost: Literal["before", "after"] | None = None
    delay: float = 0.0
    seen: int = 0

    def befalls(self, operation: str) -> bool:
        """Whether this request is hit; counts it."""
        if self.operation not in (None, operation) or self.times <= 0:
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.times -= 1
        return True


@dataclass
class Window:
    """How many requests were made since when."""

    opened: float
    used: int = 0


class RateLimits:
    """Limits per operation and channel (or webhook), as (requests, seconds); `everywhere` counts all requests together."""

    def __init__(self) -> None:
        self.by_operation: dict[str, tuple[int, float]] = {}
        self.everywhere: tuple[int, float] | None = None
        self.exceeded = 0
        self._windows: dict[tuple[str, str], Window] = {}

    def take(self, operation: str, major: str, *, everywhere: bool) -> tuple[dict[str, str], float, bool]:
        """Count a request, towards the global limit too if `everywhere`.

        Its headers; seconds to wait if it is too many, else 0; whether that holds for all requests.
        """
        if everywhere and self.everywhere and (wait := self._count("*", "", *self.everywhere)[1]):
            self.exceeded += 1
            return {}, wait, True
        limit, seconds = self.by_operation.get(operation, (1000, 1.0))
        remaining, wait, reset = self._count(operation, major, limit, seconds)
        self.exceeded += bool(wait)
        headers = {
            "X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset-After": f"{reset:.3f}",
            "X-RateLimit-Reset": f"{time.time() + reset:.3f}", "X-RateLimit-Bucket": operation,
        }  # fmt: skip
        return headers, wait, False

    def _count(self, operation: str, major: str, limit: int, seconds: float) -> tuple[int, float, float]:
        now = time.monotonic()
        window = self._windows.get((operation, major))
        if window is None or now - window.opened >= seconds:
            window = self._windows[operation, major] = Window(now)
        reset = window.opened + seconds - now
        window.used += 1
        return max(0, limit - window.used), (reset if window.used > limit else 0.0), reset
