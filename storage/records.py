"""The values that leave storage: frozen, typed, free of the database.

All times are timezone-aware UTC; all durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

LessonKind = Literal["instruction", "document", "web"]
LessonOutcome = Literal["live", "rejected", "failed", "cancelled"]
LessonState = Literal["queued", "running", "live", "rejected", "failed", "cancelled", "forgotten"]
ExampleRole = Literal["train", "quiz", "neighbour", "rewrite"]
ExchangeState = Literal["pending", "answered", "failed"]
FeedbackKind = Literal["up", "down", "report"]

UNFINISHED: tuple[LessonState, ...] = ("queued", "running")


@dataclass(frozen=True, slots=True)
class UserRecord:
    """One person. `live_version` names the adapter that answers them; None means the untaught base model."""

    id: int
    name: str
    live_version: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class IdentityRecord:
    """One account on a platform that belongs to a user."""

    user_id: int
    platform: str
    external_id: str


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """That a user agreed to the consent text of this version, and when."""

    version: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class LessonMetrics:
    """How a lesson went.

    `before` and `after`: share (0…1) of its held-out quiz answered right without and with the lesson.
    `earlier_kept`: share of earlier lessons' quizzes still right; None where there were none.
    `examples` and `refused`: how many were kept and refused. `seconds`: from start to end. `learned`: quiz questions that it
    answers now and could not before, with the answer.
    """

    before: float
    after: float
    earlier_kept: float | None
    examples: int
    refused: int
    seconds: float
    learned: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LessonRecord:
    """One lesson. `number` counts 1, 2, 3… per user; `version` is what it went live as.

    `source` says where the material of a document or web lesson lies (a stored file, an address). `platform`, `channel`
    and `progress_message_id` are where its progress is shown; the last is None again once its receipt is.
    """

    id: int
    user_id: int
    number: int
    kind: LessonKind
    text: str
    source: str | None
    state: LessonState
    stage: str | None
    reason: str | None
    attempts: int
    dedupe_key: str
    version: str | None
    metrics: LessonMetrics | None
    conversation_id: int | None
    platform: str
    channel: str
    progress_message_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        """Whether the lesson has ended, well or not."""
        return self.state not in UNFINISHED


@dataclass(frozen=True, slots=True)
class ExampleRecord:
    """One question and answer of a lesson; `refused_category` says why moderation refused it, None if it passed."""

    role: ExampleRole
    question: str
    answer: str
    refused_category: str | None = None


@dataclass(frozen=True, slots=True)
class TaughtLesson:
    """A lesson that the user's live version knows, with the examples to replay."""

    lesson: LessonRecord
    examples: tuple[ExampleRecord, ...]


@dataclass(frozen=True, slots=True)
class AdapterRecord:
    """One immutable version of a user's model.

    `lesson_ids` are all lessons that it knows, not only the newest. `parent` is the version that it was trained from,
    None for the base model. `published_at` is None until it has gone live for the first time.
    """

    id: int
    user_id: int
    number: int
    name: str
    parent: str | None
    cause: str
    lesson_ids: tuple[int, ...]
    base_model: str
    metrics: Mapping[str, float]
    created_at: datetime
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """One conversation of a user in a channel; `/new` starts another."""

    id: int
    user_id: int
    platform: str
    channel: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class ExchangeRecord:
    """One question and, once answered, its answer and the version that gave it (None: the base model)."""

    id: int
    user_id: int
    conversation_id: int
    platform: str
    channel: str
    inbound_message_id: str
    reply_message_id: str | None
    question: str
    answer: str | None
    version: str | None
    state: ExchangeState
    seconds: float | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """What a user thought of an answer; `used_in` names the version that was trained on it."""

    id: int
    exchange_id: int
    user_id: int
    kind: FeedbackKind
    correction: str | None
    used_in: str | None
    created_at: datetime
    withdrawn_at: datetime | None
