"""The processes of an installation, as the command `tutee` wires them, with three differences: a test can hold them at named points, the
examples of lessons are written by a teacher that is played back, and waits are shorter.

Roles: engine, worker (lessons), chat (messages that wait), bot. Everything else, addresses included, is read from the configuration.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine

from bot import engine_client, following, jobs, queue, sweeper, wiring
from bot.engine_client import EngineClient
from bot.serving import serve
from storage.artifacts import ArtifactStore
from storage.repositories import Repositories
from tests.reading_teacher import reading_teacher
from tests.town.platform import TownPlatform
from tests.town.points import Points
from trainer import jobs as lesson_jobs
from trainer import lease, processes, worker
from trainer import wiring as trainer_wiring
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE, Event, Finished, Progress, Rebuilding
from trainer.engine import server
from trainer.engine.openai_api import Answer
from trainer.errors import TeacherUnavailableError
from trainer.prompts import Messages
from trainer.settings import Settings, load

CLOCK = "TOWN_CLOCK"  # environment: seconds by which this process's clock is wrong
LEASE_SECONDS = 3.0
SILENCE_SECONDS = 3.0


def main(arguments: Sequence[str]) -> int:
    """Run a role on a data folder until it ends or is ended."""
    role, data = arguments[0], Path(arguments[1])
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    settings = load(data / "tutee.yaml", data=str(data))
    _hasten()
    if wrong := float(os.environ.get(CLOCK, 0)):
        time_machine.travel(datetime.now(UTC) + timedelta(seconds=wrong), tick=True).start()
    points = Points(data / "points")
    _ROLES[role](settings, lambda point: points.reach(f"{role} {point}"))
    return 0


def _hasten() -> None:
    """Waits that only decide how soon something is noticed."""
    lease.Lease.__init__.__defaults__ = (LEASE_SECONDS,)  # a default is bound when a function is made
    queue.LESSON_RETRY = queue.ANSWER_RETRY = (1,) * 100
    sweeper.SWEEP_SECONDS = 0.5
    sweeper.ANSWER_GRACE = timedelta(seconds=3)
    following.GRACE_SECONDS = 0.5
    worker.WORKER_TTL_S = 18  # a worker asks Redis for a job for 3 s at a time
    wiring.ENGINE_START_SECONDS = 0.0
    engine_client.SILENCE_SECONDS = SILENCE_SECONDS


def _engine(settings: Settings, reach: Callable[[str], None]) -> None:
    class HeldAnswer(Answer):
        def first_chunk(self) -> str:
            reach("asked")
            return super().first_chunk()

        def text_chunk(self, text: str) -> str:
            reach("word")
            return super().text_chunk(text)

    server.Answer = HeldAnswer  # type: ignore[attr-defined]  # which imports it
    processes.serve_engine(settings, settings.engine.host, settings.engine.port, "warning")


def _worker(settings: Settings, reach: Callable[[str], None]) -> None:
    jobs_queue, database = wiring.open_queue(settings), wiring.open_database(settings)
    wiring.upgrade(database)
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
        artifacts=HeldStore(settings.adapters, reach),
    )
    runner = HeldRunner(trainer_wiring.lesson_runner(tools), reach)
    repositories = Repositories.on(database)
    rebuild = trainer_wiring.rebuild_runner(tools).run
    most = settings.lesson.together
    lesson_jobs.configure(lesson_jobs.Teaching(repositories, jobs_queue.redis, runner, rebuild, group=tools.group, most=most))
    worker.run_worker(wiring.open_queue(settings).redis, [LESSON_QUEUE], wiring.sweeper(settings, jobs_queue, database))


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
    asyncio.run(serve(app, TownPlatform(settings.data / "square.sock", reach)))


_ROLES: dict[str, Callable[[Settings, Callable[[str], None]], None]] = {"engine": _engine, "worker": _worker, "chat": _chat, "bot": _bot}


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


GARBAGE = ("", "\x00\ufffd\ud800", "<html><body>502 Bad Gateway</body></html>", "Q: \nA: ", "Q:" * 400, '{"error": {"message": "overloaded"}}')


class HeldStore(ArtifactStore):
    """An artifact store that can be held before, in the middle of and after writing an adapter."""

    def __init__(self, root: Path, reach: Callable[[str], None]) -> None:
        super().__init__(root)
        self._reach = reach

    def write(self, name: str, save: Callable[[Path], None]) -> Path:
        """As ArtifactStore.write."""

        def held(folder: Path) -> None:
            save(folder)
            self._reach("half")

        self._reach("proposed")
        folder = super().write(name, held)
        self._reach("files")
        return folder


class HeldRunner:
    """A lesson runner that can be held when the job was taken and the lesson not begun."""

    def __init__(self, runner: Any, reach: Callable[[str], None]) -> None:
        self._runner = runner
        self._reach = reach

    def run(self, lesson_id: int) -> object:
        """As LessonRunner.run."""
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
