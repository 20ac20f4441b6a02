"""Somebody who types at a program and reads its screen."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from contextlib import suppress

from tests.services import PATIENCE, ROOT


class Person:
    """Somebody at a pseudo-terminal, in front of a Python program that runs with `arguments`."""

    def __init__(self, arguments: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        take_terminal = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
        command = [sys.executable, "-c", take_terminal, sys.executable, *arguments]  # or Ctrl-C would reach nobody
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.seen = ""

    def types(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def sees(self, text: str, seconds: float = 30) -> None:
        """Wait until it is on the screen, at most that long after the last thing that came."""
        while text not in self.seen:
            assert select.select([self._ours], [], [], seconds)[0], f"{text!r} did not come: {self.seen[-2000:]!r}"
            self.seen += os.read(self._ours, 65_536).decode("utf-8", "replace")

    def settings(self) -> object:
        return termios.tcgetattr(self._ours)[:4]

    def ends(self) -> int:
        """The exit code, within `PATIENCE`; everything that was shown is in `seen`."""
        deadline = time.monotonic() + PATIENCE
        while True:
            while self._still_shows():
                pass
            with suppress(subprocess.TimeoutExpired):
                return self.process.wait(0.1)
            assert time.monotonic() < deadline, f"it did not end: {self.seen[-2000:]!r}"

    def _still_shows(self) -> bool:
        """Whether something came on the screen just now."""
        if not select.select([self._ours], [], [], 0.1)[0]:
            return False
        try:
            data = os.read(self._ours, 65_536)
        except OSError:  # Linux: the other side has closed
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def leaves(self) -> None:
        """Nothing of them stays."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
