"""`tutee eval tools`: arms side by side, figures and a picture as files, and a sentence for what it cannot use."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from tests.tiny_models import save_tiny_model
from trainer.configuration import load
from trainer.evaluation.dialogues import TOOLS, DialoguesError, read
from trainer.evaluation.tools import main
from trainer.settings import Settings
from trainer.tools import lesson as tool_lesson

DATA = Path(__file__).parents[2] / "data" / "tool_dialogues.jsonl.xz"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load(None, {}, base_model=str(save_tiny_model(tmp_path_factory.mktemp("tiny"))))


def options(**changes: object) -> argparse.Namespace:
    usual = {"dialogues": DATA, "arms": "prompt,ot,sft", "examples": "12", "labelled": 20, "requests": 2, "seeds": 1, "json": None, "plot": None}
    return argparse.Namespace(**{**usual, **changes})


def test_arms_are_measured_side_by_side_and_drawn(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_lesson, "MOST_EPOCHS", 3)
    figures, picture = tmp_path / "out.json", tmp_path / "out.png"
    assert main(settings, options(json=figures, plot=picture)) == 0
    report = json.loads(figures.read_text())
    assert (report["requests"], list(report["arms"])) == (6, ["prompt", "ot-12", "sft"])
    assert [report["arms"][arm]["examples"] for arm in report["arms"]][2] == 20
    assert report["arms"]["sft"]["training_seconds"] > 0 == report["arms"]["prompt"]["training_seconds"]
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arms": "magic"}, "no arm 'magic'"),
        ({"examples": "few"}, "'few' is not a number of examples"),
        ({"dialogues": Path("nowhere.jsonl")}, "cannot be read"),
        ({"plot": Path("out.gif")}, "end its name in"),
        ({"json": Path("nowhere/out.json")}, "no such folder"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_trained(settings: Settings, changes: dict[str, object], says: str) -> None:
    with pytest.raises(DialoguesError) as refused:
        main(settings, options(**changes))
    assert says in refused.value.user_message


def test_every_labelled_request_says_its_values_and_none_is_both_trained_on_and_asked() -> None:
    rows = read(DATA)
    asked = {row.request.lower() for row in rows if row.tested}
    assert not asked & {row.request.lower() for row in rows if not row.tested}
    tools = {tool.name: tool for tool in TOOLS.values()}
    assert all(tools[row.tool].takes(row.arguments) for row in rows if row.tool in tools)
    assert all(sum(row.tested and row.tool == name for row in rows) >= 50 for name in tools)
    assert all(str(value).lower() in row.request.lower() for row in rows for value in row.arguments.values())
