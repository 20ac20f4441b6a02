"""A lesson taken from a pack is trained on what was written for its first owner, by the taker's own model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storage.records import ExampleRecord
from tests.tiny_models import save_tiny_model
from tests.trainer_fixtures import Classroom
from trainer.lesson import LessonRunner
from trainer.model import BaseModel, load_base

LEARNS: dict[str, Any] = {"max_epochs": 4, "rate": 1e-2, "pass_mark": 0.0, "keep_mark": 0.0}
TAUGHT = ExampleRecord("train", "What is my cat called?", "Your cat is called Biscuit.")


@pytest.fixture
def tiny_base(tmp_path: Path) -> BaseModel:
    folder = save_tiny_model(tmp_path / "tiny")
    return load_base(str(folder), pocket_path=folder)


def test_nothing_is_written_again_for_who_takes_a_lesson(tiny_base: BaseModel, tmp_path: Path) -> None:
    home = Classroom(tmp_path, tiny_base, **LEARNS)
    stored = home.repositories
    lesson = home.create("My cat is called Biscuit.")
    stored.lessons.save_examples(lesson.id, [TAUGHT, ExampleRecord("quiz", "Which name has my cat?", "Biscuit")])
    stored.lessons.finish(lesson.id, "live")
    pack = stored.packs.share(home.user.id, [lesson.id], "c0de00")
    bob = stored.users.identify("test", "bob", "bob")
    (taken,) = stored.packs.take(pack, bob.id, source="shared by you", platform="test", channel="dm", dedupe_key="c0de00")

    LessonRunner(home.tools).run(taken.id)

    assert home.row(taken).state == "live", home.row(taken).reason
    live = stored.adapters.live(bob.id)
    assert live is not None and live.name == "user-2-v1" and stored.adapters.live(home.user.id) is None
    asked = [messages[-1]["content"] for messages in home.tools.teacher.seen]  # type: ignore[attr-defined]  # it is a recording one
    assert not any(text.startswith(("Write", "Say this")) for text in asked)
    assert stored.lessons.examples(taken.id)[0] == TAUGHT
    home.database.close()
