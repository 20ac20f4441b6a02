"""The processes of an installation, as the command `tutee` wires them, with three differences: a test can hold them at named points, the
examples of lessons are written by a teacher that is played back, and waits are shorter.

Roles: engine, worker (lessons), chat (messages that wait), both (lessons and messages), bot. Everything else, addresses included, is read
from the configuration. Where `TOWN_HOST` names a host, the process is as on a host of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine

from bot import engine_client, following, jobs, owing, queue, sweeper, wiring
from bot.engine_client import EngineClient
from bot.serving import serve
from storage.artifacts import Artifacts
from storage.repositories import Repositories
from storage.stores import open_artifacts
from tests.reading_teacher import reading_teacher
from tests.town.platform import TownPlatform
from tests.town.points import Points
from trainer import correct, examine, lease, rehearsal, worker
from trainer import jobs as lesson_jobs
from trainer import wiring as trainer_wiring
from trainer.configuration import load
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE, Event, Finished, Progress, Rebuilding
from trainer.engine import process, server
from trainer.engine.openai_api import Answer
from trainer.errors import TeacherUnavailableError
from trainer.prompts import Messages
from trainer.settings import Settings

HOST = "TOWN_HOST"  # environment: the name of the process's host, if it has one of its own
BEGAN = "began"  # a file in the data folder: when the process began which lesson
CLOCK = "TOWN_CLOCK"  # environment: seconds by which this process's clock is wrong
LEASE_SECONDS = 3.0
SILENCE_SECONDS = 3.0
SAID_TOKENS = 6


def main(arguments: Sequence[str]) -> int:
    """Run a role on a data folder until it ends or is ended."""
    role, data = arguments[0], Path(arguments[1])
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    settings = load(data / "tutee.yaml", data=str(data))
    _hasten()
    if host := os.environ.get(HOST):
        _be_on(host)
    if wrong := float(os.environ.get(CLOCK, 0)):
        time_machine.travel(datetime.now(UTC) + timedelta(seconds=wrong), tick=True).start()
    points = Points(data / "points")
    _ROLES[role](settings, lambda point: points.reach(f"{role} {point}"))
    return 0


def _be_on(host: str) -> None:
    """Nobody elsewhere can look whether this process lives; and no worker is so slow that another one takes its work over beside its own."""
    lease._place = lambda: host  # type: ignore[assignment]  # which keeps what it found
    lesson_jobs.LOOKS_EVERY_S = 2.0


def _hasten() -> None:
    """Waits that only decide how soon something is noticed, and what a random model says, which never ends by itself."""
    lease.Lease.__init__.__defaults__ = lease.Claims.__init__.__defaults__ = (LEASE_SECONDS,)  # a default is bound when a function is made
    queue.LESSON_RETRY = queue.ANSWER_RETRY = (1,) * 100
    sweeper.SWEEP_SECONDS = 0.5
    sweeper.ANSWER_GRACE = timedelta(seconds=3)
    following.GRACE_SECONDS = owing.GRACE_SECONDS = 0.5
    following.ADOPT_SECONDS = 1.0
    worker.WORKER_TTL_S = 18  # a worker asks Redis for a job for 3 s at a time
    wiring.ENGINE_START_SECONDS = 0.0
    engine_client.SILENCE_SECONDS = SILENCE_SECONDS
    examine.QUIZ_TOKENS = rehearsal.CHAT_TOKENS = SAID_TOKENS
    correct.QUIZ_TOKENS = SAID_TOKENS  # type: ignore[attr-defined]  # which keeps the value that it imported


def _engine(settings: Settings, reach: Callable[[str], None]) -> None:
    class HeldAnswer(Answer):
        def first_chunk(self) -> str:
            reach("asked")
            return super().first_chunk()

        def text_chunk(self, text: str) -> str:
            reach("word")
            return super().text_chunk(text)

    server.Answer = HeldAnswer  # type: ignore[attr-defined]  # which imports it
    process.serve_engine(settings, settings.engine.host, settings.engine.port, "warning")


def _worker(settings: Settings, reach: Callable[[str], None], queues: Sequence[str] = (LESSON_QUEUE,)) -> None:
    jobs_queue, database = wiring.open_queue(settings), wiring.open_database(settings)
    wiring.upgrade(database)
    if CHAT_QUEUE in queues:
        app = wiring.app(settings, jobs_queue, database)
        jobs.configure(wiring.answering(replace(app, engine=HeldEngine(app.engine, reach)), jobs_queue))
    tools = trainer_wiring.tools(settings)
    told = tools.publish

    def publish(event: Event) -> None:
        if isinstance(event, Progress):
            reach(event.stage)
        if isinstance(event, Rebuilding):
            reach(f"forget {event.stage}")
        told(event)
        if isinstance(event, Finished):
            reach("told")

    tools = replace(
        tools,
        publish=publish,
        teacher=TownTeacher(settings.data),
        artifacts=HeldStore(open_artifacts(settings.artifacts, settings.data), reach),
    )
    runner = HeldRunner(trainer_wiring.lesson_runner(tools), reach, settings.data / BEGAN)
    repositories = Repositories.on(database)
    rebuild = trainer_wiring.rebuild_runner(tools).run
    most = settings.lesson.together
    lesson_jobs.configure(lesson_jobs.Teaching(repositories, jobs_queue.redis, runner, rebuild, group=tools.group, most=most))
    worker.run_worker(wiring.open_queue(settings).redis, queues, wiring.sweeper(settings, jobs_queue, database))


def _chat(settings: Settings, reach: Callable[[str], None]) -> None:
    jobs_queue, database = wiring.open_queue(settings), wiring.open_database(settings)
    wiring.upgrade(database)
    app = wiring.app(settings, jobs_queue, database)
    jobs.configure(wiring.answering(replace(app, engine=HeldEngine(app.engine, reach)), jobs_queue))
    worker.run_worker(wiring.open_queue(settings).redis, [CHAT_QUEUE], wiring.sweeper(settings, jobs_queue, database))


def _bot(settings: Settings, reach: Callable[[str], None]) -> None:
    jobs_queue, database = wiring.open_queue(settings), wiring.open_database(settings)
    wiring.upgrade(database)
    app = wiring.app(settings, jobs_queue, database)
    app = replace(app, engine=HeldEngine(app.engine, reach))
    asyncio.run(serve(app, TownPlatform(settings.data / "square.sock", reach, os.environ.get(HOST, "bot"))))


_ROLES: dict[str, Callable[[Settings, Callable[[str], None]], None]] = {
    "engine": _engine, "worker": _worker, "chat": _chat, "bot": _bot,
    "both": lambda settings, reach: _worker(settings, reach, (LESSON_QUEUE, CHAT_QUEUE)),
}  # fmt: skip


class TownTeacher:
    """Reads the sentences that the tests teach. While there is a file `teacher garbage` or `teacher away` in the folder, as it says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def complete(self, conversations: Sequence[Messages], *, temperature: float, max_tokens: int, seed: int) -> list[str]:
        """As Teacher.complete."""
        if (self._folder / "teacher away").exists():
            raise TeacherUnavailableError("The model that writes examples does not answer. The lesson will be tried again.", "played")
        if (self._folder / "teacher garbage").exists():
            return [GARBAGE[i % len(GARBAGE)] for i in range(len(conversations))]
        return reading_teacher().complete(conversations, temperature=temperature, max_tokens=max_tokens, seed=seed)

    def doubts(self, conversations: Sequence[Messages]) -> list[float]:
        """As Teacher.doubts."""
        return reading_teacher().doubts(conversations)


GARBAGE = ("", "\x00\ufffd\ud800", "<html><body>502 Bad Gateway</body></html>", "Q: \nA: ", "Q:" * 400, '{"error": {"message": "overloaded"}}')


class HeldStore:
    """An artifact store that can be held before, in the middle of and after writing an adapter."""

    def __init__(self, store: Artifacts, reach: Callable[[str], None]) -> None:
        self._store = store
        self._reach = reach

    def __getattr__(self, name: str) -> Any:
        """Everything else is the store's."""
        return getattr(self._store, name)

    def write(self, name: str, save: Callable[[Path], None]) -> Path:
        """As Artifacts.write."""

        def held(folder: Path) -> None:
            save(folder)
            self._reach("half")

        self._reach("proposed")
        folder = self._store.write(name, held)
        self._reach("files")
        return folder


class HeldRunner:
    """A lesson runner that can be held when the job was taken and the lesson not begun; what it begins is noted in `began`."""

    def __init__(self, runner: Any, reach: Callable[[str], None], began: Path) -> None:
        self._runner = runner
        self._reach = reach
        self._began = began

    def run(self, lesson_id: int) -> object:
        """As LessonRunner.run."""
        with self._began.open("a") as noted:
            noted.write(f"{time.time_ns()} {lesson_id}\n")
        self._reach("taken")
        return self._runner.run(lesson_id)


class HeldEngine(EngineClient):
    """A client of the engine that can be held before it asks and when it has the first piece."""

    def __init__(self, client: EngineClient, reach: Callable[[str], None]) -> None:
        self.__dict__.update(client.__dict__)
        self._reach = reach

    async def pieces(self, messages: Messages, version: str | None, temperature: float = 0.0) -> AsyncGenerator[str, None]:
        """As EngineClient.pieces."""
        self._reach("asks")
        async for piece in super().pieces(messages, version, temperature):
            self._reach("piece")
            yield piece
