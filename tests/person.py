"""Somebody who types at a program and reads its screen."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios

from tests.services import ROOT

# Or Ctrl-C would reach nobody: neither without a terminal of its own, nor where whatever runs the tests ignores it.
TAKE_TERMINAL = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
)


class Person:
    """Somebody at a pseudo-terminal, in front of a Python program that runs with `arguments`."""

    def __init__(self, arguments: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        command = [sys.executable, "-c", TAKE_TERMINAL, sys.executable, *arguments]
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
        """The exit code; everything that was shown is in `seen`."""
        try:
            while data := os.read(self._ours, 65_536):
                self.seen += data.decode("utf-8", "replace")
        except OSError:  # Linux: the other side has closed
            pass
        return self.process.wait(30)

    def leaves(self) -> None:
        """Nothing of them stays."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
