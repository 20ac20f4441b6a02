"""An installation on many hosts that a test drives: real PostgreSQL, Redis and S3, each process with a folder and a network of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from anyio.from_thread import start_blocking_portal

from bot.embedded_redis import EmbeddedRedis, free_port
from storage.repositories import Repositories
from storage.session import Database
from storage.stores import ArtifactSettings, open_artifacts
from tests.buckets import KEYS, S3
from tests.services import eventually
from tests.storage_fixtures import postgres
from tests.tiny_models import save_tiny_model
from tests.town.nursery import nursery
from tests.town.points import Points
from tests.town.processes import BEGAN, HOST
from tests.town.proxy import Proxy, Way
from tests.town.square import Shown, Square
from trainer.lease import connect

PATIENCE = 120.0  # seconds; the machine may be busy, and a test that passes never waits for long
ENGINES = ("engine-1", "engine-2")
ROLES = {"worker": "both"}  # which processes of `tests.town.processes` are hosts named so


@dataclass
class Host:
    """One process on a host of its own; `network`: its connections, by what they lead to."""

    name: str
    folder: Path
    pid: int = 0
    network: dict[str, Proxy] = field(default_factory=dict)

    @property
    def points(self) -> Points:
        return Points(self.folder / "points")


class Hosts:
    """`with Hosts(s3) as hosts:` databases run; `start` adds hosts; at the end nothing is left."""

    def __init__(self, s3: S3) -> None:
        self._s3 = s3
        self._thread = start_blocking_portal("asyncio", name="hosts")  # the platform, the proxies
        self.hosts: dict[str, Host] = {}
        self._all: list[Host] = []
        self.engines = {name: free_port() for name in ENGINES}

    def __enter__(self) -> Hosts:
        # Not under pytest's folder: a Unix socket's path must be short.
        self.root = Path(tempfile.mkdtemp(prefix="tutee-hosts-"))
        self._portal = self._thread.__enter__()
        nursery()  # loads its libraries while the rest is built
        save_tiny_model(self.root / "base")
        self._redis_server = EmbeddedRedis(self.root / "redis", self.root / "redis.log")
        self._redis_server.start()
        self.redis = connect(self._redis_server.url)
        self._database_name = f"hosts_{os.getpid()}_{id(self)}"
        with psycopg.connect(postgres().get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self._database_name}")
        self.database = Database(postgres().get_uri(database=self._database_name))
        self.database.upgrade()
        self.repositories = Repositories.on(self.database)
        self._bucket = f"s3://{self._s3.bucket()}/adapters"
        self.store = open_artifacts(ArtifactSettings(self._bucket, self._s3.endpoint), self.root / "observer")
        self.square = Square(self.root / "square")
        self._portal.call(self.square.open)
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.hosts):
            self.leaves(name)
        for host in self._all:
            for proxy in host.network.values():
                self._portal.call(proxy.stop)
        self._portal.call(self.square.close)
        self._thread.__exit__(None, None, None)
        self.database.close()
        self.redis.close()
        self._redis_server.stop()
        with psycopg.connect(postgres().get_uri(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {self._database_name} WITH (FORCE)")
        shutil.rmtree(self.root, ignore_errors=True)

    # People

    def say(self, bot: str, person: str, text: str, message_id: str | None = None) -> str:
        """Have a person write, and the platform hand it to this bot; the message's id."""
        return self._portal.call(lambda: self.square.say(person, text, message_id=message_id, to=bot))

    def deliver_again(self, bot: str) -> None:
        """The platform hands to this bot what none has said that it has handled."""
        self._portal.call(lambda: self.square.deliver_again(bot))

    def seen_by(self, person: str, kind: str | None = None) -> list[Shown]:
        """What bots show the person, oldest first; of that kind."""
        return [each for each in self.square.seen_by(person) if kind in (None, each.kind)]

    def answer_to(self, person: str, message_id: str) -> dict[str, Any]:
        """What stands in the answer, as soon as there is one."""

        def found() -> dict[str, Any]:
            return next((each.replies[-1] for each in self.seen_by(person, "answer") if each.reply_to == message_id), {})

        return eventually(found, f"the answer for {person}, who sees {[each.replies[-1] for each in self.seen_by(person)]}", PATIENCE)

    # Hosts

    def start(self, *names: str) -> None:
        """Start hosts named after what runs there ("worker-2"), each with an empty folder."""
        for name in names:
            folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.root))
            host = Host(name, folder)
            self._all.append(host)
            (folder / "points").mkdir()
            for to, proxy in self._connections(name, folder).items():
                host.network[to] = proxy
                self._portal.call(proxy.start)
            (folder / "tutee.yaml").write_text(yaml.safe_dump(self._settings(host)))
            role = name.split("-")[0]
            host.pid = nursery().start([ROLES.get(role, role), str(folder)], self._environment(host), folder / "log")
            self.hosts[name] = host

    def until_ready(self, *names: str) -> None:
        """Wait until they take work."""
        for name in names:
            eventually(lambda name=name: self._is_ready(name), f"the start of {name}: {self.log(name)}", PATIENCE)  # type: ignore[misc]  # bound

    def leaves(self, name: str) -> None:
        """The host is gone from one moment to the next."""
        host = self.hosts.pop(name)
        with suppress(ProcessLookupError):
            os.kill(host.pid, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{host.pid}").exists(), f"the end of {name}")

    def cut(self, name: str) -> None:
        """From now on nothing comes through, in either direction, and nothing says so."""
        self._set(name, "silent")

    def heal(self, name: str) -> None:
        """The network is there again; what was on its way arrives late."""
        self._set(name, "open")

    def log(self, name: str) -> str:
        """The end of what a process wrote."""
        with suppress(OSError, KeyError):
            return (self.hosts[name].folder / "log").read_text(errors="replace")[-3000:]
        return ""

    def began(self) -> list[tuple[str, int]]:
        """Which worker began which lesson, in order, as often as it began."""
        found = []
        for host in self._all:
            with suppress(FileNotFoundError):
                lines = (host.folder / BEGAN).read_text().splitlines()
                found += [(int(at), host.name, int(lesson)) for at, lesson in map(str.split, lines)]
        return [(name, lesson) for _, name, lesson in sorted(found)]

    @property
    def engine_port(self) -> int:
        """Of an engine that runs."""
        return self.engines[next(each for each in self.engines if each in self.hosts)]

    def resident(self, engine: str) -> list[str]:
        """The adapters in that engine's memory."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.engines[engine]}/health", timeout=10) as reply:
            return list(json.load(reply)["resident"])

    # Parts

    def _connections(self, name: str, folder: Path) -> dict[str, Proxy]:
        s3_port = int(self._s3.endpoint.rpartition(":")[2])
        found = {"s3": Proxy(lambda: asyncio.open_connection("127.0.0.1", s3_port))}
        if name.startswith("engine"):
            return found
        database = Path(postgres().get_postmaster_info().socket_dir) / ".s.PGSQL.5432"
        found["redis"] = Proxy(lambda: asyncio.open_unix_connection(str(self._redis_server.folder / "redis.sock")))
        found["database"] = Proxy(lambda: asyncio.open_unix_connection(str(database)))
        for engine, port in self.engines.items():
            found[engine] = Proxy(lambda port=port: asyncio.open_connection("127.0.0.1", port))  # type: ignore[misc]  # a default binds it
        if name.startswith("bot"):
            found["square"] = Proxy(lambda: asyncio.open_unix_connection(str(self.square.address)), path=folder / "square.sock")
        return found

    def _set(self, name: str, way: Way) -> None:
        def change() -> None:
            for proxy in self.hosts[name].network.values():
                proxy.way = way
            for other in self.hosts.values():
                if name in other.network:
                    other.network[name].way = way

        self._portal.call(change)

    def _is_ready(self, name: str) -> bool:
        assert Path(f"/proc/{self.hosts[name].pid}").exists(), f"{name} ended: {self.log(name)}"
        if name.startswith("bot"):
            return name in self.square.bots
        if name.startswith("worker"):
            return bool(self.redis.scard("rq:workers") >= sum(each.startswith("worker") for each in self.hosts))
        with suppress(OSError):
            self.resident(name)
            return True
        return False

    def _settings(self, host: Host) -> dict[str, Any]:
        """As small as a lesson can be: a random model learns nothing, and what it learns is not what these tests are about."""
        engine: dict[str, Any] = {"max_answer_tokens": 6, "max_context": 512, "max_rank": 4}
        if host.name in self.engines:
            engine["port"] = self.engines[host.name]
        return {
            "base_model": str(self.root / "base"),
            "compute": {"dtype": "float32", "threads": "1"},  # "auto" may choose otherwise on each host, and an answer be another one there
            "artifacts": {"url": self._bucket, "endpoint": f"http://127.0.0.1:{host.network['s3'].port}"},
            "engine": engine,
            "lesson": {"samples": 6, "questions": 6, "neighbours": 1, "rank": 4, "rate": 0.01, "max_epochs": 2, "pass_mark": 0.0, "keep_mark": 0.0},
        }

    def _environment(self, host: Host) -> dict[str, str]:
        places = {HOST: host.name, **KEYS}
        if host.name not in self.engines:
            ports = {to: proxy.port for to, proxy in host.network.items()}
            places |= {
                "REDIS_URL": f"redis://127.0.0.1:{ports['redis']}",
                "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{ports['database']}/{self._database_name}",
                "TUTEE_ENGINE_URL": ",".join(f"http://127.0.0.1:{ports[engine]}" for engine in self.engines),
            }
        return places
