"""One child process: its command, its log, starting and ending it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

TIED = Path(__file__).with_name("tied.py")
STOP_SECONDS = 8.0


class Child:
    """A process that gets `ends_with` (a signal) when this one dies; what it writes goes to `log_file`.

    `environment` is all of its environment; None gives it ours. Start it from a thread that lives as long as the child should: the
    kernel counts a thread as the parent.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_file: Path,
        *,
        environment: Mapping[str, str] | None = None,
        ends_with: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.log_file = log_file
        self._command = list(command)
        self._environment = environment
        self._ends_with = ends_with
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its number, None before it was started."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or was never started; negative where a signal ended it."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, in a process group of its own so that a Ctrl-C at the terminal reaches it only through us."""
        tied = [sys.executable, "-I", "-S", str(TIED), str(os.getpid()), str(int(self._ends_with)), *self._command]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                tied,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                process_group=0,
            )

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        self._send(signal.SIGTERM)

    def wait(self, seconds: float = STOP_SECONDS) -> None:
        """Wait for its end; after `seconds` it and whatever it started are killed."""
        if self._process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._send(signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> str:
        """The last line that it wrote: of a `tutee` process that gave up, the sentence that says why."""
        with suppress(OSError), self.log_file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
            return lines[-1].strip() if lines else ""
        return ""

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
