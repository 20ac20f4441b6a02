"""A document cut where it is cut anyway: parts of about a page's third under one heading, in passages of a few sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from storage.records import NewPart
from trainer.sources import instruction
from trainer.sources.parsing.blocks import Block

PART_WORDS = 200  # about four passages: enough to ask about, little enough to be kept whole when a lesson is interrupted
SMALLEST = 40  # words; what is shorter joins the part before it
_SENTENCE_END = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bMrs\.)(?<!\bSt\.)(?<!\bNo\.)(?<!\be\.g\.)(?<!\bi\.e\.)\s+(?=[\"'(“]?[^\W_a-z])"
    r"|(?<=[。！？])"
)
_LEANS = re.compile(r"(?:\W*\w+,? ){0,3}(?:he|she|it|they|him|her|them|his|its|their|this|these|those|that|there|both)\b", re.I)
_JOINS = re.compile(  # with a subject of its own behind it: no verb right behind the "and"
    r"(?<=\w\w\w), (?:and|but) (?!(?:is|are|was|were|has|have|had|will|can|does|do|did|not|then|also|so|to|in|on|at|by|with|from|for|of"
    r"|which|who|that|\w+ed|\w+ing)\b)(?P<next>[^\W_][\w'’-]*)(?= [^,;:()]{10,}$)"
)
PLAIN_WORDS = 20  # passages shorter than this are for a model that reads one plain statement at a time
LONGEST_CELL = 400  # characters of a table's row or a list's item that still make a sentence


@dataclass(slots=True)
class _Draft:
    """A part that is being collected."""

    heading: str | None
    texts: list[str] = field(default_factory=list)

    @property
    def words(self) -> int:
        return sum(len(text.split()) for text in self.texts)


def in_parts(blocks: Sequence[Block], passage_words: int = 60) -> list[NewPart]:
    """The parts of a document, in order, in passages of about ``passage_words``. Code is left out: a fact is learned from sentences."""
    drafts = [_Draft(None)]
    for text, heading in _texts(blocks):
        current = drafts[-1]
        if heading is not None and heading != current.heading and current.words >= SMALLEST:
            drafts.append(_Draft(heading))
        elif heading is not None and not current.texts:
            current.heading = heading
        for passage in _passages(text, passage_words):
            if drafts[-1].texts and drafts[-1].words + len(passage.split()) > PART_WORDS:
                drafts.append(_Draft(drafts[-1].heading))
            drafts[-1].texts.append(passage)
    return [NewPart(draft.heading, tuple(draft.texts)) for draft in drafts if draft.texts]


def sentences(text: str) -> list[str]:
    """A paragraph's sentences."""
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence]


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


def _passages(text: str, words: int) -> list[str]:
    """A paragraph as passages of whole sentences; one that begins with "it" or "she" stays with the sentence that says who that is."""
    passages: list[str] = []
    for sentence in sentences(text) if words > PLAIN_WORDS else _clauses(text):
        for piece in _pieces(sentence, max(words, 40)):
            joined = f"{passages[-1]} {piece}" if passages else piece
            limit = 2 * words if _LEANS.match(piece) else words
            if passages and len(joined.split()) <= limit and len(joined) <= instruction.PASSAGE_CHARACTERS:
                passages[-1] = joined
            else:
                passages.append(piece)
    return [passage for passage in passages if re.search(r"\w", passage)]


def _clauses(text: str) -> Iterator[str]:
    """Sentences, one that only joins two statements (", and …") as two: a small model reads one at a time."""
    for sentence in sentences(text):
        rest = sentence
        while (found := _JOINS.search(rest)) and "," not in rest[: found.start()]:  # else a list
            yield f"{rest[: found.start()]}."
            rest = f"{found['next'][0].upper()}{found['next'][1:]}{rest[found.end() :]}"
        yield rest


def _pieces(sentence: str, words: int) -> list[str]:
    """A sentence that is too long by itself, cut."""
    said = sentence.split()
    parts = [" ".join(said[i : i + words]) for i in range(0, len(said), words)]
    return [part[i : i + instruction.PASSAGE_CHARACTERS] for part in parts for i in range(0, len(part), instruction.PASSAGE_CHARACTERS)]
