"""What passes between a chat platform and the core: events that come in, replies that go out; platform-neutral and frozen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from storage.records import LessonKind, LessonState
from trainer.contracts import Stage


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message, read whole."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message of a person.

    `message_id` is unique on the platform and stays the same when the platform delivers the message again. `operator`: the
    person runs this installation, so consent is taken as given and files may be written where they say.
    """

    platform: str
    channel: str
    external_user_id: str
    user_name: str
    message_id: str
    text: str
    attachments: tuple[Attachment, ...] = ()
    reply_to: str | None = None
    operator: bool = False


@dataclass(frozen=True, slots=True)
class Reaction:
    """A thumb on a message of the bot's, or (`removed`) taken off it."""

    platform: str
    channel: str
    external_user_id: str
    user_name: str
    message_id: str
    kind: Literal["up", "down"]
    removed: bool = False


Inbound = InboundMessage | Reaction


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said, the version that said it (None: the base model) and how long it took."""

    text: str
    version: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class LessonProgress:
    """How far a lesson is; `lesson` is its number for the user. `text` is the line to show."""

    lesson: int
    stage: Stage
    percent: int
    text: str


@dataclass(frozen=True, slots=True)
class LessonReceipt:
    """How a lesson ended. `learned`: questions that can be answered now and could not before; `text` tells all of it."""

    lesson: int
    kind: LessonKind
    state: LessonState
    version: str | None
    before: float | None
    after: float | None
    earlier_kept: float | None
    examples: int
    refused: int
    reason: str | None
    seconds: float | None
    learned: tuple[tuple[str, str], ...]
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence or a list: help, confirmations, what waits."""

    text: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something was not done and what to do; `id` is also in the log."""

    text: str
    id: str


Reply = Answer | LessonProgress | LessonReceipt | Notice | Trouble
_TYPES = {Answer: "answer", LessonProgress: "progress", LessonReceipt: "receipt", Notice: "notice", Trouble: "error"}


def as_json(reply: Reply) -> dict[str, Any]:
    """The reply as the JSON object that scripts read; `docs/cli.md` lists the keys."""
    return {"type": _TYPES[type(reply)], **asdict(reply)}
