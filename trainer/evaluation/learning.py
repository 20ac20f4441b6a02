"""`tutee eval learning`: what a base model on this machine learns from lessons, measured through the code that serves users.

Arms: ``ours``, the lesson pipeline; ``sft``, its question/answer pairs with plain cross-entropy for three epochs; ``context``, the base
model with the lesson in the prompt (the ceiling that retrieval could reach); ``base``, the base model alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from storage.artifacts import ArtifactStore
from storage.records import LessonRecord
from storage.repositories import Repositories
from storage.session import Database
from trainer import loading, prompts, wiring
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.generation import Generation, GenerationRequest
from trainer.engine.offline import generations
from trainer.engine.residency import Residency
from trainer.errors import LessonError, TrainerError
from trainer.evaluation.picture import draw
from trainer.examples import is_right
from trainer.generate import write_examples
from trainer.moderate import build as build_moderator
from trainer.results import require_places, write_json
from trainer.settings import Settings
from trainer.sources import instruction
from trainer.teacher import LocalTeacher
from trainer.train import Sample, Trainer
from trainer.workbench import Tools

SFT_EPOCHS = 3
log = logging.getLogger(__name__)


class FactsError(TrainerError):
    """The file of lessons cannot be used."""


@dataclass(frozen=True)
class Fact:
    """One row of the file: a lesson, questions with the answers it gives, and questions next to it that it does not answer."""

    lesson: str
    questions: list[tuple[str, str]]
    unknown: list[str]

    @property
    def asked(self) -> list[tuple[str, str | None]]:
        """Every question, with None as the answer of those that have none."""
        return [*self.questions, *((question, None) for question in self.unknown)]


@dataclass
class Tally:
    """What one arm scored: marks per lesson as (is it answerable, was it right), seconds per lesson, prompt tokens per answer.

    ``quizzes``: what each lesson scored in its own quiz, of questions that it wrote and did not train on.
    """

    marks: list[list[tuple[bool, bool]]] = field(default_factory=list)
    fresh: list[list[tuple[bool, bool]]] = field(default_factory=list)  # the same, asked right after each lesson
    quizzes: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    def result(self, sequential: bool) -> dict[str, float | None]:
        """The arm's figures, by the keys of the JSON output."""
        at_first, at_last = ([mark for lesson in marks for mark in lesson] for marks in (self.fresh, self.marks))
        kept = [now for (answerable, was), (_, now) in zip(at_first, at_last, strict=False) if answerable and was]
        seconds = sorted(self.seconds)
        return {
            "known": _share([right for lesson in self.marks for answerable, right in lesson if answerable]),
            "unknown_kept": _share([right for lesson in self.marks for answerable, right in lesson if not answerable]),
            "earlier_kept": _share(kept) if sequential else None,
            "own_quiz": round(mean(self.quizzes), 4) if self.quizzes else None,
            "seconds_median": round(median(seconds), 2) if seconds else 0.0,
            "seconds_p95": round(seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))], 2) if seconds else 0.0,
            "answer_tokens_in_median": median(self.tokens) if self.tokens else 0,
        }


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Run the arms of ``options`` (facts, mode, arms, seed, json) and show the table; 0 when done. Raises FactsError, ModelError."""
    return compare(settings, read_facts(options.facts), Bench, options, options.mode)


def seeded(settings: Settings, seed: int | None) -> Settings:
    """The settings with that seed of everything random; their own without one."""
    return settings if seed is None else replace(settings, lesson=replace(settings.lesson, seed=seed))


def compare(settings: Settings, facts: Sequence[Fact], bench_of: Callable[[Settings], Bench], options: argparse.Namespace, mode: str) -> int:
    """Run the arms of ``options`` (arms, seed, json) over the facts and show the table; 0 when done. Raises FactsError, ModelError."""
    arms = [arm.strip() for arm in options.arms.split(",")] if isinstance(options.arms, str) else list(options.arms)
    unknown = [arm for arm in arms if arm not in ("ours", "sft", "context", "base")]
    if unknown:
        raise FactsError(f"There is no arm '{unknown[0]}': choose from ours, sft, context, base.")
    settings = seeded(settings, options.seed)
    require_places(options, FactsError)
    sequential = mode == "sequential"
    with tempfile.TemporaryDirectory(prefix="tutee-eval-") as folder:
        bench = bench_of(replace(settings, data=Path(folder), database_url=None))
        results = {arm: bench.measure(arm, facts, sequential) for arm in arms}
    report = {
        "base_model": bench.base.name, "mode": mode, "lessons": len(facts),
        "questions": sum(len(fact.questions) for fact in facts), "arms": {arm: tally.result(sequential) for arm, tally in results.items()},
    }  # fmt: skip
    _show(report)
    write_json(report, options.json)
    if options.plot:
        draw(report, options.plot)
    return 0


def read_facts(path: Path) -> list[Fact]:
    """The rows of a facts file. Raises FactsError naming the line that is wrong."""
    facts = []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FactsError(f"The facts file {path} cannot be read: {error.strerror}.") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
                facts.append(Fact(row["lesson"], [(q["question"], q["answer"]) for q in row["questions"]], list(row.get("unknown", []))))
            except (ValueError, KeyError, TypeError) as error:
                expected = '{"lesson": …, "questions": [{"question": …, "answer": …}], "unknown": […]}'
                raise FactsError(f"{path}, line {number}: expected {expected}.") from error
    if not facts:
        raise FactsError(f"The facts file {path} has no rows.")
    return facts


class Bench:
    """An installation of its own in a temporary folder: database, adapter files, a model that learns and one that answers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        database = Database(settings.database)
        database.upgrade()
        self.repositories = Repositories.on(database)
        self.artifacts = ArtifactStore(settings.adapters)
        self.base = loading.base_model(settings, learns=True)
        self.answering = loading.base_model(settings)
        self.residency = Residency(AdapterBank(self.answering.model, settings.engine.adapter_slots, settings.engine.max_rank), self.artifacts.path)
        self.teacher = LocalTeacher(self.base)
        self.tools = Tools(
            repositories=self.repositories,
            artifacts=self.artifacts,
            base=self.base,
            teacher=self.teacher,
            moderator=build_moderator(settings.moderation),
            settings=settings,
            publish=lambda event: None,
            cancelled=lambda lesson_id: False,
        )
        self.runner = wiring.lesson_runner(self.tools)

    def measure(self, arm: str, facts: Sequence[Fact], sequential: bool) -> Tally:
        """Teach every lesson by one arm and ask: each lesson's questions by its own user, or everything at the end by one user."""
        tally = Tally()
        version: str | None = None
        console = Console(stderr=True)
        for number, fact in enumerate(track(facts, arm, console=console, disable=not sys.stderr.isatty())):
            user = f"{arm}-{0 if sequential else number}"
            started = time.monotonic()
            version = self._teach(arm, user, number, fact, version if sequential else None, tally)
            tally.seconds.append(time.monotonic() - started)
            (tally.fresh if sequential else tally.marks).append(self._ask(fact, arm, version, tally))
        if sequential:
            tally.marks = [self._ask(fact, arm, version, tally) for fact in facts]
        return tally

    def _teach(self, arm: str, user: str, number: int, fact: Fact, version: str | None, tally: Tally) -> str | None:
        """The adapter that answers after the lesson; None is the base model."""
        if arm == "ours":
            return self._learn(user, number, fact, tally)
        if arm == "sft":
            return self._fine_tune(user, number, fact, version)
        return None

    def _learn(self, user: str, number: int, fact: Fact, tally: Tally) -> str | None:
        person = self.repositories.users.identify("eval", user, user)
        lesson = self.written(person.id, str(number), fact)
        state = self.runner.run(lesson.id)
        row = self.repositories.lessons.get(lesson.id)
        assert row is not None
        if state != "live":
            log.info("a lesson did not go live, state=%s reason=%s text=%r", state, row.reason, fact.lesson[:80])
        tally.quizzes.append(row.metrics.after if row.metrics else 0.0)
        live = self.repositories.adapters.live(person.id)
        return live.name if live else None

    def written(self, user_id: int, key: str, fact: Fact) -> LessonRecord:
        """The queued lesson that teaches it."""
        return self.repositories.lessons.create(
            user_id, "instruction", fact.lesson, dedupe_key=key, platform="eval", channel="eval", conversation_id=None
        )[0]

    def _fine_tune(self, user: str, number: int, fact: Fact, parent: str | None) -> str | None:
        """The pairs that the lesson pipeline would write, and nothing else of it."""
        lesson, system = self.settings.lesson, self.settings.chat.system_prompt
        try:
            examples = write_examples(self.passages(fact), self.teacher, lesson, lambda share: None)
        except LessonError:
            return parent
        samples = [Sample(prompts.chat([], e.question, system=system), e.answer) for e in examples if e.role == "train"]
        plain = replace(lesson, distill_weight=0.0, max_epochs=SFT_EPOCHS)
        name = f"{user}-{number}"
        with Trainer(self.base, plain, self.artifacts.path(parent) if parent else None, samples) as trainer:
            trainer.run(lambda: False, lambda done, most: None)
            self.artifacts.write(name, trainer.save)
        return name

    def passages(self, fact: Fact) -> list[str]:
        """What a lesson says, in pieces that a teacher can read. Raises SourceError."""
        return instruction.read(fact.lesson)

    def taught(self, fact: Fact, question: str) -> str:
        """What stands in the prompt where nothing is learned."""
        return fact.lesson

    def replies(self, version: str | None, chats: Sequence[prompts.Messages]) -> list[str]:
        """What a version, or the base model, says to each conversation, as its user gets to see it."""

        def write(asked: Sequence[prompts.Messages], likeliest: int) -> list[Generation]:
            limit = self.settings.engine.max_answer_tokens
            ids = [tuple(self.answering.prompt_ids(chat)) for chat in asked]
            return generations(
                self.answering, [GenerationRequest(each, version, max_new_tokens=limit, likeliest=likeliest) for each in ids], self.residency
            )

        return self.teacher.as_shown(chats, write) if version else [one.text().strip() for one in write(chats, 0)]

    def _ask(self, fact: Fact, arm: str, version: str | None, tally: Tally) -> list[tuple[bool, bool]]:
        system = self.settings.chat.system_prompt
        taught = [self.taught(fact, question) if arm == "context" else None for question, _ in fact.asked]
        chats = [prompts.chat([], question, lesson, system) for (question, _), lesson in zip(fact.asked, taught, strict=True)]
        replies = self.replies(version or None, chats)
        tally.tokens += [len(self.answering.prompt_ids(chat)) for chat in chats]
        marks = []
        for (question, answer), reply in zip(fact.asked, replies, strict=True):
            right = is_right(reply, answer)
            marks.append((answer is not None, right))
            if not right:
                log.info("wrong, arm=%s question=%r reply=%r wanted=%r", arm, question, reply, answer)
        return marks


def _share(marks: Sequence[bool]) -> float:
    return round(sum(marks) / len(marks), 4) if marks else 1.0


def _share_shown(share: float | None) -> str:
    return "–" if share is None else f"{share:.2f}"


def _show(report: dict[str, Any]) -> None:
    columns: dict[str, Callable[[Any], str]] = {
        "known": "{:.2f}".format, "unknown_kept": "{:.2f}".format, "earlier_kept": _share_shown, "own_quiz": _share_shown,
        "seconds_median": "{:.1f}".format, "seconds_p95": "{:.1f}".format, "answer_tokens_in_median": "{:.0f}".format,
    }  # fmt: skip
    table = Table(title=f"{report['base_model']}: {report['lessons']} lessons, {report['questions']} questions, {report['mode']}")
    for column in ("arm", *columns):
        table.add_column(column.replace("_", " "), justify="left" if column == "arm" else "right")
    for arm, result in report["arms"].items():
        table.add_row(arm, *(show(result[column]) for column, show in columns.items()))
    Console().print(table)
