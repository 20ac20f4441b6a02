"""Reads what a message asks for: a lesson, a command or just chat."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bot import texts


@dataclass(frozen=True, slots=True)
class Chat:
    """A message to the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Learn:
    """`[Learn] …`; the text may be empty, when a file says it all. `kind`: whether to remember it or to search the web, where that is said;
    with an empty text, it answers the question which of them was meant."""

    text: str
    kind: Literal["instruction", "web"] | None = None


@dataclass(frozen=True, slots=True)
class LearnAnyway:
    """The answer to the question whether a lesson with a secret in it is meant: learn it, or (not `wanted`) drop it."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class React:
    """A thumb for the last answer, perhaps with what it should have said; or a report, perhaps with what is harmful in it."""

    kind: Literal["up", "down", "report"]
    correction: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """Tell what the last answer comes from."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Take the lesson of this number out of the model."""

    number: int


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Train the model anew from all lessons."""


@dataclass(frozen=True, slots=True)
class Approve:
    """Learn the web lesson of this number, which was shown first."""

    number: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Leave a source (by its number in the lesson) out of a web lesson that was shown first."""

    number: int
    source: int


@dataclass(frozen=True, slots=True)
class Refresh:
    """Search the web again for what the lesson of this number was about."""

    number: int


@dataclass(frozen=True, slots=True)
class Rollback:
    """Answer from an earlier version again; 0 is the base model, None the version before the one that answers now."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Compare:
    """Ask several versions the same question: those of these numbers (0 is the base model), or the live one and what came before it."""

    question: str
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """Give the lessons of these numbers to others, asked back once unless `confirmed`; without numbers: list what is given."""

    numbers: tuple[int, ...]
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """Show the pack of this code to everybody in the channel, for them to take."""

    code: str


@dataclass(frozen=True, slots=True)
class Take:
    """Learn what somebody else gives under this code."""

    code: str


@dataclass(frozen=True, slots=True)
class Unshare:
    """Give it to nobody any more."""

    code: str


@dataclass(frozen=True, slots=True)
class Export:
    """Write everything of the user's into a folder (None: one of our own)."""

    directory: str | None


@dataclass(frozen=True, slots=True)
class DeleteMe:
    """Delete everything of the user's; asked back once unless `confirmed`."""

    confirmed: bool


@dataclass(frozen=True, slots=True)
class AttachFile:
    """Attach a file to the next message."""

    path: str


@dataclass(frozen=True, slots=True)
class Lessons:
    """List the lessons: those of one page, counted from 1, or (None) all."""

    page: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """Tell which version is live and which there are."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the lesson of this number, or (None) all that are not finished."""

    number: int | None = None


@dataclass(frozen=True, slots=True)
class NewConversation:
    """Start another conversation."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop writing the answer that is being written."""


@dataclass(frozen=True, slots=True)
class Again:
    """Answer the last question (or the one whose answer this replies to) once more."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """Tell what is stored and what is trained."""


@dataclass(frozen=True, slots=True)
class Admin:
    """For whoever runs the bot: how it is doing (""), the answers that were reported, or switch it "on" or "off"."""

    what: Literal["", "reports", "on", "off"]


@dataclass(frozen=True, slots=True)
class Agree:
    """Consent to being learned from."""


@dataclass(frozen=True, slots=True)
class Help:
    """Explain what can be written."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A command that cannot be followed; `reason` is the sentence to show."""

    reason: str


Command = (
    Chat | Learn | LearnAnyway | Approve | Drop | Refresh | React | Why | Share | Offer | Take | Unshare | Forget | Rebuild
    | Rollback | Compare | Export | DeleteMe | AttachFile | Lessons | Model | Cancel | NewConversation | Stop | Again
    | Privacy | Admin | Agree | Help | Malformed
)  # fmt: skip


def parse(text: str) -> Command:
    """What the text asks for. Never raises: what makes no sense is Malformed, and says why."""
    text = text.strip()
    if lesson := _LEARN.match(text):
        return Learn(text[lesson.end() :].strip())
    if not _COMMAND.match(text):
        return Chat(text)
    name, _, argument = text.partition(" ")
    read = _COMMANDS.get(name.lower())
    return read(argument.strip()) if read else Malformed(_unknown(name))


def taught(text: str) -> str:
    """What a message teaches, without the words that say so."""
    command = parse(text)
    return command.text if isinstance(command, Learn) else text


_LEARN = re.compile(r"\[\s*learn\s*\]\s*:?", re.IGNORECASE)
_COMMAND = re.compile(r"/[A-Za-z][\w-]*(\s|$)")  # "/usr/bin is full" and "/ 2" are chat
_THUMBS: dict[Literal["up", "down", "report"], tuple[str, ...]] = {
    "up": ("👍", "+1", "up"), "down": ("👎", "-1", "down"), "report": ("🚩", "report"),
}  # fmt: skip


def _react(argument: str) -> Command:
    for kind, thumbs in _THUMBS.items():
        for thumb in thumbs:
            if argument.lower().startswith(thumb):
                # A thumb may carry a skin tone or a variation selector, which say nothing more.
                rest = argument[len(thumb) :].lstrip("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff\ufe0f")
                if rest and not rest[0].isspace() and thumb.isascii():
                    continue
                return React(kind, rest.strip() or None)
    return Malformed(texts.REACT_USAGE)


def _numbered(kind: Callable[[int], Command], usage: str) -> Callable[[str], Command]:
    """Reads a command whose argument is a lesson's number."""

    def read(argument: str) -> Command:
        number = re.fullmatch(r"#?(\d{1,9})", argument)
        return kind(int(number[1])) if number else Malformed(usage)

    return read


def _learn_anyway(argument: str) -> Command:
    return LearnAnyway(argument.lower() not in ("no", "nein", "non"))


def _drop(argument: str) -> Command:
    numbers = re.fullmatch(r"#?(\d{1,9})\s+#?(\d{1,9})", argument)
    return Drop(int(numbers[1]), int(numbers[2])) if numbers else Malformed(texts.DROP_USAGE)


def _rollback(argument: str) -> Command:
    if argument.lower() == "base":
        return Rollback(0)
    if not argument:
        return Rollback(None)
    number = re.fullmatch(r"(?:user-\d+-)?v?(\d{1,9})", argument.lower())
    return Rollback(int(number[1])) if number else Malformed(texts.ROLLBACK_USAGE)


def _share(argument: str) -> Command:
    asked = re.fullmatch(r"((?:#?\d{1,9}(?:\s*,\s*|\s+|$))*)(yes)?", argument, re.IGNORECASE)
    if asked is None:
        return Malformed(texts.SHARE_USAGE)
    return Share(tuple(int(number) for number in re.findall(r"\d+", asked[1])), asked[2] is not None)


def _code(kind: Callable[[str], Command], usage: str) -> Callable[[str], Command]:
    """Reads a command whose argument is a pack's code."""
    return lambda argument: kind(argument.lower()) if re.fullmatch(r"\w{6,40}", argument) else Malformed(usage)


def _compare(argument: str) -> Command:
    named = re.fullmatch(r"((?:v?\d{1,6}\s*,\s*)+v?\d{1,6})\s+(.+)", argument, re.DOTALL)
    if named:
        return Compare(named[2], tuple(int(number) for number in re.findall(r"\d+", named[1])))
    return Compare(argument) if argument else Malformed(texts.COMPARE_USAGE)


def _file(argument: str) -> Command:
    path = argument.strip("\"'")
    return AttachFile(path) if path else Malformed(texts.FILE_USAGE)


def _lessons(argument: str) -> Command:
    return Lessons(int(argument)) if re.fullmatch(r"[1-9]\d{0,5}", argument) else Lessons()


def _cancel(argument: str) -> Command:
    number = re.fullmatch(r"#?(\d{1,9})", argument)
    return Cancel(int(number[1]) if number else None)


def _admin(argument: str) -> Command:
    match argument.lower():
        case "" | "status":
            return Admin("")
        case "reports" | "on" | "off" as what:
            return Admin(what)
        case _:
            return Malformed(texts.ADMIN_USAGE)


_COMMANDS: dict[str, Callable[[str], Command]] = {
    "/learn": Learn,
    "/search": lambda argument: Learn(argument, "web"),
    "/remember": lambda argument: Learn(argument, "instruction"),
    "/learn-anyway": _learn_anyway,
    "/approve": _numbered(Approve, texts.APPROVE_USAGE),
    "/drop": _drop,
    "/refresh": _numbered(Refresh, texts.REFRESH_USAGE),
    "/react": _react,
    "/report": lambda argument: React("report", argument or None),
    "/why": lambda _: Why(),
    "/share": _share,
    "/offer": _code(Offer, texts.OFFER_USAGE),
    "/take": _code(Take, texts.TAKE_USAGE),
    "/unshare": _code(Unshare, texts.UNSHARE_USAGE),
    "/forget": _numbered(Forget, texts.FORGET_USAGE),
    "/rebuild": lambda _: Rebuild(),
    "/rollback": _rollback,
    "/compare": _compare,
    "/export": lambda argument: Export(argument.strip("\"'") or None),
    "/delete-me": lambda argument: DeleteMe(argument.lower() == "yes"),
    "/file": _file,
    "/lessons": _lessons,
    "/model": lambda _: Model(),
    "/cancel": _cancel,
    "/stop": lambda _: Stop(),
    "/again": lambda _: Again(),
    "/privacy": lambda _: Privacy(),
    "/admin": _admin,
    "/new": lambda _: NewConversation(),
    "/agree": lambda _: Agree(),
    "/help": lambda _: Help(),
}


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), _COMMANDS, 1, cutoff=0.5)
    return texts.unknown_command(name, near[0] if near else None)
