"""``tutee eval moderation`` counts rightly, writes the promised keys, and says what is wrong with a file."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from trainer.evaluation.moderation import TextsError, main, measure, read
from trainer.moderate import RecordingModerator
from trainer.settings import Settings

KEYS = {"n", "auroc", "precision", "recall", "false_positive_rate", "texts_per_second"}


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_figures_are_written_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"text": "My cat is called Biscuit.", "flagged": False},
        {"text": "You stupid worthless bitch.", "flagged": True},
    ]
    out = tmp_path / "out.json"
    assert main(Settings(tmp_path), Namespace(texts=write(tmp_path / "texts.jsonl", [*rows]), json=out)) == 0
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert set(figures) == KEYS
    assert (
        figures["n"],
        figures["auroc"],
        figures["precision"],
        figures["recall"],
        figures["false_positive_rate"],
    ) == (2, 1, 1, 1, 0)
    assert figures["texts_per_second"] > 0
    assert "false positive rate" in capsys.readouterr().out


def test_without_json_only_the_table_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "texts.jsonl", [{"text": "Hello.", "flagged": False}])
    assert main(Settings(tmp_path), Namespace(texts=path, json=None)) == 0
    assert list(tmp_path.iterdir()) == [path]


def test_mistakes_of_both_kinds_are_counted() -> None:
    moderator = RecordingModerator(lambda text: "x" in text)
    figures = measure(moderator, [("x1", True), ("x2", True), ("y", True), ("x3", False), ("a", False), ("b", False), ("c", False)])
    assert (figures.n, figures.recall, figures.precision, figures.false_positive_rate) == (7, 0.6667, 0.6667, 0.25)
    assert figures.auroc == pytest.approx(0.7083, abs=1e-3)


def test_figures_that_are_not_defined_are_null() -> None:
    figures = measure(RecordingModerator(), [("a", False), ("b", False)])
    assert (figures.auroc, figures.precision, figures.recall, figures.false_positive_rate) == (None, None, None, 0.0)


@pytest.mark.parametrize("line", ["not json", "[]", "3", '{"text": "a"}', '{"text": 3, "flagged": true}', '{"text": "a", "flagged": "yes"}'])
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "a", "flagged": true}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(TextsError, match="line 2"):
        read(path)


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    for name in ("missing.jsonl", "empty.jsonl"):
        with pytest.raises(TextsError, match=name):
            read(tmp_path / name)
