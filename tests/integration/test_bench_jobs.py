"""`tutee bench jobs`, as small as it gets: a whole installation is started, measured and ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.cli import main
from storage.repositories import Repositories
from storage.session import Database
from tests.services import processes_of
from trainer.bench import swaps
from trainer.bench.crowd import EXCHANGES, LESSONS, fill


@pytest.mark.timeout(600)
def test_everything_is_measured_in_the_time_that_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(swaps, "CALM_S", 1.0)
    monkeypatch.setattr(swaps, "SWAPS", 6)
    out = tmp_path / "out.json"
    config = tmp_path / "config.yaml"
    config.write_text("lesson: {samples: 8, questions: 8, neighbours: 2, max_epochs: 1, pass_mark: 0.0, keep_mark: 0.0}")
    options = ["--config", str(config), "--users", "2", "--repeats", "1", "--minutes", "0", "--stored", "10", "--json", str(out)]
    assert main(["bench", "jobs", "--data", str(tmp_path / "data"), *options]) == 0

    report = json.loads(out.read_text())
    for name in ("enqueue_to_start_ms", "publish_to_first_answer_ms", "first_answer_of_known_version_ms", "lesson_ms"):
        assert report[name] > 0
    assert [(row["engine"], row["users"], row["turns"]) for row in report["rows"]] == [("side by side", 2, 1), ("one by one", 2, 1)]
    assert all(row["lessons_per_minute"] > 0 for row in report["rows"])
    assert [row["people"] for row in report["growth"]] == [10] and all(row["answer_ms"] > 0 for row in report["growth"])
    assert report["swaps"]["failed"] == 0 and report["swaps"]["answers"] > report["swaps"]["swaps"] > 0
    assert processes_of(tmp_path) == []


def test_a_crowd_is_people_with_lessons_models_and_conversations(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tutee.db'}")
    database.upgrade()
    stored = Repositories.on(database)
    known = stored.users.identify("terminal", "ada", "Ada")
    for people in (5, 40, 7):
        fill(database, people)
    assert stored.users.count() == 40
    assert stored.users.get(known.id) == known
    somebody = stored.users.find("crowd", str(stored.users.ids()[-1]))
    assert somebody is not None and somebody.live_version == f"user-{somebody.id}-v1"
    assert [lesson.state for lesson in stored.lessons.of_user(somebody.id)] == ["live"] * LESSONS
    assert len(stored.exchanges.of_user(somebody.id)) == EXCHANGES
    database.close()
