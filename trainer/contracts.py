"""What travels between bot and trainer through Redis: queue names, job paths and events. Standard library only.

Jobs carry ids as JSON, never objects: the rows in the database are the truth, a job only says "look at this one".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

LESSON_QUEUE = "lessons"
CHAT_QUEUE = "chat"
LESSON_JOB = "trainer.jobs.learn"
REBUILD_JOB = "trainer.jobs.rebuild"
ANSWER_JOB = "bot.jobs.answer"
EVENT_STREAM = "tutee:events"
"""Redis stream of events, one JSON object in field ``event`` of each entry; trimmed to about 10,000 entries."""

Stage = Literal["queued", "read", "moderate", "write", "screen", "train", "check", "live"]
STAGES: tuple[Stage, ...] = ("queued", "read", "moderate", "write", "screen", "train", "check", "live")


@dataclass(frozen=True, slots=True)
class Progress:
    """A lesson moved on. ``percent`` 0–100 over the whole lesson; ``seconds_left`` is an estimate, None while unknown.

    ``note`` says why a lesson waits ("moderator unreachable, trying again"), None otherwise.
    """

    lesson_id: int
    user_id: int
    stage: Stage
    percent: int
    seconds_left: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A lesson has ended; its row says how, and what was learned. ``refused`` are the moderation categories of what was left out;
    ``forgot`` are numbers of earlier lessons it harmed. No text of the user's: the stream outlives it."""

    lesson_id: int
    user_id: int
    refused: tuple[str, ...] = ()
    forgot: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """A rebuild moved on; as Progress."""

    rebuild_id: int
    user_id: int
    stage: Stage
    percent: int
    seconds_left: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A rebuild has ended; its row says how."""

    rebuild_id: int
    user_id: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A message that had to wait has its answer; the exchange's row holds it."""

    exchange_id: int
    user_id: int


Event = Progress | Finished | Rebuilding | Rebuilt | Answered
_KINDS: dict[str, type[Event]] = {c.__name__: c for c in (Progress, Finished, Rebuilding, Rebuilt, Answered)}


def encode(event: Event) -> str:
    """An event as JSON text."""
    return json.dumps({"kind": type(event).__name__, **asdict(event)}, ensure_ascii=False)


def decode(text: str | bytes) -> Event:
    """The event in a JSON text. Raises ValueError when it is none."""
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError("not an event")
    kind = _KINDS.get(fields.pop("kind", ""))
    if kind is None:
        raise ValueError("not an event")
    if kind is Finished:
        fields["refused"], fields["forgot"] = tuple(fields["refused"]), tuple(fields["forgot"])
    return kind(**fields)


def lesson_job_id(lesson_id: int) -> str:
    """One job per lesson, however often its event arrives."""
    return f"lesson-{lesson_id}"


def rebuild_job_id(rebuild_id: int) -> str:
    """One job per rebuild."""
    return f"rebuild-{rebuild_id}"


def answer_job_id(exchange_id: int) -> str:
    """One job per waiting message."""
    return f"answer-{exchange_id}"


def teaching_key(user_id: int) -> str:
    """Redis key that is there while somebody teaches this user's model."""
    return f"tutee:teaching:{user_id}"


def answering_key(exchange_id: int) -> str:
    """Redis key that is there while somebody answers this message."""
    return f"tutee:answering:{exchange_id}"


def showing_key(kind: str, row_id: int) -> str:
    """Redis key that is there while a bot process shows how this lesson or rebuild goes on."""
    return f"tutee:showing:{kind}:{row_id}"


class EventStream(Protocol):
    """The one command of a Redis client that `publish` needs."""

    def xadd(self, name: Any, fields: Any, *, maxlen: int | None = None, approximate: bool = True) -> Any: ...


def publish(redis: EventStream, event: Event) -> None:
    """Tell every bot process. Raises redis.RedisError where Redis is away."""
    redis.xadd(EVENT_STREAM, {"event": encode(event)}, maxlen=10_000, approximate=True)
