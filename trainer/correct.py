"""Corrections: what the user says that answers should have been, learned as lessons of their own and guarded.

The corrected answer is the target of the lesson's own loss (context distillation mixed with cross-entropy, replay), the rejected one
is kept beside it as the other half of a preference pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storage.records import CaseRecord, ExampleRecord, LessonRecord, TaughtLesson
from trainer import prompts
from trainer.errors import NothingToTeachError, SourceError
from trainer.examine import Report, examine
from trainer.examples import contains, says_unknown, switch_person
from trainer.generate import write_examples
from trainer.lesson import Run, Tools
from trainer.statements import is_bare, reply, statement
from trainer.taught import superseded, topic

FORMS, HELD_OUT_FORMS = (0, 1, 2, 3), (4, 5)  # ways of asking the case itself: to train with, to examine with
SAMPLES, QUESTIONS, NEIGHBOURS = 24, 20, 4  # of a correction, which is one fact: fewer than of a lesson
PARAPHRASES_RIGHT = 0.7  # share of the held-out questions, some of which a small teacher words badly; the cases themselves must all be right


class Correction(Run):
    """One run of one group of corrections."""

    def __init__(self, tools: Tools, lesson: LessonRecord, written: dict[int, list[ExampleRecord]]) -> None:
        super().__init__(tools, lesson, written)
        self.cases: Sequence[CaseRecord] = tools.repositories.feedback.cases(lesson.id)

    def passages(self) -> list[str]:
        """Each case as a statement, for the teacher to read."""
        if not self.cases:
            raise SourceError("You have taken back what there was to correct.")
        return [statement(case.question, case.correction) for case in self.cases]

    def examples(self, passages: Sequence[str], earlier: Sequence[TaughtLesson]) -> list[ExampleRecord]:
        """The cases themselves, asked in several ways, and what the teacher writes about them as about any lesson."""
        try:
            written = super().examples(passages, earlier)
        except NothingToTeachError:  # "Hello!" is nothing to ask questions about
            written = []
        asked = {topic(case.question) for case in self.cases} - {None}
        written = [each for each in written if topic(each.question) not in asked]  # what the user says stands alone
        return [*(example for case in self.cases for example in _of_case(case)), *written]

    def write(self, passages: Sequence[str]) -> list[ExampleRecord]:
        """What the teacher writes; fewer examples than of a lesson."""
        settings = self.tools.settings.lesson
        fewer = {"samples": SAMPLES, "questions": QUESTIONS, "neighbours": NEIGHBOURS}
        smaller = replace(settings, **{name: min(getattr(settings, name), value) for name, value in fewer.items()})
        return write_examples(passages, self.tools.teacher, smaller, self.progress)

    def screened(self, examples: Sequence[ExampleRecord]) -> list[ExampleRecord]:
        """As of a lesson; the rejected answers, which are not trained on, need not pass."""
        rejected = [example for example in examples if example.role == "rejected"]
        return [*super().screened([example for example in examples if example.role != "rejected"]), *rejected]

    def replaced(self, earlier: Sequence[TaughtLesson], examples: Sequence[ExampleRecord]) -> tuple[Sequence[TaughtLesson], tuple[int, ...]]:
        """Earlier lessons without what this corrects."""
        now = [superseded(each, examples) for each in earlier]
        fewer = [new.lesson.number for old, new in zip(earlier, now, strict=True) if len(_answers(new)) < len(_answers(old))]
        return now, tuple(fewer)

    def passes(self, quiz: Sequence[ExampleRecord], earlier_quiz: Sequence[ExampleRecord], had: Report) -> bool:
        """As of a lesson, and every case is right."""
        mine = [example for example in quiz if self._is_case(example)]
        answered = examine(self.tools.base, mine, self.tools.settings.chat.system_prompt)
        return all(answered.right) and super().passes(quiz, earlier_quiz, had)

    def refusal(self, after: Report) -> str | None:
        """A correction goes live only when the case and its paraphrases are right."""
        wrong = [e for e, right in zip(after.quiz, after.right, strict=True) if self._is_case(e) and not right]
        if wrong:
            return f"After training I still did not answer \u201c{wrong[0].question}\u201d as you said, so the earlier version stays."
        if after.known < PARAPHRASES_RIGHT:
            return "I would have answered that one question as you said, but not when it is asked in other words, so the earlier version stays."
        return None

    def changed(self, after: Report) -> tuple[tuple[str, str, str], ...]:
        """Each case: the question, the rejected answer, the answer now."""
        replies = {example.question: reply for example, reply in zip(after.quiz, after.replies, strict=True)}
        return tuple((case.question, case.rejected, replies.get(case.question, "")) for case in self.cases)

    def _is_case(self, example: ExampleRecord) -> bool:
        return any(example.question == case.question for case in self.cases)


def _of_case(case: CaseRecord) -> list[ExampleRecord]:
    said = reply(case.question, case.correction)
    wanted = switch_person(case.correction.strip().rstrip(".!")) if is_bare(case.question, case.correction) else said
    wanted = wanted if contains(said, wanted) else said
    return [
        *(ExampleRecord("train", prompts.asked_again(case.question, form), said) for form in FORMS),
        ExampleRecord("quiz", case.question, wanted),
        *(ExampleRecord("quiz", prompts.asked_again(case.question, form), wanted) for form in HELD_OUT_FORMS),
        ExampleRecord("rejected", case.question, case.rejected),
    ]


def _answers(taught: TaughtLesson) -> list[ExampleRecord]:
    return [e for e in taught.examples if e.refused_category is None and e.role in ("train", "quiz") and not says_unknown(e.answer)]
