"""What the tests of queue, worker and processes share: real Redis servers, real processes, waiting without sleeping blindly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from bot.embedded_redis import EmbeddedRedis
from bot.queue import JobQueue
from storage.artifacts import ArtifactStore
from storage.records import LessonRecord
from storage.repositories import Repositories
from tests.databases import migrated
from trainer.lease import connect

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
PATIENCE = 60.0  # seconds; the machine may be busy, and a test that passes never waits for long


def eventually(look: Callable[[], T], what: str = "it", seconds: float = PATIENCE) -> T:
    """What `look` gives as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} seconds"
        time.sleep(0.02)
    return found


class Installation:
    """A Redis, a database and lessons to learn, in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.redis_server = EmbeddedRedis(root / "redis", root / "redis.log")
        self.redis_server.start()
        self.redis = connect(self.redis_server.url)
        self.queue = JobQueue(self.redis)
        self.database = migrated(root / "tutee.db")
        self.database_url = f"sqlite:///{root / 'tutee.db'}"
        self.repositories = Repositories.on(self.database)
        self.artifacts = ArtifactStore(root / "adapters")
        self._processes: list[subprocess.Popen[str]] = []

    def teach(self, text: str, user: str = "ada") -> LessonRecord:
        """A lesson of that user, not queued yet."""
        record = self.repositories.users.identify("terminal", user, user)
        lesson, _ = self.repositories.lessons.create(
            record.id,
            "instruction",
            text,
            dedupe_key=text,
            platform="terminal",
            channel="terminal",
            conversation_id=None,
        )
        return lesson

    def state(self, lesson: LessonRecord) -> str:
        """How the lesson stands now."""
        found = self.repositories.lessons.get(lesson.id)
        assert found is not None
        return found.state

    def start_worker(self) -> subprocess.Popen[str]:
        """A worker process whose lessons wait for `let_lessons_end`."""
        command = [sys.executable, "-m", "tests.worker_process", self.redis_server.url, self.database_url, str(self.artifacts.root)]
        process = subprocess.Popen(command, cwd=ROOT, text=True)
        self._processes.append(process)
        return process

    def ran(self) -> list[int]:
        """The lessons whose run has begun, in order, each as often as it began."""
        return [int(each) for each in self.redis.lrange("ran", 0, -1)]

    def let_lessons_end(self) -> None:
        """From now on, no lesson waits."""
        self.redis.rpush("go", 1)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self.database.close()
        self.redis_server.stop()


def tutee(*arguments: str, lines: str = "", environment: Mapping[str, str] | None = None, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "bot.cli", *arguments]
    return subprocess.run(
        command,
        input=lines,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def processes_of(data: Path) -> list[str]:
    """The commands of all running processes that have to do with a data folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environment = (process / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if command and (str(data) in command or str(data) in environment):
                found.append(command)
    return found


def kill_process(data: Path, *words: str) -> None:
    """SIGKILL for the process on that folder whose command holds all the words."""
    os.kill(pid_of(data, *words), signal.SIGKILL)


def pid_of(data: Path, *words: str) -> int:
    """The number of the process on that folder whose command holds all the words."""
    found = pids_of(data, *words)
    assert found, f"no process {words} on {data}"
    return found[0]


def pids_of(data: Path, *words: str) -> list[int]:
    """The numbers of all such processes."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode() if process.name.isdigit() else ""
            if not command or not all(word in command for word in words):
                continue
            if str(data) in command + (process / "environ").read_bytes().decode(errors="replace"):
                found.append(int(process.name))
    return found
