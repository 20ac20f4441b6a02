"""Places in a process at which a test can hold it, to harm it just there."""

from __future__ import annotations

import time
from pathlib import Path

from tests.services import eventually

LOOK_SECONDS = 0.005
PATIENCE = 150.0  # seconds; the machine may be busy, and a test that passes never waits for long


class Points:
    """Both sides of it: the process says `reach`, the test says `hold`, waits until the process `is_at` the point, and lets it `go`.

    Everything is files in `folder`, because Redis and the database are among what is harmed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reach(self, point: str) -> None:
        """Stay here while the test holds this point."""
        held = self._held(point)
        if held.exists():
            self._at(point).touch()
            while held.exists():
                time.sleep(LOOK_SECONDS)

    def hold(self, point: str) -> None:
        """Whoever reaches this point from now on stays there."""
        self._at(point).unlink(missing_ok=True)
        self._held(point).touch()

    def go(self, point: str) -> None:
        """Nobody is held there any more."""
        self._held(point).unlink(missing_ok=True)

    def until_at(self, point: str) -> None:
        """Wait until a process is held there."""
        eventually(self._at(point).exists, f"reaching {point!r}", PATIENCE)

    def is_at(self, point: str) -> bool:
        """Whether a process is held there."""
        return self._at(point).exists()

    def free(self) -> None:
        """Nobody is held anywhere."""
        for each in self._folder.glob("hold *"):
            each.unlink(missing_ok=True)

    def _held(self, point: str) -> Path:
        return self._folder / f"hold {point}"

    def _at(self, point: str) -> Path:
        return self._folder / f"at {point}"
