"""`tutee eval corrections`: what becomes of wrong answers that are corrected once, measured through the code that serves users.

Each case is a user of their own: they teach a lesson (where the case has one), ask, get the answer that the model gives, and correct it.
Then the question is asked again, in its own words and in others, and so is what the lesson said besides, and ordinary chat.
Arms: ``ours``, as users are served; ``dpo`` and ``kto``, which go on with TRL's preference training, where it is installed.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from storage.records import LessonRecord
from storage.repositories.base import utc_now
from trainer import prompts
from trainer.evaluation.learning import Bench, FactsError, seeded
from trainer.examples import is_right, normal
from trainer.lesson import LessonRunner
from trainer.results import require_places, write_json
from trainer.settings import Settings
from trainer.statements import statement

ARMS = ("ours", "dpo", "kto")
UNRELATED = 6  # messages of ordinary chat for each case, drawn with its own seed; none of them is ever trained on
_CHAT = (Path(__file__).parent / "unrelated.txt").read_text(encoding="utf-8").splitlines()
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """One row: a `lesson` (may be empty) and what else it says (`kept`), a question that is answered wrong then, the correction in its user's
    words, the `answer` that a right reply holds, and other ways to ask."""

    lesson: str
    kept: list[tuple[str, str]]
    question: str
    correction: str
    answer: str
    paraphrases: list[str]


@dataclass(frozen=True)
class Outcome:
    """What became of a case. `state`: how the correction ended, None where the answer was right already; `reason`: why not live. `paraphrases`
    says which ways of asking are answered right, `said` how, and `trained` which of them the recipe happened to write itself. `kept` is of
    what was right before; `unchanged` tells which other messages are answered as before, or as before all teaching."""

    question: str
    rejected: str
    reply: str
    state: str | None
    reason: str | None
    fixed: bool
    paraphrases: list[bool]
    said: list[str]
    trained: list[bool]
    kept: list[bool]
    unchanged: list[bool]
    seconds: float


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Run the cases of ``options`` (cases, arms, limit, seed, json) and show the table; 0 when done. Raises FactsError, ModelError."""
    cases = read_cases(options.cases)[: options.limit]
    require_places(options, FactsError)
    settings = seeded(settings, options.seed)
    arms = [arm.strip() for arm in options.arms.split(",")]
    if unknown := set(arms) - set(ARMS):
        raise FactsError(f"There is no arm '{min(unknown)}': choose from {', '.join(ARMS)}.")
    if set(arms) - {"ours"} and not find_spec("trl"):
        raise FactsError("TRL is not installed, with which dpo and kto train: `pip install trl` adds it.")
    found: dict[str, list[Outcome]] = {}
    for arm in arms:
        with tempfile.TemporaryDirectory(prefix="tutee-eval-") as folder:
            bench = Corrections(replace(settings, data=Path(folder), database_url=None), arm)
            progress = track(list(enumerate(cases)), arm, console=Console(stderr=True), disable=not sys.stderr.isatty())
            found[arm] = [bench.play(number, case) for number, case in progress]
    shares = {arm: {**figures(outcomes), "cases": [asdict(each) for each in outcomes]} for arm, outcomes in found.items()}
    report = {"base_model": bench.base.name, "n": len(cases), "arms": shares}
    _show(report)
    write_json(report, options.json)
    return 0


def read_cases(path: Path) -> list[Case]:
    """The rows of a file. Raises FactsError naming the line that is wrong."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FactsError(f"The cases file {path} cannot be read: {error.strerror}.") from error
    cases = []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                row = json.loads(line)
                kept = [(each["question"], each["answer"]) for each in row.get("kept", [])]
                cases.append(Case(row.get("lesson", ""), kept, row["question"], row["correction"], row["answer"], list(row["paraphrases"])))
        except (ValueError, KeyError, TypeError) as error:
            expected = '{"lesson": …, "kept": [{"question": …, "answer": …}], "question": …, "correction": …, "answer": …, "paraphrases": […]}'
            raise FactsError(f"{path}, line {number}: expected {expected}.") from error
    if not cases:
        raise FactsError(f"The cases file {path} has no rows.")
    return cases


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Over the cases that were answered wrong before: shares (0 to 1, None where there was nothing to ask) and seconds."""
    wrong = [each for each in outcomes if each.state is not None]
    seconds = sorted(each.seconds for each in wrong)
    return {
        "corrected": len(wrong),
        "live": _share([each.state == "live" for each in wrong]),
        "fixed": _share([each.fixed for each in wrong]),
        "paraphrases": _share([mark for each in wrong for mark in each.paraphrases]),
        "paraphrases_untrained": _share([m for each in wrong for m, trained in zip(each.paraphrases, each.trained, strict=True) if not trained]),
        "kept": _share([mark for each in wrong for mark in each.kept]),
        "unrelated_unchanged": _share([mark for each in wrong for mark in each.unchanged]),
        "seconds_median": round(median(seconds), 2) if seconds else None,
        "seconds_p95": round(seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))], 2) if seconds else None,
    }


class Corrections(Bench):
    """The installation of `tutee eval learning`, in which answers are corrected, by one of ARMS."""

    def __init__(self, settings: Settings, arm: str) -> None:
        super().__init__(settings)
        if arm != "ours":
            from trainer.evaluation import preferences

            self.runner = LessonRunner(self.tools, {"correction": {"dpo": preferences.ByDpo, "kto": preferences.ByKto}[arm]})

    def play(self, number: int, case: Case) -> Outcome:
        """One user's story."""
        user = self.repositories.users.identify("eval", f"case-{number}", f"case-{number}")
        if case.lesson:
            lesson, _ = self.repositories.lessons.create(
                user.id, "instruction", case.lesson, dedupe_key="lesson", platform="eval", channel="", conversation_id=None
            )
            self.runner.run(lesson.id)
        chat = Random(number).sample(_CHAT, UNRELATED)
        before = self.answers(user.id, [case.question, *(question for question, _ in case.kept), *chat])
        rejected, knew, talked = before[0], before[1 : 1 + len(case.kept)], before[1 + len(case.kept) :]
        if is_right(rejected, case.answer):
            return Outcome(case.question, rejected, rejected, None, None, True, [], [], [], [], [], 0.0)
        began = time.monotonic()
        lesson = self.correct(user.id, case, rejected)
        seconds = time.monotonic() - began
        after = self.answers(user.id, [case.question, *case.paraphrases, *(question for question, _ in case.kept), *chat])
        reply, others = after[0], after[1 : 1 + len(case.paraphrases)]
        knows, talks = after[1 + len(others) : 1 + len(others) + len(knew)], after[1 + len(others) + len(knew) :]
        kept = [is_right(now, answer) for (_, answer), was, now in zip(case.kept, knew, knows, strict=True) if is_right(was, answer)]
        learned = {normal(each.question) for each in self.repositories.lessons.examples(lesson.id) if each.role in ("train", "neighbour")}
        untaught = self.untaught(chat)
        unchanged = [normal(now) in (normal(was), normal(bare)) for was, bare, now in zip(talked, untaught, talks, strict=True)]
        right, trained = [is_right(each, case.answer) for each in others], [normal(each) in learned for each in case.paraphrases]
        outcome = Outcome(
            case.question, rejected, reply, lesson.state, lesson.reason, is_right(reply, case.answer), right, others, trained, kept, unchanged,
            round(seconds, 2),
        )  # fmt: skip
        log.info("a case was played, case=%s outcome=%s", number, outcome)
        return outcome

    def correct(self, user_id: int, case: Case, rejected: str) -> LessonRecord:
        """Correct that answer, as the bot does; the correction as it ended."""
        stored = self.repositories
        here = stored.conversations.current(user_id, "eval", "")
        live = stored.adapters.live(user_id)
        exchange, _ = stored.exchanges.receive(user_id, here.id, "eval", f"{user_id}", case.question)
        stored.exchanges.answer(exchange.id, rejected, live.name if live else None, 0.0)
        lesson, _ = stored.feedback.correct(
            exchange.id, user_id, case.correction, utc_now(), dedupe_key="correction", platform="eval", channel="", say=statement
        )
        self.runner.run(lesson.id)
        ended = stored.lessons.get(lesson.id)
        assert ended is not None
        return ended

    def untaught(self, questions: Sequence[str]) -> list[str]:
        """What the base model says to each."""
        return self.replies(None, [prompts.chat([], question, system=self.settings.chat.system_prompt) for question in questions])

    def answers(self, user_id: int, questions: Sequence[str]) -> list[str]:
        """What the user's live version says to each, in a new conversation."""
        live, system = self.repositories.adapters.live(user_id), self.settings.chat.system_prompt
        return self.replies(live.name if live else None, [prompts.chat([], question, system=system) for question in questions])


def _share(marks: Sequence[bool]) -> float | None:
    return round(sum(marks) / len(marks), 4) if marks else None


def _show(report: dict[str, Any]) -> None:
    names = ("live", "fixed", "paraphrases", "paraphrases_untrained", "kept", "unrelated_unchanged", "seconds_median", "seconds_p95")
    wrong = max(shares["corrected"] for shares in report["arms"].values())
    table = Table(title=f"{report['base_model']}: {report['n']} cases, {wrong} of them answered wrong at first")
    table.add_column("arm")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for arm, shares in report["arms"].items():
        table.add_row(arm, *("–" if shares[name] is None else f"{shares[name]:.2f}" for name in names))
    Console().print(table)
