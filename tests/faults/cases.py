"""The table of faults, as data: what is harmed, at which moment, and how; `scenes.py` plays them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Database = Literal["sqlite", "postgresql"]
Scene = Literal["lesson", "chat", "forget", "hosts"]

# Moments of a lesson, in the worker, in their order; `moment` explains them.
MOMENTS: dict[str, str] = {
    "taken": "the job is taken, the lesson not begun",
    "read": "the lesson is read",
    "moderate": "the lesson is moderated",
    "write": "examples are written",
    "screen": "examples are screened",
    "train": "the adapter is trained",
    "check": "the new version is examined",
    "proposed": "the version has its number, no files yet",
    "half": "the adapter's files are written, not yet in place",
    "files": "the files are in place, the version is not live",
    "live": "the version is live, nobody was told",
    "told": "the end was told, the job not ended",
    "begun": "the lesson is noted, its job not queued",
    "receipt": "the receipt is about to be shown",
    "noted": "the message is noted, the engine not asked",
    "piece": "the answer is being written (bot)",
    "answer": "the answer is recorded, not yet shown",
    "waiting": "the message waits on the queue",
    "queued asks": "a waiting message is about to be answered",
    "queued piece": "a waiting message is being answered",
    "asked": "the engine was asked",
    "word": "the answer is being written (engine)",
    "before": "before it begins",
    "forget train": "the model is trained without it",
    "forget proposed": "the model without it has its number, no files yet",
    "forget files": "its files are in place, it is not live",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One row. `told`: what the person is shown meanwhile, a part of a sentence, where the fault lasts long enough to be noticed.

    `ends`: how the harmed lesson ends.
    """

    scene: Scene
    what: str
    when: str
    how: str
    database: Database
    told: str | None = None
    ends: Literal["live", "failed"] = "live"

    @property
    def in_tests(self) -> bool:
        """Whether `make test` plays it: not the slowest, and of those that differ in the moment only each third one."""
        if self.what.startswith("connection to") and self.how == "slow":
            return self.what.endswith("engine")
        alike = [
            each for each in (*CASES, *CUTS) if (each.scene, each.what, each.how, each.database) == (self.scene, self.what, self.how, self.database)
        ]
        return alike.index(self) % 3 == 0

    @property
    def name(self) -> str:
        """For a test's id."""
        return f"{self.scene}: {self.what} {self.how}, {self.when}"


_DISK = "my disk is full"
CANNOT_NOTE = "cannot reach my memory"
_WAITING = "as soon as"
_JUDGE = "The model that judges lessons"

CASES: tuple[Case, ...] = (
    *(
        Case("lesson", "worker", when, "killed", "sqlite")
        for when in ("taken", "read", "moderate", "write", "screen", "train", "check", "proposed", "half", "files", "live", "told")
    ),
    *(Case("lesson", "worker", when, "frozen", "postgresql") for when in ("taken", "train", "files", "live")),
    *(Case("lesson", "Redis", when, "killed and restarted", "postgresql") for when in ("read", "train", "files", "live")),
    Case("lesson", "Redis", "taken", "restarted without what it kept", "sqlite"),
    Case("lesson", "Redis", "train", "restarted without what it kept", "postgresql"),
    Case("lesson", "Redis", "train", "frozen", "sqlite"),
    *(Case("lesson", "PostgreSQL", when, "killed and restarted", "postgresql", CANNOT_NOTE) for when in ("write", "train", "files", "live")),
    Case("lesson", "connection to Redis", "train", "cut", "sqlite"),
    Case("lesson", "connection to Redis", "read", "slow", "postgresql"),
    Case("lesson", "connection to Redis", "write", "silent", "postgresql"),
    Case("lesson", "connection to PostgreSQL", "write", "cut", "postgresql"),
    Case("lesson", "connection to PostgreSQL", "taken", "slow", "postgresql"),
    Case("lesson", "connection to PostgreSQL", "train", "refused", "postgresql", CANNOT_NOTE),
    *(Case("lesson", "bot", when, "killed", "sqlite") for when in ("begun", "train", "live", "receipt")),
    Case("lesson", "bot", "train", "frozen", "sqlite"),
    Case("lesson", "disk", "screen", "full", "sqlite", CANNOT_NOTE),
    Case("lesson", "disk", "proposed", "full", "postgresql", _DISK),
    Case("lesson", "teacher", "write", "garbage", "postgresql", ends="failed"),
    Case("lesson", "teacher", "write", "away", "postgresql", "writes examples does not answer"),
    Case("lesson", "moderator", "moderate", "web page", "postgresql", _JUDGE),
    Case("lesson", "moderator", "moderate", "error 500", "postgresql", _JUDGE),
    Case("lesson", "moderator", "screen", "no verdict", "postgresql", _JUDGE),
    Case("lesson", "moderator", "screen", "refused", "postgresql", _JUDGE),
    Case("lesson", "clock of the worker", "before", "a day ahead", "sqlite"),
    Case("lesson", "clock of the worker", "before", "a day behind", "sqlite"),
    Case("lesson", "clock of the worker", "moderate", "a day ahead, and the moderator away", "postgresql", _JUDGE),
    Case("lesson", "clock of another worker", "files", "two hours ahead", "sqlite"),
    Case("lesson", "clock of the bot", "before", "a day ahead", "sqlite"),
    Case("lesson", "platform", "begun", "delivers twice", "sqlite"),
    *(Case("forget", "worker", when, "killed", "postgresql") for when in ("forget train", "forget proposed", "forget files")),
    *(Case("chat", "bot", when, "killed", "sqlite") for when in ("noted", "piece", "answer", "waiting")),
    *(Case("chat", "engine", when, "killed", "sqlite", _WAITING) for when in ("asked", "word")),
    Case("chat", "engine", "word", "frozen", "sqlite", _WAITING),
    *(Case("chat", "chat worker", when, "killed", "sqlite", _WAITING) for when in ("queued asks", "queued piece")),
    Case("chat", "chat worker", "queued piece", "frozen", "postgresql", _WAITING),
    Case("chat", "Redis", "noted", "killed and restarted", "sqlite"),
    Case("chat", "PostgreSQL", "piece", "killed and restarted", "postgresql", CANNOT_NOTE),
    Case("chat", "connection to the engine", "noted", "cut", "sqlite", _WAITING),
    Case("chat", "connection to the engine", "noted", "slow", "sqlite"),
    Case("chat", "connection to the engine", "noted", "silent", "postgresql", _WAITING),
    Case("chat", "connection to the engine", "noted", "refused", "sqlite", _WAITING),
    Case("chat", "engine", "noted", "web page", "sqlite", _WAITING),
    Case("chat", "platform", "noted", "delivers twice", "sqlite"),
    Case("chat", "disk", "piece", "full", "sqlite", CANNOT_NOTE),
)

# On many hosts: one of them is cut off from everything else while the others go on, and then it is back.
CUTS: tuple[Case, ...] = (
    *(Case("hosts", "host of a worker", when, "cut off, then back", "postgresql") for when in ("write", "train", "files")),
    *(Case("hosts", "host of a bot", when, "cut off, then back", "postgresql") for when in ("noted", "piece")),
    *(Case("hosts", "host of an engine", when, "cut off, then back", "postgresql") for when in ("before", "word")),
)
