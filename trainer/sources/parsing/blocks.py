"""What a document is made of once it has been read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

BlockKind = Literal["heading", "paragraph", "list", "table", "code"]
FileKind = Literal["pdf", "word", "html", "markdown", "csv", "text"]


class Refused(Exception):
    """The file cannot be read; the message is a sentence for the user in which ``{name}`` stands for the file."""


@dataclass(frozen=True, slots=True)
class Block:
    """A heading (``level`` 1 is the highest), a paragraph, an item of a list, a row of a table, or code. ``page`` counts from 1."""

    kind: BlockKind
    text: str
    level: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's text in reading order. ``skipped`` says what was not read and why, each a phrase such as "2 scanned pages"."""

    kind: FileKind
    blocks: tuple[Block, ...]
    title: str | None = None
    author: str | None = None
    date: str | None = None
    language: str | None = None
    pages: int | None = None
    skipped: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """For the pipe between the processes."""
        return asdict(self)

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Parsed:
        """The other way."""
        blocks = tuple(Block(**block) for block in found["blocks"])
        return Parsed(**{**found, "blocks": blocks, "skipped": tuple(found["skipped"])})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be read: pages, and characters of text in all."""

    pages: int = 2_000
    characters: int = 6_000_000
