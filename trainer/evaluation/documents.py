"""`tutee eval documents`: what a base model on this machine learns from documents, measured through the code that serves users.

Each passage is a file of its own, taught by a fresh user, and asked about closed-book. The arms are those of `tutee eval learning`;
``context`` reads the parts of the document that share most words with the question.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from storage.records import LessonRecord, NewSource
from trainer.evaluation.learning import Bench, Fact, FactsError, compare
from trainer.examples import normal
from trainer.settings import Settings
from trainer.sources.document import read_document

READ_WORDS = 250
"""Words of a document in the prompt of the arm ``context``; the pocket model reads 1,024 tokens."""


@dataclass(frozen=True)
class Document(Fact):
    """One row of the file: a text with a title, its questions, and (where the row has some) questions that it does not answer."""

    title: str = field(default="document")


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Run the arms of ``options`` (passages, limit, arms, seed, json) and show the table; 0 when done. Raises FactsError, ModelError."""
    return compare(settings, read_passages(options.passages, options.limit), DocumentBench, options, "each")


def read_passages(path: Path, limit: int | None = None) -> list[Document]:
    """The first ``limit`` rows of a passages file. Raises FactsError naming the line that is wrong."""
    found = []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FactsError(f"The passages file {path} cannot be read.", str(error)) from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
                questions = [(each["question"], _answer(each)) for each in row["questions"]]
                found.append(Document(row["context"], questions, list(row.get("unknown", [])), row.get("title") or "document"))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                expected = '{"title": …, "context": …, "questions": [{"question": …, "answer": …}]}'
                raise FactsError(f"{path}, line {number}: expected {expected}.") from error
    if not found:
        raise FactsError(f"The passages file {path} has no rows.")
    return found[:limit]


class DocumentBench(Bench):
    """A bench where each lesson is a file."""

    def written(self, user_id: int, key: str, fact: Fact) -> LessonRecord:
        """The queued lesson, with the text as its file."""
        return self.repositories.lessons.create(
            user_id, "document", "read this", dedupe_key=key, platform="eval", channel="eval", conversation_id=None,
            sources=(NewSource("document.txt", fact.lesson.encode()),),
        )[0]  # fmt: skip

    def passages(self, fact: Fact) -> list[str]:
        """As the document is cut for a lesson. Raises SourceError."""
        return self._read(fact.lesson, self.settings.sources.passage_words)

    def taught(self, fact: Fact, question: str) -> str:
        """The passages closest to the question, in their order, as many as the model can read."""
        passages = self._read(fact.lesson, 60)
        asked = set(normal(question).split())
        ranked = sorted(range(len(passages)), key=lambda at: -len(asked & set(normal(passages[at]).split())))
        chosen: list[int] = []
        words = 0
        for at in ranked:
            words += len(passages[at].split())
            if chosen and words > READ_WORDS:
                break
            chosen.append(at)
        return " ".join(passages[at] for at in sorted(chosen))

    @cache  # noqa: B019  # a bench lives as long as the command
    def _read(self, text: str, words: int) -> list[str]:
        reading = read_document(text.encode(), "document.txt", replace(self.settings.sources, passage_words=words))
        return [passage for part in reading.parts for passage in part.passages]


def _answer(row: dict[str, object]) -> str:
    """The first answer, where several are given."""
    answer = row["answer"] if "answer" in row else row["answers"]
    found = answer[0] if isinstance(answer, list) else answer
    if not isinstance(found, str):
        raise TypeError("an answer is a text")
    return found
