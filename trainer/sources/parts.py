"""A document cut where it is cut anyway: parts of about a page's third under one heading, in passages of a few sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from storage.records import NewPart
from trainer.errors import SourceError
from trainer.sources import instruction
from trainer.sources.parsing.blocks import Block

PART_WORDS = 200  # about four passages: enough to ask about, little enough to be kept whole when a lesson is interrupted
SMALLEST = 40  # words; what is shorter joins the part before it
LONGEST_CELL = 400  # characters of a table's row or a list's item that still make a sentence


@dataclass(slots=True)
class _Draft:
    """A part that is being collected."""

    heading: str | None
    texts: list[str] = field(default_factory=list)

    @property
    def words(self) -> int:
        return sum(len(text.split()) for text in self.texts)


def in_parts(blocks: Sequence[Block]) -> list[NewPart]:
    """The parts of a document, in order. Code is left out: a fact is learned from sentences."""
    drafts = [_Draft(None)]
    for text, heading in _texts(blocks):
        current = drafts[-1]
        if heading is not None and heading != current.heading and current.words >= SMALLEST:
            drafts.append(_Draft(heading))
        elif heading is not None and not current.texts:
            current.heading = heading
        if drafts[-1].texts and drafts[-1].words + len(text.split()) > PART_WORDS:
            drafts.append(_Draft(drafts[-1].heading))
        drafts[-1].texts += _cut(text)
        while drafts[-1].words > PART_WORDS:  # one paragraph of many pages
            drafts.append(_Draft(drafts[-1].heading, _split_off(drafts[-1])))
    return [part for part in map(_finished, drafts) if part.passages]


def words_of(parts: Iterable[NewPart]) -> int:
    """How many words the parts hold."""
    return sum(len(passage.split()) for part in parts for passage in part.passages)


def _texts(blocks: Sequence[Block]) -> Iterable[tuple[str, str | None]]:
    """Each paragraph with the heading above it; items and rows that belong together as one text that begins with that heading."""
    heading, at = None, 0
    while at < len(blocks):
        block = blocks[at]
        if block.kind == "heading":
            heading = block.text
        elif block.kind in ("list", "table"):
            run = [block.text]
            while at + 1 < len(blocks) and blocks[at + 1].kind == block.kind:
                at += 1
                run.append(blocks[at].text)
            items = [re.sub(r"^(?:[•·▪‣◦–*-]|\(?\d{1,2}[.)])\s+", "", item)[:LONGEST_CELL].rstrip() for item in run]
            yield " ".join(f"{heading}: {item}" if heading else item for item in map(_as_sentence, items)), heading
        elif block.kind == "paragraph" and len(block.text.split()) >= 3:
            yield block.text, heading
        at += 1


def _as_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "。", "！", "？")) else f"{text.rstrip(' ;,:')}."


def _cut(text: str) -> list[str]:
    """A paragraph as passages."""
    try:
        return instruction.read(text)
    except SourceError:  # nothing readable, or a paragraph of dozens of pages
        words = text.split()
        return [" ".join(words[i : i + 60]) for i in range(0, len(words), 60)] if re.search(r"\w", text) else []


def _split_off(draft: _Draft) -> list[str]:
    """Take what is too much for one part out of it, at least one passage staying."""
    kept, words = [draft.texts[0]], len(draft.texts[0].split())
    for text in draft.texts[1:]:
        words += len(text.split())
        if words > PART_WORDS:
            break
        kept.append(text)
    rest = draft.texts[len(kept) :]
    draft.texts = kept
    return rest


def _finished(draft: _Draft) -> NewPart:
    """Short neighbouring passages joined, as a reader would read them in one breath."""
    passages: list[str] = []
    for text in draft.texts:
        joined = f"{passages[-1]} {text}" if passages else text
        if passages and len(joined.split()) <= instruction.PASSAGE_WORDS and len(joined) <= instruction.PASSAGE_CHARACTERS:
            passages[-1] = joined
        else:
            passages.append(text)
    return NewPart(draft.heading, tuple(passages))
