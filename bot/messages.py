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
    """One message of a person, or a button that they pressed: then `text` is its command and `reply_to` the message that shows it.

    `message_id` is unique on the platform and stays the same when the platform delivers the message again. `operator`: the
    person runs this installation, so consent is taken as given and files may be written where they say. `admin`: they run the
    bot on this platform. `quoted` is what the message replies to, `skipped` holds a sentence for each thing in it that was not
    read. `opens`: unless it replies to an answer, it opens a conversation of its own, as where many people write. `foreign`:
    the words are another person's. `meant_for`: the id of the user whose card the pressed button is on.
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
    admin: bool = False
    quoted: str | None = None
    skipped: tuple[str, ...] = ()
    opens: bool = False
    foreign: bool = False
    meant_for: int | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """A thumb or a report on a message of the bot's, or (`removed`) taken off it."""

    platform: str
    channel: str
    external_user_id: str
    user_name: str
    message_id: str
    kind: Literal["up", "down", "report"]
    removed: bool = False


Inbound = InboundMessage | Reaction


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done from a card: a button, where a platform has buttons. Pressing it is writing `command`.

    `asks`: the person is asked for the rest of the line first; `texts.ASKS` says what, by command.
    """

    label: str
    command: str
    asks: bool = False
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that an argument may take, and how it is shown."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Card:
    """One thing of a list, shown by itself where a platform has cards: what it is, what there is to say of it, what can be done with it.

    `marked`: it is the one that counts at the moment.
    """

    title: str
    text: str
    actions: tuple[Action, ...] = ()
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said, the version that said it (None: the base model) and how long it took. `owner`: the user who asked."""

    text: str
    version: str | None
    seconds: float
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class LessonProgress:
    """How far a lesson is, or (a rebuild) the work on a whole model; `lesson` is its number for the user, or that of the lesson to be
    forgotten, None where there is none. `text` is the line to show."""

    lesson: int | None
    stage: Stage
    percent: int
    text: str
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class LessonReceipt:
    """How a lesson or a rebuild ended. `learned`: questions that can be answered now and could not before; `text` tells all of it.

    `changed`: of a correction, each question with the answer of before and the one of now.
    Of a forgotten lesson, `before` and `after` are the share of its own questions that were answered with it and are without.
    """

    lesson: int | None
    kind: LessonKind | Literal["rebuild", "forget"]
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
    owner: int | None = None
    changed: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence or a list: help, confirmations, what waits.

    The rest is for platforms that can show it. `private`: for nobody else's eyes. `quiet`: not worth saying where others read
    along. `in_place`: replaces the card whose button asked for it. `owner`: the only user who may press its buttons; None:
    whoever sees them. `files` go with it, `picture` (PNG) is shown in it. `cards` say in more words, and with what can be done,
    what stands behind the first line of `text`.
    """

    text: str
    actions: tuple[Action, ...] = ()
    owner: int | None = None
    private: bool = False
    quiet: bool = False
    in_place: bool = False
    files: tuple[Attachment, ...] = ()
    picture: Attachment | None = None
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something was not done and what to do; `id` is also in the log."""

    text: str
    id: str


Reply = Answer | LessonProgress | LessonReceipt | Notice | Trouble
_TYPES = {Answer: "answer", LessonProgress: "progress", LessonReceipt: "receipt", Notice: "notice", Trouble: "error"}
_FOR_CARDS = {"actions", "owner", "private", "quiet", "in_place", "files", "picture", "cards"}


def as_json(reply: Reply) -> dict[str, Any]:
    """The reply as the JSON object that scripts read; `docs/cli.md` lists the keys."""
    said = {key: value for key, value in asdict(reply).items() if key not in _FOR_CARDS}
    return {"type": _TYPES[type(reply)], **said}
