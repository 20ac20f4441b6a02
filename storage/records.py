"""The values that leave storage: frozen, typed, free of the database.

All times are timezone-aware UTC; all durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

LessonKind = Literal["instruction", "document", "web", "correction", "tool"]
LessonOutcome = Literal["live", "rejected", "failed", "cancelled"]
LessonState = Literal["queued", "running", "awaiting", "live", "rejected", "failed", "cancelled", "forgotten"]
ExampleRole = Literal["train", "quiz", "neighbour", "rewrite", "rejected"]
ExchangeState = Literal["pending", "answered", "failed"]
FeedbackKind = Literal["up", "down", "report"]
DownReason = Literal["wrong", "outdated", "long", "rude", "harmful", "other"]
RebuildOutcome = Literal["live", "failed", "cancelled"]
RebuildState = Literal["queued", "running", "live", "failed", "cancelled"]

UNFINISHED: tuple[LessonState, ...] = ("queued", "running", "awaiting")


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
    answers now and could not before, with the answer. `replaced`: numbers of earlier lessons of which it contradicts something.
    `changed`: of a correction, each question with the answer of before and the one of now.
    """

    before: float
    after: float
    earlier_kept: float | None
    examples: int
    refused: int
    seconds: float
    learned: tuple[tuple[str, str], ...] = ()
    replaced: tuple[int, ...] = ()
    changed: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NewSource:
    """Something to read: the bytes of a file, or an address."""

    name: str
    content: bytes | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class ReadSource:
    """What a source turned out to be. `published` is a date as its author gave it; `skipped` says what was not read, and why.

    `digest` is the same for the same text. `expires_at`: when what it says counts as stale; None for what stays true.
    """

    digest: str | None
    title: str | None = None
    author: str | None = None
    published: str | None = None
    language: str | None = None
    pages: int | None = None
    words: int | None = None
    skipped: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A source of a lesson; `number` counts 1, 2, 3… in it. As ReadSource once `read_at` is set."""

    id: int
    lesson_id: int
    number: int
    name: str
    address: str | None
    digest: str | None
    title: str | None
    author: str | None
    published: str | None
    language: str | None
    pages: int | None
    words: int | None
    skipped: tuple[str, ...]
    read_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewPart:
    """A piece of a source that examples are written from at once: its heading and what it says, in passages of a few sentences."""

    heading: str | None
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A stored part; `refused_category` says why moderation left it out, `is_written` that its examples are there."""

    id: int
    lesson_id: int
    source_id: int
    heading: str | None
    passages: tuple[str, ...]
    refused_category: str | None
    is_written: bool


@dataclass(frozen=True, slots=True)
class LessonRecord:
    """One lesson. `number` counts 1, 2, 3… per user; `version` is what it went live as.

    `source` says where the material of a document or web lesson lies (a stored file, an address). `platform`, `channel`
    and `progress_message_id` are where its progress is shown; the last is "" before any message shows it, and None where there is
    nothing more to show: its receipt is, or its user has the word. `begins_at`: not to be learned before then (a correction waits for
    more of them), None: at once. `sources` are what a document or web lesson reads; while it is `awaiting`, its user is asked about
    them, and `approved_at` is when they said yes. `refreshes` is the id of the lesson that it takes the place of.
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
    begins_at: datetime | None = None
    sources: tuple[SourceRecord, ...] = ()
    approved_at: datetime | None = None
    refreshes: int | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the lesson has ended, well or not."""
        return self.state not in UNFINISHED

    def is_stale(self, now: datetime) -> bool:
        """Whether something that it was read from has run out."""
        return any(each.expires_at is not None and each.expires_at <= now for each in self.sources)


@dataclass(frozen=True, slots=True)
class ExampleRecord:
    """One question and answer of a lesson; `refused_category` says why moderation refused it, None if it passed.

    `part_id`: the part of a document that it is about. In the role `rejected`, it is the answer that a correction replaces:
    never trained on, the other half of the preference pair.
    """

    role: ExampleRole
    question: str
    answer: str
    refused_category: str | None = None
    part_id: int | None = None


@dataclass(frozen=True, slots=True)
class TaughtLesson:
    """A lesson that the user's live version knows, with the examples to replay and, of documents and web pages, what they say."""

    lesson: LessonRecord
    examples: tuple[ExampleRecord, ...]
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RebuildMetrics:
    """How a rebuild went.

    `known_before` and `known_after`: share (0…1) of the forgotten lesson's questions answered by the version that knew it and by
    the one that answers now; None where nothing was forgotten or could be asked. `kept`: share of the other lessons' quizzes
    that was right before and still is; None where there were none. `lessons` and `examples`: how many it was trained on.
    `removed`: numbers of the versions whose files must go. `seconds`: from start to end.
    """

    known_before: float | None
    known_after: float | None
    kept: float | None
    lessons: int
    examples: int
    seconds: float
    removed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RebuildRecord:
    """A model trained afresh from the lesson log, as `version` in the end (None: the base model answers now).

    `forgets` is the id and `number` the number of the lesson that it leaves out for good; None where it forgets nothing. `platform`,
    `channel` and `progress_message_id` are as for lessons; where `channel` is empty, nobody is told.
    """

    id: int
    user_id: int
    forgets: int | None
    number: int | None
    state: RebuildState
    stage: str | None
    reason: str | None
    attempts: int
    version: str | None
    metrics: RebuildMetrics | None
    platform: str
    channel: str
    progress_message_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        """Whether the rebuild has ended, well or not."""
        return self.state not in UNFINISHED


@dataclass(frozen=True, slots=True)
class AdapterRecord:
    """One immutable version of a user's model.

    `lesson_ids` are all lessons that it knows, not only the newest. `parent` is the version that it was trained from,
    None for the base model. `published_at` is None until it has gone live for the first time. `removed_at`: since then its files
    are to be gone and it can never be live again, because it knew a lesson that was forgotten.
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
    removed_at: datetime | None = None


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
class CaseRecord:
    """One case of a correction: what was asked, the answer that was `rejected`, and the `correction`.

    That is in the user's words, or else the model's own better answer; None while that is still to be found. `reason` is what was
    bad, where the user said so.
    """

    feedback_id: int
    exchange_id: int
    question: str
    rejected: str
    correction: str | None
    reason: DownReason | None = None


@dataclass(frozen=True, slots=True)
class PackRecord:
    """Lessons that a user gives to whoever knows the code."""

    id: int
    user_id: int
    code: str
    lesson_ids: tuple[int, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """What a user thought of an answer; `used_in` names the version that was trained on it.

    `reason` is what a 👎 was about, in the user's own choice. `lesson_id` is the correction lesson that takes it up, `proposed` the
    better answer that the model found by itself where the user gave none.
    """

    id: int
    exchange_id: int
    user_id: int
    kind: FeedbackKind
    correction: str | None
    used_in: str | None
    created_at: datetime
    withdrawn_at: datetime | None
    reason: DownReason | None = None
    lesson_id: int | None = None
    proposed: str | None = None
