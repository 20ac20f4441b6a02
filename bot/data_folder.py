"""The data folder: created, checked, locked by the one installation that runs on it, with a note of where that listens."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from trainer.errors import TrainerError
from trainer.settings import Settings

LOG_BYTES = 10_000_000  # a log longer than this is set aside at the next start; the one before that goes


class DataFolderError(TrainerError):
    """The folder cannot be used."""


class DataFolder:
    """Where everything lives. `root` need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock: IO[str] | None = None

    def prepare(self) -> None:
        """Create what is missing. Raises DataFolderError where it cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.root / "logs").mkdir(exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise DataFolderError(
                f"The data folder {self.root} cannot be written: {error.strerror}. Choose another one with --data, or change its permissions."
            ) from error

    def lock(self) -> bool:
        """Become the one that runs services on this folder, until `unlock` or the end of this process; False if another is."""
        if self._lock is not None:
            return True
        lock = (self.root / "tutee.lock").open("a")
        for _ in range(4):  # `running` holds it for an instant, which must not look like somebody at work
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._lock = lock
                self.erase_note()  # of one that was killed
                return True
            time.sleep(0.01)
        lock.close()
        return False

    def unlock(self) -> None:
        """Let others run on it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def log_file(self, name: str) -> Path:
        """Where the process of that name writes; set aside first when it has grown long."""
        path = self.root / "logs" / f"{name}.log"
        with suppress(OSError):
            if path.stat().st_size > LOG_BYTES:
                path.replace(path.with_suffix(".log.1"))
        return path

    def note(self, settings: Settings) -> None:
        """Write down where the running services are, for other commands on this machine and user."""
        content = {
            "pid": os.getpid(),
            "redis_url": settings.redis_url,
            "engine_url": settings.engine.url,
            "base_model": settings.base_model,
        }
        unfinished = self.root / ".state.json"
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(content))
        unfinished.replace(self.root / "state.json")

    def erase_note(self) -> None:
        """The services are gone."""
        (self.root / "state.json").unlink(missing_ok=True)

    def running(self, settings: Settings) -> Settings | None:
        """`settings` with the addresses of the services that run on this folder; None where none has said so."""
        if not self._is_locked_by_another():
            return None
        try:
            noted = json.loads((self.root / "state.json").read_text())
            engine = replace(settings.engine, url=noted["engine_url"])
            return replace(settings, redis_url=noted["redis_url"], engine=engine, base_model=noted["base_model"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _is_locked_by_another(self) -> bool:
        if self._lock is not None:
            return False
        try:
            with (self.root / "tutee.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False
