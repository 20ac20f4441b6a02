"""`tutee eval documents`: passages taught as files and asked about, through the pipeline that serves users."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.reading_teacher import facts, reading_teacher
from tests.tiny_models import save_tiny_model
from trainer.configuration import load
from trainer.evaluation import documents
from trainer.evaluation.documents import DocumentBench, main, read_passages
from trainer.evaluation.learning import FactsError, Tally
from trainer.settings import Settings

TEXT = facts(*zip(["baker"] * 4, ("Ghent", "Bruges", "Antwerp", "Namur"), ("Tom", "Ann", "Ivo", "Mia"), strict=True))
ROW = {"title": "Bakers", "context": TEXT, "questions": [{"question": "Who is the baker of Namur?", "answer": "Mia"}]}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    loaded = load(None, {}, base_model=str(save_tiny_model(tmp_path_factory.mktemp("tiny"))))
    return replace(loaded, lesson=replace(loaded.lesson, samples=16, max_epochs=1, pass_mark=0.0, keep_mark=0.0))


def options(folder: Path, *rows: object, **others: object) -> argparse.Namespace:
    passages = folder / "passages.jsonl"
    passages.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in rows))
    given = {"passages": passages, "limit": None, "arms": "context,base", "seed": None, "json": None, "plot": None}
    return argparse.Namespace(**{**given, **others})


def test_passages_are_measured_with_the_same_keys_as_lessons(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "out.json"
    assert main(settings, options(tmp_path, ROW, ROW, ROW, limit=2, json=figures)) == 0
    report = json.loads(figures.read_text())
    assert (report["mode"], report["lessons"], report["questions"], list(report["arms"])) == ("each", 2, 2, ["context", "base"])
    keys = {"known", "unknown_kept", "earlier_kept", "own_quiz", "seconds_median", "seconds_p95", "answer_tokens_in_median"}
    assert set(report["arms"]["context"]) == keys
    assert report["arms"]["context"]["answer_tokens_in_median"] > report["arms"]["base"]["answer_tokens_in_median"]
    assert "context" in capsys.readouterr().out


def test_a_passage_is_taught_as_a_file_by_a_fresh_user(settings: Settings, tmp_path: Path) -> None:
    bench = DocumentBench(replace(settings, data=tmp_path))
    bench.runner._tools = replace(bench.runner._tools, teacher=reading_teacher())
    (document,) = read_passages(options(tmp_path, ROW).passages)
    tally: Tally = bench.measure("ours", [document], sequential=False)
    assert len(tally.marks[0]) == 1 and tally.seconds[0] > 0
    (lesson,) = bench.repositories.lessons.of_user(1)
    assert lesson.metrics is not None and tally.quizzes == [lesson.metrics.after]
    assert (lesson.kind, lesson.state, lesson.sources[0].words) == ("document", "live", len(TEXT.split()))


def test_the_context_arm_reads_what_the_question_is_about(settings: Settings, tmp_path: Path) -> None:
    bench = DocumentBench(replace(settings, data=tmp_path))
    filler = " ".join(f"The singer of Mons number {number} sings on every day of the week but Monday." for number in range(60))
    (document,) = read_passages(options(tmp_path, {**ROW, "context": f"{filler} {TEXT}"}).passages)
    taught = bench.taught(document, "Who is the baker of Namur?")
    assert "The baker of Namur is Mia." in taught
    assert len(taught.split()) <= documents.READ_WORDS + 60


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "has no rows"),
        ([ROW, '{"title": "x"}'], "line 2: expected"),
        ([{**ROW, "questions": [{"question": "x", "answer": 3}]}], "line 1: expected"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(settings: Settings, tmp_path: Path, rows: list[object], sentence: str) -> None:
    with pytest.raises(FactsError, match=sentence):
        main(settings, options(tmp_path, *rows))
