"""A version goes live once, with its lesson; one that did not go live leaves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storage.artifacts import ArtifactStore
from storage.errors import LessonFinishedError, UnknownVersionError
from storage.records import AdapterRecord, LessonMetrics, LessonRecord
from storage.repositories import Repositories
from tests.databases import migrated
from trainer.publish import publish
from trainer.worker import Abandoned

METRICS = LessonMetrics(0.0, 1.0, None, 30, 0, 9.0)


@pytest.fixture
def stored(tmp_path: Path) -> Repositories:
    return Repositories.on(migrated(tmp_path / "tutee.db"))


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "adapters")


@pytest.fixture
def lesson(stored: Repositories) -> LessonRecord:
    user = stored.users.identify("test", "ada", "ada")
    lesson, _ = stored.lessons.create(user.id, "instruction", "A cat.", dedupe_key="1", platform="test", channel="dm", conversation_id=None)
    return stored.lessons.start(lesson.id)


def save(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


def publish_it(stored: Repositories, artifacts: ArtifactStore, lesson: LessonRecord, saving: Any = save) -> AdapterRecord:
    return publish(
        stored, artifacts, saving,
        user_id=lesson.user_id, cause="lesson 1", lesson_ids=[lesson.id], parent=None, base_model="pocket", metrics={},
        lesson_id=lesson.id, lesson_metrics=METRICS,
    )  # fmt: skip


def test_files_pointer_and_lesson_go_live_together(stored: Repositories, artifacts: ArtifactStore, lesson: LessonRecord) -> None:
    published = publish_it(stored, artifacts, lesson)

    ended = stored.lessons.get(lesson.id)
    assert ended is not None
    assert (ended.state, ended.version, ended.metrics) == ("live", published.name, METRICS)
    assert stored.adapters.live(lesson.user_id) == published
    assert artifacts.names() == (published.name,)


def test_a_stop_right_after_going_live_takes_nothing_away(
    stored: Repositories, artifacts: ArtifactStore, lesson: LessonRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stored.adapters.publish

    def stopped(*arguments: Any, **named: Any) -> AdapterRecord:
        real(*arguments, **named)
        raise Abandoned

    monkeypatch.setattr(stored.adapters, "publish", stopped)

    with pytest.raises(Abandoned):
        publish_it(stored, artifacts, lesson)

    live = stored.adapters.live(lesson.user_id)
    assert live is not None and artifacts.names() == (live.name,)


def test_a_stop_before_going_live_leaves_nothing(
    stored: Repositories, artifacts: ArtifactStore, lesson: LessonRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: Any, **named: Any) -> AdapterRecord:
        raise Abandoned

    monkeypatch.setattr(stored.adapters, "publish", stopped)

    with pytest.raises(Abandoned):
        publish_it(stored, artifacts, lesson)

    assert (stored.adapters.names(), artifacts.names()) == ((), ())


def test_a_lesson_cancelled_while_its_files_are_written_leaves_nothing(stored: Repositories, artifacts: ArtifactStore, lesson: LessonRecord) -> None:
    def saving(folder: Path) -> None:
        save(folder)
        stored.lessons.finish(lesson.id, "cancelled")

    with pytest.raises(LessonFinishedError):
        publish_it(stored, artifacts, lesson, saving)

    assert (stored.adapters.names(), artifacts.names()) == ((), ())


def test_a_user_who_deletes_everything_while_files_are_written_leaves_nothing(
    stored: Repositories, artifacts: ArtifactStore, lesson: LessonRecord
) -> None:
    def saving(folder: Path) -> None:
        save(folder)
        stored.users.delete(lesson.user_id)

    with pytest.raises(UnknownVersionError):
        publish_it(stored, artifacts, lesson, saving)

    assert artifacts.names() == ()
