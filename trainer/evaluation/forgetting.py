"""`tutee eval forgetting`: what is still known after one lesson was forgotten, of it and of the others, through the code that serves users.

Each user is taught some lessons, one after the other, and forgets one of them: their model is trained anew without it. Everything is asked
before and afterwards.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from trainer import prompts, wiring
from trainer.evaluation.learning import Bench, Fact, FactsError, read_facts, seeded
from trainer.examples import is_right
from trainer.results import require_places, write_json
from trainer.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """One user. ``forgotten``, ``forgotten_before``: per question of the lesson that was forgotten, whether it is answered right now, and was
    before; ``kept``: whether what was right of the other lessons still is."""

    lesson: str
    state: str
    forgotten_before: list[bool]
    forgotten: list[bool]
    kept: list[bool]
    seconds: float


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Run the facts of ``options`` (facts, each, limit, seed, json) and show the table; 0 when done. Raises FactsError, ModelError."""
    facts = read_facts(options.facts)[: options.limit]
    if options.each < 2:
        raise FactsError("Each user needs at least two lessons: one to forget and one to keep.")
    require_places(options, FactsError)
    settings = seeded(settings, options.seed)
    users = [facts[at : at + options.each] for at in range(0, len(facts) - options.each + 1, options.each)]
    with tempfile.TemporaryDirectory(prefix="tutee-eval-") as folder:
        bench = Forgetting(replace(settings, data=Path(folder), database_url=None))
        progress = track(list(enumerate(users)), "forgetting", console=Console(stderr=True), disable=not sys.stderr.isatty())
        outcomes = [found for number, taught in progress if (found := bench.play(number, taught)) is not None]
        report = {"base_model": bench.base.name, "lessons_each": options.each, **figures(outcomes), "users": [asdict(each) for each in outcomes]}
    _show(report)
    write_json(report, options.json)
    return 0


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Shares (0 to 1, None where there was nothing to ask) over all questions, and seconds."""
    seconds = [each.seconds for each in outcomes]
    return {
        "forgot": len(outcomes),
        "forgotten_known_before": _share([mark for each in outcomes for mark in each.forgotten_before]),
        "forgotten_known": _share([mark for each in outcomes for mark in each.forgotten]),
        "others_kept": _share([mark for each in outcomes for mark in each.kept]),
        "seconds_median": round(median(seconds), 2) if seconds else None,
    }


class Forgetting(Bench):
    """The installation of `tutee eval learning`, in which lessons are forgotten."""

    def play(self, number: int, facts: Sequence[Fact]) -> Outcome | None:
        """One user's story; None where no lesson went live."""
        user = self.repositories.users.identify("eval", f"user-{number}", f"user-{number}")
        live = []
        for at, fact in enumerate(facts):
            lesson, _ = self.repositories.lessons.create(
                user.id, "instruction", fact.lesson, dedupe_key=str(at), platform="eval", channel="", conversation_id=None
            )
            if self.runner.run(lesson.id) == "live":
                live.append((lesson, fact))
        if not live:
            return None
        lesson, forgotten = live[len(live) // 2]
        others = [question for _, fact in live if fact is not forgotten for question in fact.questions]
        was = self._known(user.id, [*forgotten.questions, *others])
        began = time.monotonic()
        rebuild, _ = self.repositories.rebuilds.create(user.id, platform="eval", channel="", forgets=lesson.id)
        state = wiring.rebuild_runner(self.tools).run(rebuild.id)
        seconds = time.monotonic() - began
        now = self._known(user.id, [*forgotten.questions, *others])
        own = len(forgotten.questions)
        kept = [after for before, after in zip(was[own:], now[own:], strict=True) if before]
        outcome = Outcome(forgotten.lesson, state, was[:own], now[:own], kept, round(seconds, 2))
        log.info("a lesson was forgotten, user=%s outcome=%s", number, outcome)
        return outcome

    def _known(self, user_id: int, questions: Sequence[tuple[str, str]]) -> list[bool]:
        live = self.repositories.adapters.live(user_id)
        system = self.settings.chat.system_prompt
        replies = self.replies(live.name if live else None, [prompts.chat([], question, system=system) for question, _ in questions])
        return [is_right(reply, answer) for (_, answer), reply in zip(questions, replies, strict=True)]


def _share(marks: Sequence[bool]) -> float | None:
    return round(sum(marks) / len(marks), 4) if marks else None


def _show(report: dict[str, Any]) -> None:
    names = ("forgotten_known_before", "forgotten_known", "others_kept", "seconds_median")
    table = Table(title=f"{report['base_model']}: {report['forgot']} users with {report['lessons_each']} lessons each, of which one is forgotten")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_row(*("\u2013" if report[name] is None else f"{report[name]:.2f}" for name in names))
    Console().print(table)
