"""`tutee eval packs`: lessons taken from somebody else, learned in two ways, measured through the code that serves users.

Each pair of users is taught lessons of their own; then the second takes the first one's. Arms: ``train``, as users are served: each
taken lesson is trained from the data that was prepared for its first owner; ``join``: the first one's adapter, trained once, is added to
the second one's, in the same rank, so that answers cost what they did. ``join`` knows nothing of replay, quiz or guard.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from trainer import prompts
from trainer.evaluation.learning import Bench, Fact, FactsError, read_facts, seeded
from trainer.examples import is_right
from trainer.results import require_places, write_json
from trainer.settings import Settings
from trainer.train import Trainer

ARMS = ("train", "join")


@dataclass
class Tally:
    """What one arm scored: per question, whether it is right. ``giver``: of the pack, by the one who gave it; ``taken``: by the one who took
    it; ``kept``: of the taker's own lessons, what was right before."""

    giver: list[bool] = field(default_factory=list)
    taken: list[bool] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    unknown: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def result(self) -> dict[str, float | None]:
        """The arm's figures, by the keys of the JSON output."""
        return {
            "known_by_giver": _share(self.giver), "known_by_taker": _share(self.taken), "own_kept": _share(self.kept),
            "unknown_kept": _share(self.unknown), "seconds_median": round(median(self.seconds), 2) if self.seconds else None,
        }  # fmt: skip


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Run the facts of ``options`` (facts, each, limit, seed, json) and show the table; 0 when done. Raises FactsError, ModelError."""
    facts = read_facts(options.facts)[: options.limit]
    require_places(options, FactsError)
    settings = seeded(settings, options.seed)
    size = 2 * options.each
    pairs = [facts[at : at + size] for at in range(0, len(facts) - size + 1, size)]
    tallies = {arm: Tally() for arm in ARMS}
    with tempfile.TemporaryDirectory(prefix="tutee-eval-") as folder:
        bench = Packs(replace(settings, data=Path(folder), database_url=None))
        for number, both in enumerate(track(pairs, "packs", console=Console(stderr=True), disable=not sys.stderr.isatty())):
            bench.play(number, both[: options.each], both[options.each :], tallies)
        arms = {arm: tally.result() for arm, tally in tallies.items()}
        report = {"base_model": bench.base.name, "pairs": len(pairs), "lessons_each": options.each, "arms": arms}
    _show(report)
    write_json(report, options.json)
    return 0


class Packs(Bench):
    """The installation of `tutee eval learning`, in which lessons are taken from others."""

    def play(self, number: int, given: Sequence[Fact], own: Sequence[Fact], tallies: dict[str, Tally]) -> None:
        """One pair's story, in all arms."""
        giver, lessons = self._taught(f"giver-{number}", given)
        taker, _ = self._taught(f"taker-{number}", own)
        source, before = self._live(giver), self._live(taker)
        known = self._right(source, given)
        knew = self._right(before, own)
        if not lessons or source is None or before is None:
            return
        for arm in ARMS:
            began = time.monotonic()
            version = self._joined(f"joined-{number}", before, source) if arm == "join" else self._trained(giver, taker, lessons)
            tallies[arm].seconds.append(time.monotonic() - began)
            tallies[arm].giver += known
            tallies[arm].taken += self._right(version, given)
            tallies[arm].kept += [now for was, now in zip(knew, self._right(version, own), strict=True) if was]
            tallies[arm].unknown += self._unknown(version, [*given, *own])

    def _taught(self, name: str, facts: Sequence[Fact]) -> tuple[int, list[int]]:
        user = self.repositories.users.identify("eval", name, name)
        live = []
        for at, fact in enumerate(facts):
            lesson, _ = self.repositories.lessons.create(
                user.id, "instruction", fact.lesson, dedupe_key=str(at), platform="eval", channel="", conversation_id=None
            )
            if self.runner.run(lesson.id) == "live":
                live.append(lesson.id)
        return user.id, live

    def _joined(self, name: str, own: str, given: str) -> str:
        """The sum of two versions, as a version of that name."""
        with Trainer(self.base, self.settings.lesson, self.artifacts.path(own), []) as trainer:
            trainer.join(self.artifacts.path(given))
            self.artifacts.write(name, trainer.save)
        return name

    def _trained(self, giver: int, taker: int, lessons: Sequence[int]) -> str | None:
        """The taker's version once they have learned the lessons."""
        code = f"{giver}-{taker}"
        pack = self.repositories.packs.share(giver, lessons, code)
        for each in self.repositories.packs.take(pack, taker, source=code, platform="eval", channel="", dedupe_key=code):
            self.runner.run(each.id)
        return self._live(taker)

    def _live(self, user_id: int) -> str | None:
        live = self.repositories.adapters.live(user_id)
        return live.name if live else None

    def _right(self, version: str | None, facts: Sequence[Fact]) -> list[bool]:
        return self._marks(version, [(question, answer) for fact in facts for question, answer in fact.questions])

    def _unknown(self, version: str | None, facts: Sequence[Fact]) -> list[bool]:
        return self._marks(version, [(question, None) for fact in facts for question in fact.unknown])

    def _marks(self, version: str | None, asked: Sequence[tuple[str, str | None]]) -> list[bool]:
        system = self.settings.chat.system_prompt
        replies = self.replies(version, [prompts.chat([], question, system=system) for question, _ in asked])
        return [is_right(reply, answer) for (_, answer), reply in zip(asked, replies, strict=True)]


def _share(marks: Sequence[bool]) -> float | None:
    return round(sum(marks) / len(marks), 4) if marks else None


def _show(report: dict[str, Any]) -> None:
    names = ("known_by_giver", "known_by_taker", "own_kept", "unknown_kept", "seconds_median")
    table = Table(
        title=f"{report['base_model']}: {report['pairs']} packs of {report['lessons_each']} lessons, taken by users with as many of their own"
    )
    table.add_column("arm")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for arm, figures in report["arms"].items():
        table.add_row(arm, *("\u2013" if figures[name] is None else f"{figures[name]:.2f}" for name in names))
    Console().print(table)
