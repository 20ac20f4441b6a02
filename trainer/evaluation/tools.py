"""`tutee eval tools`: how well a base model learns three tools by chatting, the case study of the paper (arXiv 2403.04790, section 4).

Arms: ``prompt``, the tools and a few calls in the prompt; ``ot-N``, online training: N examples that the lesson pipeline writes from the
tools' descriptions; ``sft``, labelled data with plain cross-entropy for a fixed three epochs. Asked are requests that people wrote.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import mean, pstdev
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from storage.records import ExampleRecord
from trainer import loading, prompts
from trainer.errors import ContextTooLongError
from trainer.evaluation.dialogues import TOOLS, DialoguesError, Labelled, read
from trainer.evaluation.picture import draw_tools
from trainer.examine import examine
from trainer.model import BaseModel
from trainer.prompts import Messages
from trainer.results import require_places, write_json
from trainer.settings import Settings
from trainer.teacher import LocalTeacher, Teacher
from trainer.tools.calls import called
from trainer.tools.description import in_words
from trainer.tools.lesson import epochs_for, has_learned
from trainer.tools.native import call_text
from trainer.tools.requests import write_tool_examples
from trainer.train import Sample, Trainer

SFT_EPOCHS = 3
SHOTS = 2  # calls of each tool in the prompt of the arm ``prompt``
CALL_TOKENS = 96
ASKED_AT_ONCE = 32
ORDINARY = (
    "Who painted that picture?", "I slept badly last night.", "What is my neighbour's name?", "Thanks, that was helpful!", "Why is my plant dying?",
    "How old is my brother?", "Good night!", "Do you like music?", "When is my dentist appointment?", "I moved into a new flat last week.",
    "It was raining all day yesterday.", "The film we saw was too long.",
)  # fmt: skip
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What one arm scored with one seed; shares 0 to 1, times in seconds. ``ordinary``: share of ordinary messages that brought no call."""

    arm: str
    seed: int
    examples: int
    action: float
    action_with_input: float
    ordinary: float
    by_tool: dict[str, float]
    writing_seconds: float
    training_seconds: float
    seconds_per_request: float


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Run the arms of ``options`` (dialogues, arms, examples, labelled, seeds, requests, json, plot) and show the table; 0 when done.

    Raises DialoguesError, ModelError.
    """
    arms = _arms(options.arms, options.examples)
    require_places(options, DialoguesError)
    rows = read(options.dialogues)
    course = Course(settings, loading.base_model(settings, learns=True), rows, options.requests, options.labelled)
    plan = [(arm, seed) for seed in range(options.seeds) for arm in arms]
    progress = track(plan, "tools", console=Console(stderr=True), disable=not sys.stderr.isatty())
    outcomes = [course.run(arm, seed) for arm, seed in progress]
    report = {
        "base_model": course.base.name, "tools": [tool.name for tool in TOOLS.values()], "requests": len(course.asked), "seeds": options.seeds,
        "arms": {arm: figures([each for each in outcomes if each.arm == arm]) for arm in arms},
    }  # fmt: skip
    _show(report)
    write_json(report, options.json)
    if options.plot:
        draw_tools(report, options.plot)
    return 0


class Course:
    """The three tools, the requests that are asked, and a base model that learns the tools anew for each arm."""

    def __init__(self, settings: Settings, base: BaseModel, rows: Sequence[Labelled], requests: int, labelled: int) -> None:
        self.settings, self.base = settings, base
        self.tools = list(TOOLS.values())
        self.teacher = LocalTeacher(base)
        self.asked = [row for tool in self.tools for row in _some([row for row in rows if row.tested and row.tool == tool.name], requests)]
        own = [row for row in rows if not row.tested and row.tool in {tool.name for tool in self.tools}]
        others = [row for row in rows if row.tool not in {tool.name for tool in self.tools}]
        self.labelled = [*own, *others][:labelled]

    def run(self, arm: str, seed: int) -> Outcome:
        """One arm with one seed."""
        if arm == "prompt":
            return self._prompted(seed)
        began = time.monotonic()
        examples = self._labelled() if arm == "sft" else self._written(int(arm.removeprefix("ot-")), seed)
        train = [each for each in examples if each.role == "train"]
        quiz = [each for each in examples if each.role == "quiz"]
        wrote = time.monotonic()
        lesson = replace(self.settings.lesson, seed=self.settings.lesson.seed + seed, distill_weight=0.0)
        lesson = replace(lesson, max_epochs=SFT_EPOCHS if arm == "sft" else epochs_for(len(train)))
        samples = [Sample(self._chat(each.question), each.answer) for each in train]
        with Trainer(self.base, lesson, None, samples) as trainer:

            def passed() -> bool:
                return arm != "sft" and has_learned(examine(trainer.student, quiz, self.settings.chat.system_prompt))

            trainer.run(passed, lambda done, most: None)
            trained = time.monotonic()
            return self._asked(trainer.student, arm, seed, len(train), wrote - began, trained - wrote, self._chat)

    def _prompted(self, seed: int) -> Outcome:
        shots = [(call.tool, each) for each in self._written(24, seed) if each.role == "train" and (call := called(each.answer)) is not None]
        first = [each for tool in self.tools for each in [each for name, each in shots if name == tool.name][:SHOTS]]
        told = "\n".join(in_words(tool) for tool in self.tools)
        pairs = [(each.question, each.answer) for each in first]
        return self._asked(self.teacher, "prompt", seed, len(pairs), 0.0, 0.0, lambda question: prompts.few_shot(told, pairs, question))

    def _written(self, count: int, seed: int) -> list[ExampleRecord]:
        """What a tool lesson would write, from the descriptions alone."""
        system = self.settings.chat.system_prompt
        return write_tool_examples(self.tools, self.teacher, lambda call: call_text(self.base, call), count=count, seed=seed, system=system)

    def _labelled(self) -> list[ExampleRecord]:
        return [ExampleRecord("train", row.request, call_text(self.base, row.call)) for row in self.labelled]

    def _chat(self, question: str) -> Messages:
        return prompts.chat([], question, system=self.settings.chat.system_prompt)

    def _asked(
        self, student: Teacher, arm: str, seed: int, examples: int, writing: float, training: float, ask: Callable[[str], Messages]
    ) -> Outcome:  # fmt: skip
        began = time.monotonic()
        replies = self._replies(student, [ask(row.request) for row in self.asked])
        seconds = (time.monotonic() - began) / len(self.asked)
        made = [called(reply) for reply in replies]
        right_tool = [call is not None and call.tool == row.tool for call, row in zip(made, self.asked, strict=True)]
        right = [call is not None and call.same(row.call) for call, row in zip(made, self.asked, strict=True)]
        for row, reply, is_right in zip(self.asked, replies, right, strict=True):
            if not is_right:
                log.info("wrong, arm=%s request=%r reply=%r wanted=%r", arm, row.request, reply, row.arguments)
        ordinary = [called(reply) is None for reply in self._replies(student, [ask(question) for question in ORDINARY])]
        by_tool = {tool.name: _share([mark for mark, row in zip(right, self.asked, strict=True) if row.tool == tool.name]) for tool in self.tools}
        return Outcome(
            arm, seed, examples, _share(right_tool), _share(right), _share(ordinary), by_tool,
            round(writing, 2), round(training, 2), round(seconds, 4),
        )  # fmt: skip

    def _replies(self, student: Teacher, conversations: Sequence[Messages]) -> list[str]:
        """A prompt that does not fit what the model can read is answered by nothing."""
        found = []
        for start in range(0, len(conversations), ASKED_AT_ONCE):
            try:
                found += student.complete(conversations[start : start + ASKED_AT_ONCE], temperature=0, max_tokens=CALL_TOKENS, seed=0)
            except ContextTooLongError:
                found += [""] * len(conversations[start : start + ASKED_AT_ONCE])
        return found


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """An arm's means over its seeds, and the standard deviation of what counts most."""
    found: dict[str, Any] = {"examples": outcomes[0].examples}
    for name in ("action", "action_with_input", "ordinary", "writing_seconds", "training_seconds", "seconds_per_request"):
        found[name] = round(mean(getattr(each, name) for each in outcomes), 4)
    found["action_with_input_sd"] = round(pstdev(each.action_with_input for each in outcomes), 4)
    found["by_tool"] = {tool: round(mean(each.by_tool[tool] for each in outcomes), 4) for tool in outcomes[0].by_tool}
    return found


def _arms(names: str, examples: str) -> list[str]:
    counts = [count.strip() for count in examples.split(",")]
    wrong = [count for count in counts if not count.isdecimal() or not 12 <= int(count) <= 100_000]
    if wrong:
        raise DialoguesError(f"'{wrong[0]}' is not a number of examples: give numbers from 12 on, with commas between them.")
    found = []
    for name in (name.strip() for name in names.split(",")):
        if name not in ("prompt", "ot", "sft"):
            raise DialoguesError(f"There is no arm '{name}': choose from prompt, ot, sft.")
        found += [f"ot-{count}" for count in counts] if name == "ot" else [name]
    return list(dict.fromkeys(found))


def _some(rows: Sequence[Labelled], count: int) -> Sequence[Labelled]:
    return rows if len(rows) <= count else Random(0).sample(list(rows), count)


def _share(marks: Sequence[bool]) -> float:
    return round(sum(marks) / len(marks), 4) if marks else 1.0


def _show(report: dict[str, Any]) -> None:
    table = Table(title=f"{report['base_model']}: {', '.join(report['tools'])}; {report['requests']} requests, seeds: {report['seeds']}")
    shown = {
        "examples": "{}", "action": "{:.2f}", "action_with_input": "{:.2f}", "action_with_input_sd": "{:.2f}", "ordinary": "{:.2f}",
        "writing_seconds": "{:.1f}", "training_seconds": "{:.1f}", "seconds_per_request": "{:.2f}",
    }  # fmt: skip
    table.add_column("arm")
    for name in shown:
        table.add_column(name.replace("_", " "), justify="right")
    for arm, result in report["arms"].items():
        table.add_row(arm, *(form.format(result[name]) for name, form in shown.items()))
    Console().print(table)
