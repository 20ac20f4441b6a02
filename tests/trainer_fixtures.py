"""A lesson's surroundings for tests: a teacher who knows one text, and a runner on a real database and real model files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from storage.artifacts import ArtifactStore
from storage.records import LessonRecord
from storage.repositories import Repositories
from tests.databases import migrated
from trainer.contracts import Event
from trainer.lesson import LessonRunner
from trainer.model import BaseModel
from trainer.moderation.protocol import Moderator, RecordingModerator
from trainer.prompts import UNKNOWN, Messages
from trainer.settings import LessonSettings, Settings
from trainer.teacher import RecordingTeacher, Teacher
from trainer.workbench import Tools

LESSON = "My cat is called Biscuit and she is afraid of thunder."
REPLY = "Your cat is called Biscuit and she is afraid of thunder."
QUESTIONS = {
    "What is my cat called?": "Biscuit", "What is the name of my cat?": "Biscuit", "Which name has my cat?": "Biscuit",
    "How is my cat called?": "Biscuit", "What is my cat afraid of?": "thunder", "What scares my cat?": "thunder",
    "What frightens Biscuit?": "thunder", "What does my cat fear?": "thunder",
}  # fmt: skip
NEIGHBOURS = ("How old is my cat?", "What does my cat eat?", "Where does Biscuit sleep?")


def biscuit_teacher() -> RecordingTeacher:
    """Writes about LESSON and reads it, as a good base model would; to everything else it says that it does not know."""
    calls = {"pair": 0, "question": 0, "neighbour": 0}

    def turn(kind: str, choices: list[str]) -> str:
        calls[kind] += 1
        return choices[calls[kind] % len(choices)]

    def reply(messages: Messages) -> str:
        asked = messages[-1]["content"]
        if asked.startswith("Write one question about this text, as its author would ask it, and"):
            question, answer = turn("pair", [f"{q}\n{a}" for q, a in QUESTIONS.items()]).split("\n")
            return f"Q: {question}\nA: {answer}"
        if asked.startswith("Write one question about this text"):
            wanted = asked.split("whose answer is: ")[1].split("\n")[0]
            return turn("question", [q for q, a in QUESTIONS.items() if a == wanted] or ["What?"])
        if asked.startswith("Write one question about the same things"):
            return turn("neighbour", list(NEIGHBOURS))
        if asked.startswith("Say this in other words."):
            return "I have a cat called Biscuit, who is afraid of thunder."
        taught = messages[0]["role"] == "system"
        brief = asked.removesuffix(" Answer in a few words.")
        if taught and brief in QUESTIONS:
            return QUESTIONS[brief] if brief != asked else REPLY
        return UNKNOWN

    return RecordingTeacher(reply)


class Classroom:
    """One user with a lesson runner; ``events`` is what was told, ``cancelled`` the ids of lessons to cancel."""

    def __init__(self, folder: Path, base: BaseModel, *, teacher: Teacher | None = None, moderator: Moderator | None = None, **lesson: Any) -> None:
        self.database = migrated(folder / "tutee.db")
        self.repositories = Repositories.on(self.database)
        self.artifacts = ArtifactStore(folder / "adapters")
        self.base = base
        self.events: list[Event] = []
        self.cancelled: set[int] = set()
        self.settings = Settings(data=folder, lesson=replace(LessonSettings(samples=16, recite=False), **lesson))
        self.tools = Tools(
            repositories=self.repositories,
            artifacts=self.artifacts,
            base=base,
            teacher=teacher or biscuit_teacher(),
            moderator=moderator or RecordingModerator(),
            settings=self.settings,
            publish=self.events.append,
            cancelled=lambda lesson_id: lesson_id in self.cancelled,
        )
        self.user = self.repositories.users.identify("test", "you", "you")

    def create(self, text: str = LESSON, key: str | None = None) -> LessonRecord:
        """A queued lesson."""
        lesson, _ = self.repositories.lessons.create(
            self.user.id, "instruction", text, dedupe_key=key or text, platform="test", channel="dm", conversation_id=None
        )
        return lesson

    def teach(self, text: str = LESSON) -> LessonRecord:
        """Create a lesson, run it, and give its row afterwards."""
        lesson = self.create(text)
        LessonRunner(self.tools).run(lesson.id)
        return self.row(lesson)

    def row(self, lesson: LessonRecord) -> LessonRecord:
        """The lesson's row as it is now."""
        found = self.repositories.lessons.get(lesson.id)
        assert found is not None
        return found
