"""A person in front of the real `tutee chat`: every process real, the bundled model, nothing played back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from tests.services import ROOT, eventually, processes_of

PATIENCE = 240.0  # seconds for a lesson on a busy machine
Event = dict[str, Any]


class Chat:
    """`tutee chat --json` with somebody who writes lines and reads events as they happen."""

    def __init__(self, data: Path, user: str = "you", options: Sequence[str] = ()) -> None:
        self.data = data
        command = [sys.executable, "-m", "bot.cli", "chat", "--json", "--user", user, "--data", str(data), *options]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._events: Queue[Event] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def says(self, line: str) -> None:
        """Send a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hears(self, kind: str, fits: Callable[[Event], bool] = lambda event: True, seconds: float = PATIENCE) -> Event:
        """The next event of that kind that fits."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                event = self._events.get(timeout=max(0.01, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(f"no such {kind} within {seconds} seconds; exit code {self.process.poll()}") from None
            if event["type"] == kind and fits(event):
                return event

    def asks(self, question: str) -> Event:
        """A question and its answer."""
        self.says(question)
        return self.hears("answer")

    def interrupts(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def leaves(self) -> None:
        """Everything ends, in order or not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self._events.put(json.loads(line))


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Callable[..., Chat]]:
    """Open a chat on the test's own data folder."""
    opened: list[Chat] = []

    def open_chat(user: str = "you", options: Sequence[str] = ()) -> Chat:
        opened.append(Chat(tmp_path, user, options))
        return opened[-1]

    yield open_chat
    for each in opened:
        each.leaves()
    eventually(lambda: not processes_of(tmp_path), "the end of all processes")
