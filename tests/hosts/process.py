"""`python -m tests.hosts.process worker|bot NAME`: a process of an installation on many hosts, configured as `tutee` is.

A worker is `tutee worker` with two differences: its teacher is played back, and it notes in Redis which lessons it began. A bot is
`tutee bot` on a chat platform of its own: events come as JSON lines on standard input, everything that it shows goes out as JSON lines.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot import jobs as bot_jobs
from bot import wiring
from bot.messages import Answer, InboundMessage, Reply, as_json
from bot.platforms.base import Core
from bot.serving import serve
from storage.records import LessonState
from storage.repositories import Repositories
from tests.reading_teacher import reading_teacher
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE
from trainer.settings import load

BEGAN = "test:began"  # in Redis: "worker lesson", in the order in which lessons began


class Lines:
    """The fake platform's bot: what one process shows and hears."""

    name = "lines"
    biggest_file = 1_000_000

    def __init__(self, process: str) -> None:
        self._process = process
        self._numbers = itertools.count(1)

    def serves(self, channel: str) -> bool:
        """Every process of the platform may write everywhere, as with Slack."""
        return True

    async def run(self, core: Core) -> None:
        """Handle what comes, everything at once, until the input ends."""
        self._tell({"ready": self._process})
        under_way: set[asyncio.Task[None]] = set()
        while line := await asyncio.to_thread(sys.stdin.readline):
            said = json.loads(line)
            message = InboundMessage(self.name, said["user"], said["user"], said["user"], said["id"], said["text"], operator=True)
            task = asyncio.create_task(core.handle(message))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    async def send(self, channel: str, reply: Reply, reply_to: str | None = None) -> str:
        """A new message."""
        message_id = f"{self._process}-{next(self._numbers)}"
        self._tell({"channel": channel, "message_id": message_id, "reply_to": reply_to, "reply": as_json(reply)})
        return message_id

    async def edit(self, channel: str, message_id: str, reply: Reply) -> None:
        """Another reply in place of that message."""
        self._tell({"channel": channel, "message_id": message_id, "reply_to": None, "reply": as_json(reply)})

    async def stream(self, channel: str, pieces: AsyncIterator[str | Answer], reply_to: str | None = None) -> str | None:
        """The whole answer at once."""
        shown = None
        async for piece in pieces:
            if isinstance(piece, Answer):
                shown = await self.send(channel, piece, reply_to)
        return shown

    def _tell(self, said: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps({"process": self._process, **said}) + "\n")
        sys.stdout.flush()


def _bot(name: str) -> None:
    settings = load(Path(os.environ["HOSTS_CONFIG"]))
    queue, database = wiring.open_queue(settings), wiring.open_database(settings)
    wiring.upgrade(database)
    asyncio.run(serve(wiring.app(settings, queue, database), Lines(name)))


def _worker(name: str) -> None:
    from trainer import jobs as lesson_jobs
    from trainer import wiring as trainer_wiring
    from trainer.worker import run_worker

    settings = load(Path(os.environ["HOSTS_CONFIG"]))
    queue, database = wiring.open_queue(settings), wiring.open_database(settings)
    wiring.upgrade(database)
    repositories = Repositories.on(database)
    tools = replace(trainer_wiring.tools(settings), teacher=reading_teacher())
    lessons = trainer_wiring.lesson_runner(tools)

    class Noting:
        def run(self, lesson_id: int) -> LessonState:
            queue.redis.rpush(BEGAN, f"{name} {lesson_id}")
            return lessons.run(lesson_id)

    bot_jobs.configure(wiring.answering(wiring.app(settings, queue, database), queue))
    lesson_jobs.configure(lesson_jobs.Teaching(repositories, queue.redis, Noting(), trainer_wiring.rebuild_runner(tools).run))
    run_worker(wiring.open_queue(settings).redis, [LESSON_QUEUE, CHAT_QUEUE], wiring.sweeper(settings, queue, database))


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    {"worker": _worker, "bot": _bot}[sys.argv[1]](sys.argv[2])
