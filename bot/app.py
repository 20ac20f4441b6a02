"""What the bot works with, chosen by bot/wiring.py and handed to every part that needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.engine_client import EngineClient
from storage.artifacts import Artifacts
from storage.repositories import Repositories
from trainer.contracts import Event
from trainer.lease import Claims
from trainer.settings import Settings


class LessonQueue(Protocol):
    """Where work that outlives a message goes: `bot.queue.JobQueue`, or a recording one in tests.

    Putting the same id on it again while its job is alive changes nothing. Rows are the truth: what could not be put on it is swept up later.
    """

    def enqueue_lesson(self, lesson_id: int, at: datetime | None = None) -> bool:
        """Have the lesson learned, not before `at`; True if it is newly queued, or for that time."""

    def enqueue_rebuild(self, rebuild_id: int) -> bool:
        """Have the user's model rebuilt; True if it is newly queued."""

    def cancel_rebuild(self, rebuild_id: int) -> bool:
        """Take the rebuild off the queue; False as for lessons."""

    def enqueue_answer(self, exchange_id: int) -> bool:
        """Have the waiting message answered as soon as the engine can; True if it is newly queued."""

    def cancel_lesson(self, lesson_id: int) -> bool:
        """Take the lesson off the queue; False where it has begun, and then it stops at its next step."""

    def answering(self, exchange_id: int) -> AbstractContextManager[bool]:
        """Held while a message is being answered, so that nobody else answers it; False inside where somebody does."""

    def claims(self) -> Claims:
        """For saying what this process shows, so that of several bot processes one shows it."""

    def events(self, after: str = "$", stop: threading.Event | None = None) -> Iterator[tuple[str, Event]]:
        """Events after that entry (`$`: from now on), each with its entry's id; waits for more until `stop` is set."""


@dataclass(frozen=True, slots=True)
class App:
    """One installation, seen from the bot."""

    settings: Settings
    repositories: Repositories
    artifacts: Artifacts
    queue: LessonQueue
    engine: EngineClient
