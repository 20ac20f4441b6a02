"""The switch that stops the bot for everybody: a file, so that it stays off over restarts and every process sees it."""

from __future__ import annotations

from pathlib import Path


class Switch:
    """On, until it is switched off."""

    def __init__(self, data: Path) -> None:
        self._off = data / "switched-off"

    @property
    def is_on(self) -> bool:
        """Whether people are served."""
        return not self._off.exists()

    def turn(self, on: bool) -> None:
        """Switch on or off; again is the same as once."""
        if on:
            self._off.unlink(missing_ok=True)
        else:
            self._off.touch()
