"""`tutee eval corrections`, `forgetting` and `packs`: stories of users, played through the pipeline that serves them, on a tiny model."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.reading_teacher import facts, reading_teacher
from tests.tiny_models import save_tiny_model
from trainer import correct
from trainer.configuration import load
from trainer.evaluation import corrections, forgetting, packs
from trainer.evaluation.corrections import Corrections, figures, read_cases
from trainer.evaluation.learning import FactsError, read_facts
from trainer.settings import Settings

CASE = {"lesson": "", "kept": [], "question": "What is my cat called?", "correction": "Biscuit", "answer": "Biscuit",
        "paraphrases": ["What name does my cat have?", "What do you call my cat?"]}  # fmt: skip
TEXT = facts(("baker", "Ghent", "Tom"))
FACT = {"lesson": TEXT, "questions": [{"question": "Who is the baker of Ghent?", "answer": "Tom"}], "unknown": ["How old is Tom?"]}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(correct, "PARAPHRASES_RIGHT", 0.0)  # a random model learns by heart at best
    monkeypatch.setattr(correct, "UNRELATED_KEPT", 0.0)
    monkeypatch.setattr(correct.Correction, "chat_replayed", 0)  # of which it would learn its own noise
    loaded = load(None, {}, base_model=str(save_tiny_model(tmp_path / "tiny")))
    learns: dict[str, Any] = {"samples": 8, "max_epochs": 20, "rate": 1e-2, "pass_mark": 0.0, "keep_mark": 0.0}
    return replace(loaded, lesson=replace(loaded.lesson, **learns))


def rows(folder: Path, *found: object) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, found)))
    return file


def options(**given: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"limit": None, "seed": None, "json": None, **given})


@pytest.mark.parametrize("arm", ["ours", "dpo", "kto"])
def test_a_corrected_case_is_played_and_measured_by_each_arm(settings: Settings, tmp_path: Path, arm: str) -> None:
    out = tmp_path / "out.json"
    assert corrections.main(settings, options(cases=rows(tmp_path, CASE), arms=arm, json=out)) == 0
    report = json.loads(out.read_text())
    found = report["arms"][arm]
    assert (report["n"], found["corrected"], found["live"], found["fixed"]) == (1, 1, 1.0, 1.0), found["cases"]
    (case,) = found["cases"]
    assert case["trained"] == [True, False] and len(case["unchanged"]) == corrections.UNRELATED


def test_what_was_right_already_is_not_counted(settings: Settings, tmp_path: Path) -> None:
    bench = Corrections(replace(settings, data=tmp_path), "ours")
    (case,) = read_cases(rows(tmp_path, CASE))
    once = bench.play(1, case)
    assert once.state == "live", once.reason
    again = bench.play(1, case)
    assert (once.state, again.state, again.fixed) == ("live", None, True)
    assert figures([once, again])["corrected"] == 1


def test_an_arm_that_does_not_exist_has_its_own_sentence(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(FactsError, match="There is no arm 'ppo'"):
        corrections.main(settings, options(cases=rows(tmp_path, CASE), arms="ours,ppo"))


def test_a_forgotten_lesson_and_the_others_are_asked_about(settings: Settings, tmp_path: Path) -> None:
    bench = forgetting.Forgetting(replace(settings, data=tmp_path))
    bench.runner._tools = replace(bench.tools, teacher=reading_teacher())
    other = {"lesson": facts(("baker", "Namur", "Mia")), "questions": [{"question": "Who is the baker of Namur?", "answer": "Mia"}], "unknown": []}
    found = bench.play(1, read_facts(rows(tmp_path, FACT, {**FACT, **other})))
    assert found is not None
    assert (found.state, len(found.forgotten), found.forgotten) == ("live", 1, [False])
    with pytest.raises(FactsError, match="at least two"):
        forgetting.main(settings, options(facts=rows(tmp_path, FACT), each=1))


def test_a_pack_is_taken_in_both_ways(settings: Settings, tmp_path: Path) -> None:
    bench = packs.Packs(replace(settings, data=tmp_path))
    bench.runner._tools = replace(bench.tools, teacher=reading_teacher())
    (fact,) = read_facts(rows(tmp_path, FACT))
    tallies = {arm: packs.Tally() for arm in packs.ARMS}
    bench.play(1, [fact], [fact], tallies)
    assert {arm: (len(tally.taken), len(tally.seconds)) for arm, tally in tallies.items()} == {"train": (1, 1), "join": (1, 1)}
    assert set(tallies["join"].result()) == {"known_by_giver", "known_by_taker", "own_kept", "unknown_kept", "seconds_median"}
