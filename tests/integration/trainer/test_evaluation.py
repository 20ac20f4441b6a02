"""`tutee eval learning`: arms side by side, figures and a picture as files, and a sentence for what it cannot use."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from tests.tiny_models import save_tiny_model
from trainer.configuration import load
from trainer.evaluation.learning import FactsError, main
from trainer.settings import Settings

ROW = {"lesson": "The cat is Miso.", "questions": [{"question": "Who is the cat?", "answer": "Miso"}], "unknown": ["How old is the cat?"]}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load(None, {}, base_model=str(save_tiny_model(tmp_path_factory.mktemp("tiny"))))


def options(folder: Path, *rows: object, **others: object) -> argparse.Namespace:
    facts = folder / "facts.jsonl"
    facts.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in rows))
    return argparse.Namespace(**{"facts": facts, "mode": "each", "arms": "context,base", "seed": None, "json": None, "plot": None, **others})


def test_arms_are_measured_side_by_side_and_drawn(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures, picture = tmp_path / "out.json", tmp_path / "out.png"
    assert main(settings, options(tmp_path, ROW, ROW, json=figures, plot=picture)) == 0
    report = json.loads(figures.read_text())
    assert (report["lessons"], report["questions"], list(report["arms"])) == (2, 2, ["context", "base"])
    assert report["arms"]["context"]["answer_tokens_in_median"] > report["arms"]["base"]["answer_tokens_in_median"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "context" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "others", "sentence"),
    [
        ([], {}, "has no rows"),
        ([ROW, '{"lesson": "x"}'], {}, "line 2: expected"),
        ([ROW], {"arms": "ours,theirs"}, "There is no arm 'theirs'"),
        ([ROW], {"json": Path("/nowhere/out.json")}, "no such folder"),
        ([ROW], {"plot": Path("out.gif")}, "end its name in .png"),
        ([ROW], {"facts": Path("/nowhere/facts.jsonl")}, "cannot be read"),
    ],
)
def test_what_it_cannot_use_has_its_own_sentence(
    settings: Settings, tmp_path: Path, rows: list[object], others: dict[str, object], sentence: str
) -> None:
    with pytest.raises(FactsError, match=sentence):
        main(settings, options(tmp_path, *rows, **others))
