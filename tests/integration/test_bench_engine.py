"""`tutee bench engine` on a tiny model: every arm answers in full, the figures add up, and what cannot be measured says why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cli import main
from tests.tiny_models import save_tiny_model
from trainer.bench.engine import ARMS, Bench
from trainer.bench.report import interleave, numbers
from trainer.bench.world import PROMPT_TOKENS, BenchError
from trainer.settings import Settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("bench") / "tiny")


@pytest.fixture
def settings(tmp_path: Path, folder: Path) -> Settings:
    return replace(Settings(data=tmp_path), base_model=str(folder))


def test_every_arm_that_is_installed_answers_and_is_compared_with_ours(settings: Settings, tmp_path: Path) -> None:
    bench = Bench(settings, None, tmp_path / "world", new_tokens=4)
    rows = {row["engine"]: row for row in bench.measure([2], list(ARMS), repeats=1)}
    assert set(rows) == set(ARMS)
    measured = {name: row for name, row in rows.items() if "skipped" not in row}
    assert {"tutee", "tutee-http", "base", "stacked", "peft-mixed", "peft-switch", "transformers"} <= set(measured)
    assert all(row["tokens_per_second"] > 0 and row["of_ours"] > 0 and row["limit_share"] < 1 for row in measured.values())
    assert measured["tutee"]["first_token_ms"] > 0 and (measured["base"]["adapters"], measured["tutee"]["adapters"]) == (0, 2)
    assert all(row["skipped"] for row in rows.values() if "skipped" in row)


def test_prompts_are_of_one_length_and_never_the_same(settings: Settings, tmp_path: Path) -> None:
    world = Bench(settings, None, tmp_path / "world", new_tokens=4).world
    prompts = world.prompts(8)
    assert {len(prompt) for prompt in prompts} == {PROMPT_TOKENS} and len(set(prompts)) == 8


def test_the_cost_of_an_answer_is_told_for_every_size_of_store(settings: Settings, tmp_path: Path) -> None:
    bench = Bench(settings, None, tmp_path / "world", new_tokens=2)
    rows = bench.growth([3, 40], repeats=1)
    assert [(row["stored"], row["users"]) for row in rows] == [(3, "known"), (3, "newcomers"), (40, "known"), (40, "newcomers")]
    assert all(row["answer_ms"] > 0 for row in rows) and len(bench.world.store.names()) >= 40


def test_the_command_writes_figures_and_a_picture(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "engine", "--data", str(tmp_path), "--base-model", str(folder), "--users", "1,2", "--arms", "tutee,base,vllm"]
    out, picture = tmp_path / "out.json", tmp_path / "out.png"
    rest = ["--repeats", "1", "--new-tokens", "2", "--stored", "", "--json", str(out), "--plot", str(picture), "--vllm", "/nowhere/vllm"]
    assert main([*arguments, *rest]) == 0
    report = json.loads(out.read_text())
    assert [(row["engine"], row.get("users")) for row in report["rows"] if "skipped" not in row][:4] == [
        ("tutee", 1), ("base", 1), ("tutee", 2), ("base", 2),
    ]  # fmt: skip
    assert report["rows"][-1] == {"engine": "vllm", "skipped": "/nowhere/vllm cannot be started: No such file or directory"}
    assert picture.read_bytes().startswith(b"\x89PNG") and "vllm: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--users", "none"], "no list of numbers of users"),
        (["--arms", "ours"], "There is no arm 'ours'"),
        (["--json", "/nowhere/out.json"], "no such folder"),
        (["--plot", "out.txt"], "end its name in .png"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["bench", "engine", "--data", str(tmp_path), "--base-model", str(folder), *arguments]) == 1
    assert sentence in capsys.readouterr().err


def test_runs_take_turns_and_the_median_counts() -> None:
    order: list[str] = []
    speeds = iter([99.0, 1.0, 7.0, 2.0])

    def first() -> dict[str, float]:
        order.append("first")
        return {"speed": next(speeds)}

    def second() -> dict[str, float]:
        order.append("second")
        return {"speed": 5.0}

    assert interleave({"first": first, "second": second}, repeats=3) == {"first": {"speed": 2.0}, "second": {"speed": 5.0}}
    assert order == ["first", "second"] * 4
    with pytest.raises(BenchError):
        numbers("1,0")
