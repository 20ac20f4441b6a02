"""Examines a model closed-book: what it knows of a lesson, and what it kept of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.records import ExampleRecord
from trainer import prompts
from trainer.examples import is_right, says_unknown
from trainer.teacher import Teacher

QUIZ_TOKENS = 96


@dataclass(frozen=True)
class Report:
    """Which quiz examples were answered right, with the replies; both in the quiz's order."""

    quiz: tuple[ExampleRecord, ...]
    replies: tuple[str, ...]

    @property
    def right(self) -> tuple[bool, ...]:
        """Per example, whether its reply is right."""
        return tuple(is_right(r, None if says_unknown(e.answer) else e.answer) for e, r in zip(self.quiz, self.replies, strict=True))

    @property
    def known(self) -> float:
        """Share (0…1) of the answerable questions that are right; 1 where there are none."""
        return self._share(answerable=True)

    @property
    def unknown_kept(self) -> float:
        """Share (0…1) of the unanswerable questions to which the reply says so; 1 where there are none."""
        return self._share(answerable=False)

    def kept_of(self, earlier: Report) -> float:
        """Share (0…1) of what was right in ``earlier``, over the same quiz, that is right still; 1 where nothing was."""
        still = [now for was, now in zip(earlier.right, self.right, strict=True) if was]
        return sum(still) / len(still) if still else 1.0

    def _share(self, *, answerable: bool) -> float:
        marks = [right for example, right in zip(self.quiz, self.right, strict=True) if says_unknown(example.answer) != answerable]
        return sum(marks) / len(marks) if marks else 1.0


def examine(student: Teacher, quiz: Sequence[ExampleRecord], system: str) -> Report:
    """Ask the student, each question in a new conversation with nothing of the lesson in the prompt."""
    conversations = [prompts.chat([], example.question, system=system) for example in quiz]
    replies = student.complete(conversations, temperature=0, max_tokens=QUIZ_TOKENS, seed=0)
    return Report(tuple(quiz), tuple(replies))
