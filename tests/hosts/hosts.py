"""An installation on many hosts that a test drives: real PostgreSQL, Redis and S3, each process in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import psycopg
import yaml

from bot.embedded_redis import EmbeddedRedis, free_port
from storage.repositories import Repositories
from storage.session import Database
from storage.stores import ArtifactSettings, open_artifacts
from tests.buckets import KEYS, S3
from tests.hosts.process import BEGAN
from tests.services import ROOT, eventually
from tests.storage_fixtures import postgres
from tests.tiny_models import save_tiny_model
from trainer.lease import connect

SLOW = 240.0  # seconds; several processes load their libraries at once on a machine that may be busy


@dataclass
class Host:
    """One process on a host of its own."""

    name: str
    process: subprocess.Popen[str]
    log: Path
    ready: threading.Event = field(default_factory=threading.Event)


class Hosts:
    """`with Hosts(…) as hosts:`: databases run; `start` adds hosts; at the end nothing is left."""

    def __init__(self, root: Path, s3: S3) -> None:
        self.root = root
        self.shown: dict[str, dict[str, Any]] = {}  # what stands in each message now
        self.answers: list[dict[str, Any]] = []
        self._s3 = s3
        self._hosts: dict[str, Host] = {}
        self._noting = threading.Lock()
        self.engines: dict[str, int] = {}

    def __enter__(self) -> Hosts:
        self.base = save_tiny_model(self.root / "base")
        self._redis_server = EmbeddedRedis(self.root / "redis", self.root / "redis.log")
        self._redis_server.start()
        self.redis = connect(self._redis_server.url)
        self._database_name = f"hosts_{os.getpid()}_{id(self)}"
        with psycopg.connect(postgres().get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self._database_name}")
        self._database_url = postgres().get_uri(database=self._database_name)
        self.database = Database(self._database_url)
        self.database.upgrade()
        self.stored = Repositories.on(self.database)
        self.artifact_settings = ArtifactSettings(f"s3://{self._s3.bucket()}/adapters", self._s3.endpoint)
        self.artifacts = open_artifacts(self.artifact_settings, self.root / "observer")
        self.engines = {name: free_port() for name in ("engine-1", "engine-2")}
        self._config = self.root / "hosts.yaml"
        self._config.write_text(yaml.safe_dump(self._settings()))
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts.values():
            host.process.kill()
        for host in self._hosts.values():
            host.process.wait()
            for stream in (host.process.stdin, host.process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
        self.database.close()
        self.redis.close()
        self._redis_server.stop()
        with psycopg.connect(postgres().get_uri(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {self._database_name} WITH (FORCE)")

    def start(self, *names: str) -> None:
        """Start hosts named after what runs there ("worker-2"), each with an empty folder."""
        for name in names:
            role = name.split("-")[0]
            data = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.root))
            command = [sys.executable, "-m", "tests.hosts.process", role, name]
            if role == "engine":
                command = [sys.executable, "-m", "bot.cli", "engine", "--config", str(self._config), "--port", str(self.engines[name])]
            log = self.root / f"{data.name}.log"
            with log.open("w") as errors:
                process = subprocess.Popen(
                    [*apart(), *command],
                    cwd=ROOT,
                    env=self._environment(data),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
            host = self._hosts[name] = Host(name, process, log)
            threading.Thread(target=self._read, args=(host,), daemon=True).start()

    def until_ready(self, *names: str) -> None:
        """Wait until they take work."""
        for name in names:
            eventually(lambda name=name: self._is_ready(name), f"the start of {name}: {self.log(name)}", SLOW)  # type: ignore[misc]  # bound

    def leaves(self, name: str) -> None:
        """The host is gone from one moment to the next."""
        host = self._hosts.pop(name)
        host.process.kill()
        host.process.wait()

    def say(self, bot: str, user: str, text: str, message_id: str) -> None:
        """A message that the platform hands to this bot."""
        stdin = self._hosts[bot].process.stdin
        assert stdin is not None
        stdin.write(json.dumps({"user": user, "text": text, "id": message_id}) + "\n")
        stdin.flush()

    def in_message(self, kind: str) -> list[dict[str, Any]]:
        """What stands now in all messages of a kind."""
        with self._noting:
            return [each["reply"] for each in self.shown.values() if each["reply"]["type"] == kind]

    def began(self) -> list[tuple[str, int]]:
        """Which worker began which lesson, in order, as often as it began."""
        return [(each.decode().split()[0], int(each.decode().split()[1])) for each in cast(list[bytes], self.redis.lrange(BEGAN, 0, -1))]

    def resident(self, engine: str) -> list[str]:
        """The adapters in that engine's memory."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.engines[engine]}/health", timeout=10) as reply:
            return list(json.load(reply)["resident"])

    def log(self, name: str) -> str:
        """The end of what a process wrote."""
        return self._hosts[name].log.read_text(errors="replace")[-2000:]

    def _is_ready(self, name: str) -> bool:
        host = self._hosts[name]
        assert host.process.poll() is None, f"{name} ended: {self.log(name)}"
        if name.startswith("bot"):
            return host.ready.is_set()
        if name.startswith("worker"):
            return "Listening" in self.log(name) or self.redis.scard("rq:workers") >= sum(each.startswith("worker") for each in self._hosts)
        with suppress(OSError):
            self.resident(name)
            return True
        return False

    def _read(self, host: Host) -> None:
        assert host.process.stdout is not None
        with suppress(ValueError):  # closed at the end
            for line in host.process.stdout:
                said = json.loads(line)
                if "ready" in said:
                    host.ready.set()
                    continue
                with self._noting:
                    self.shown[said["message_id"]] = said
                    if said["reply"]["type"] == "answer":
                        self.answers.append(said)

    def _settings(self) -> dict[str, Any]:
        return {
            "base_model": str(self.base),
            "artifacts": {"url": self.artifact_settings.url, "endpoint": self.artifact_settings.endpoint},
            "engine": {"max_answer_tokens": 12, "max_context": 512, "max_rank": 4, "url": ",".join(map(self._engine_url, self.engines))},
            "lesson": {"samples": 6, "questions": 6, "neighbours": 1, "rank": 4, "rate": 0.01, "max_epochs": 2, "pass_mark": 0.0, "keep_mark": 0.0},
        }

    def _engine_url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.engines[name]}"

    def _environment(self, data: Path) -> dict[str, str]:
        places = {"TUTEE_DATA": str(data), "REDIS_URL": self._redis_server.url, "DATABASE_URL": self._database_url}
        return {**os.environ, **KEYS, **places, "HOSTS_CONFIG": str(self._config), "OMP_NUM_THREADS": "1"}


@cache
def apart() -> tuple[str, ...]:
    """What gives a process numbers of its own, as on another host, so that nobody can look whether it lives; empty where that is not allowed."""
    command = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    try:
        allowed = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    return command if allowed else ()
