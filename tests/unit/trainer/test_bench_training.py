"""`tutee bench training` trains the same examples in every arm, and says so in figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.cli import main
from tests.tiny_models import save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


def test_all_arms_learn_the_same_and_the_table_is_written(model: Path, tmp_path: Path) -> None:
    out, plot = tmp_path / "out.json", tmp_path / "out.png"
    command = ["bench", "training", "--base-model", str(model), "--users", "1,2", "--examples", "20", "--epochs", "6", "--repeats", "1"]
    assert main([*command, "--arms", "tutee,tutee-alone,peft-loop", "--dtype", "float32", "--json", str(out), "--plot", str(plot)]) == 0
    report = json.loads(out.read_text())
    assert [(row["trainer"], row["users"]) for row in report["rows"]] == [
        (arm, users) for users in (1, 2) for arm in ("tutee", "tutee-alone", "peft-loop")
    ]
    for ours, alone, peft in (report["rows"][:3], report["rows"][3:]):
        assert ours["final_loss"] == pytest.approx(alone["final_loss"], rel=1e-3)
        assert ours["final_loss"] == pytest.approx(peft["final_loss"], rel=0.15)  # another start of A, the same examples and steps
        assert ours["final_loss"] < 5.5  # of about 6, the logarithm of the vocabulary, and more before
        assert all(row["seconds_per_epoch"] > 0 and row["limit_share"] > 0 for row in (ours, alone, peft))
    assert plot.stat().st_size > 1000


def test_an_unknown_arm_is_named(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "training", "--base-model", str(model), "--arms", "tutee,magic"]) == 1
    assert "There is no arm magic. Choose from tutee, tutee-alone, peft-loop, trl-sft." in capsys.readouterr().err
