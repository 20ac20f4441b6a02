"""Everyday facts drawn from hand-written frames (the format: ``frames/FORMAT.md``).

``draw`` gives a :class:`Fact`: statements, and for each statement the questions that it answers and those that it does not.
Run ``python -m trainer.pocket.frames check FILE`` to have a frames file checked.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from trainer.examples import switch_person
from trainer.pocket.words import LISTS, articled
from trainer.prompts import about

FRAMES = Path(__file__).parent / "frames"
_SLOT = re.compile(r"\{(a |an )?([A-Za-z_]\w*)\}")
_LIST = re.compile(r"(?<!\w)@([a-z]+)")
_PRONOUNS = {
    "she": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "he": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
}


class FrameError(Exception):
    """A frames file does not follow its format; the message names the file, the line and what to write instead."""


@dataclass(frozen=True)
class Frame:
    """One kind of fact. ``asks`` and ``answers`` are by slot; all texts hold slots in braces."""

    name: str
    slots: dict[str, list[str]]
    says: list[str]
    asks: dict[str, list[str]]
    answers: dict[str, list[str]]
    follows: dict[str, list[str]]
    nots: list[str]


@dataclass(frozen=True)
class Asked:
    """A question about a fact: the short answer, and the whole statement that holds it as the assistant says it."""

    question: str
    short: str
    sentence: str
    follow_up: str | None = None  # the question as it is asked right after another one, with pronouns


@dataclass(frozen=True)
class Statement:
    """One way to say a fact, with the questions that it answers (``known``) and close ones that it does not (``unknown``)."""

    text: str
    slots: frozenset[str]
    known: list[Asked]
    unknown: list[str]


@dataclass(frozen=True)
class Fact:
    """A frame with its slots filled in."""

    frame: str
    statements: list[Statement]


def load(paths: Sequence[Path] | None = None) -> list[Frame]:
    """Every frame of ``paths`` (default: all ``*.frames`` files of the recipe, by name)."""
    files = sorted(FRAMES.glob("*.frames")) if paths is None else paths
    return [frame for file in files for frame in _parse(file)]


def draw(frame: Frame, rng: Random, count: int) -> Fact:
    """Fill the slots of ``frame`` at random and say it in up to ``count`` ways."""
    gender = rng.choice(("she", "he"))
    values = {slot: _value(choices, rng, gender) for slot, choices in frame.slots.items()}
    for slot, choices in frame.slots.items():  # two slots with one value would make a question ambiguous
        for _ in range(8):
            if sum(v.lower() == values[slot].lower() for v in values.values()) == 1:
                break
            values[slot] = _value(choices, rng, gender)
    others = {slot: _value(choices, rng, gender) for slot, choices in frame.slots.items()}

    def render(text: str, filled: dict[str, str] = values) -> str:
        return _render(text, filled, gender)

    statements = []
    for say in rng.sample(frame.says, min(count, len(frame.says))):
        said = frozenset(slots_of(say))
        known, unknown = [], [render(question) for question in frame.nots]
        for slot, questions in frame.asks.items():
            follows = frame.follows.get(slot)
            for question in questions:
                mentioned = slots_of(question)
                if slot not in said:
                    unknown.append(render(question))
                elif mentioned <= said:
                    follow_up = render(rng.choice(follows)) if follows else None
                    known.append(Asked(render(question), switch_person(values[slot]), switch_person(render(say)), follow_up))
                    if rng.random() < 0.12 and _is_thing(values[slot]):
                        known.append(Asked(about(values[slot], rng.randrange(4)), switch_person(values[slot]), switch_person(render(say))))
                    changed = [s for s in mentioned if others[s].lower() != values[s].lower()]
                    if changed and rng.random() < 0.3:
                        unknown.append(render(question, {**values, changed[0]: others[changed[0]]}))
                        unknown += [about(others[changed[0]], rng.randrange(4))] if rng.random() < 0.2 and _is_thing(others[changed[0]]) else []
        statements.append(Statement(render(say), said, known, unknown))
    return Fact(frame.name, statements)


def _is_thing(value: str) -> bool:
    """Whether one can ask "What do you know about …?" of a value: a name, a number, a noun, not "call Dmitri"."""
    return " " not in value or not value[:1].islower() or value.split()[0] in ("a", "an", "the", "my", "our")


def slots_of(text: str) -> set[str]:
    """The names of the slots in a text, pronouns left out."""
    return {name for _, name in _SLOT.findall(text)} - _pronoun_names()


def _pronoun_names() -> set[str]:
    return set(_PRONOUNS["he"]) | {p.capitalize() for p in _PRONOUNS["he"]}


def _value(choices: list[str], rng: Random, gender: str) -> str:
    return _LIST.sub(lambda match: LISTS[match.group(1)](rng, gender), rng.choice(choices))


def _render(text: str, values: dict[str, str], gender: str) -> str:
    def fill(match: re.Match[str]) -> str:
        article, name = match.group(1), match.group(2)
        pronoun = _PRONOUNS[gender].get(name.lower()) if name not in values else None
        value = (pronoun.capitalize() if name[0].isupper() else pronoun) if pronoun else values[name]
        return articled(value) if article else value

    filled = _SLOT.sub(fill, text)
    return re.sub(r"(^[\"'“]?|[.!?] [\"'“]?)([a-z])", lambda m: m.group(1) + m.group(2).upper(), filled)


def _parse(path: Path) -> list[Frame]:
    frames: list[Frame] = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        where = f"{path.name}:{number}"
        if line.startswith("=="):
            frames.append(Frame(line[2:].strip(), {}, [], {}, {}, {}, []))
            continue
        if not frames or ":" not in line:
            raise FrameError(f"{where}: expected '== id', 'let …:', 'say:', 'ask …:', 'follow …:', 'ans …:' or 'not:', found {line[:40]!r}")
        head, _, body = line.partition(":")
        kind, _, slot = head.strip().partition(" ")
        parts = [part.strip() for part in body.split("|") if part.strip()]
        frame = frames[-1]
        if kind == "let":
            frame.slots[slot.strip()] = parts
        elif kind == "say":
            frame.says.append(body.strip())
        elif kind == "ask":
            frame.asks.setdefault(slot.strip(), []).extend(parts)
        elif kind == "ans":
            frame.answers.setdefault(slot.strip(), []).extend(parts)
        elif kind == "follow":
            frame.follows.setdefault(slot.strip(), []).extend(parts)
        elif kind == "not":
            frame.nots.extend(parts)
        else:
            raise FrameError(f"{where}: unknown line '{kind}'")
    return frames


def problems(frame: Frame) -> list[str]:
    """What is wrong with a frame, a sentence each."""
    found = []
    known = set(frame.slots)
    for slot, choices in frame.slots.items():
        found += [f"let {slot}: no shared list @{name}" for c in choices for name in _LIST.findall(c) if name not in LISTS]
        if not choices:
            found.append(f"let {slot}: no values")
    texts = [*frame.says, *frame.nots, *(q for qs in frame.asks.values() for q in qs), *(a for al in frame.answers.values() for a in al)]
    follows = [(slot, q) for slot, qs in frame.follows.items() for q in qs]
    found += [f"follow {slot}: mentions a slot; use a pronoun: {q}" for slot, q in follows if slots_of(q)]
    found += [f"follow {slot}: has no ask line" for slot, _ in follows if slot not in frame.asks]
    texts += [q for _, q in follows]
    for text in texts:
        found += [f"unknown slot {{{s}}} in: {text}" for s in slots_of(text) - known]
        if text.count("{") != text.count("}") or len(_SLOT.findall(text)) != text.count("{"):
            found.append(f"malformed braces in: {text}")
    for slot, questions in frame.asks.items():
        if slot not in known:
            found.append(f"ask {slot}: no such slot")
        found += [f"ask {slot}: the question gives its answer away: {q}" for q in questions if slot in slots_of(q)]
    for slot, sentences in frame.answers.items():
        found += [f"ans {slot}: must contain {{{slot}}}: {s}" for s in sentences if slot not in slots_of(s)]
    if len(frame.says) < 2:
        found.append("needs at least two say lines")
    if not frame.asks:
        found.append("needs ask lines")
    return found


def _main(arguments: list[str]) -> int:
    if len(arguments) < 2 or arguments[0] not in ("check", "show"):
        sys.stderr.write("usage: python -m trainer.pocket.frames check|show FILE…\n")
        return 2
    frames = load([Path(argument) for argument in arguments[1:]])
    reports = [f"{frame.name}: {problem}" for frame in frames for problem in problems(frame)]
    names = [frame.name for frame in frames]
    reports += [f"{name}: the id is used twice" for name in sorted(set(names)) if names.count(name) > 1]
    rng = Random(0)
    if arguments[0] == "show" and not reports:
        for frame in frames:
            statement = draw(frame, rng, 1).statements[0]
            sys.stdout.write(f"\n[{frame.name}] {statement.text}\n")
            for asked in statement.known:
                sys.stdout.write(f"   {asked.question} -> {asked.short} | {asked.sentence}\n")
            sys.stdout.write("".join(f"   {question} -> ?\n" for question in statement.unknown[:6]))
    sys.stdout.write("".join(f"{report}\n" for report in reports) + f"{len(frames)} frames, {len(reports)} problems\n")
    return 1 if reports else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
