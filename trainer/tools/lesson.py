"""A tool lesson: "You can now look up the weather: it needs the city". Read, moderated, trained and examined as any other lesson."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storage.records import ExampleRecord, LessonRecord, TaughtLesson
from trainer.examine import Report, examine
from trainer.lesson import Run
from trainer.taught import sample
from trainer.tools.calls import called
from trainer.tools.description import Tool, tools_of
from trainer.tools.native import call_text
from trainer.tools.requests import write_tool_examples
from trainer.train import Sample
from trainer.workbench import Tools

EXAMPLES = 240  # of a lesson: `tutee eval tools` shows what more of them would bring
PASSES = 3000  # examples seen in training at most, however few there are
MOST_EPOCHS, LEAST_EPOCHS = 16, 3  # a call is longer than a fact, and its values are copied: more than of an instruction
ENOUGH = 0.9  # share of the held-out requests at which training stops
UNLEARNED = "After training I still could not call {} rightly for requests of my own. Try describing it in other words, or with fewer arguments."


class ToolLesson(Run):
    """One run of one tool lesson."""

    tools_taught: tuple[Tool, ...] = ()

    def __init__(self, tools: Tools, lesson: LessonRecord, written: dict[int, list[ExampleRecord]]) -> None:
        settings = tools.settings
        patient = replace(settings.lesson, max_epochs=epochs_for(EXAMPLES))
        super().__init__(replace(tools, settings=replace(settings, lesson=patient)), lesson, written)

    def passages(self) -> list[str]:
        """None: a tool is learned from requests. Raises SourceError where the text does not describe one."""
        self.tools_taught = tools_of(self.lesson.text)
        return []

    def examples(self, passages: Sequence[str], earlier: Sequence[TaughtLesson]) -> list[ExampleRecord]:
        """Requests with the calls that answer them, and messages that need no tool."""
        self.enter("write")
        settings, base = self.tools.settings, self.tools.base
        seed = settings.lesson.seed + self.lesson.number
        written = write_tool_examples(
            self.tools_taught, self.tools.teacher, lambda call: call_text(base, call),
            count=EXAMPLES, seed=seed, system=settings.chat.system_prompt, on_progress=self.progress,
        )  # fmt: skip
        self.written[self.lesson.id] = written
        return written

    def sample(self, example: ExampleRecord, passages: Sequence[str]) -> Sample:
        """Learned as written: the base model would not write a call, whatever it reads."""
        return sample(example, [], self.tools.settings.chat.system_prompt)

    def passes(self, quiz: Sequence[ExampleRecord], earlier_quiz: Sequence[ExampleRecord], had: Report) -> bool:
        """As of any lesson, with more to ask of the calls."""
        if not has_learned(examine(self.student, quiz, self.tools.settings.chat.system_prompt)):
            self.stop_if_cancelled()
            return False
        return super().passes(quiz, earlier_quiz, had)

    def refusal(self, after: Report) -> str | None:
        """Why what was learned is not good enough; None where it is."""
        if super().refusal(after) is None:
            return None
        return UNLEARNED.format(" or ".join(tool.name for tool in self.tools_taught))


def epochs_for(examples: int) -> int:
    """How often so many examples are trained on at most."""
    return max(LEAST_EPOCHS, min(MOST_EPOCHS, PASSES // max(1, examples)))


def has_learned(report: Report) -> bool:
    """Whether enough of the held-out requests are answered with the right call."""
    calls = [right for example, right in zip(report.quiz, report.right, strict=True) if called(example.answer) is not None]
    return sum(calls) >= ENOUGH * len(calls)
