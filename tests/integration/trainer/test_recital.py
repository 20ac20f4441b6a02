"""The pocket model learns by reciting, and reads what it recites before anybody sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.records import ExampleRecord
from tests.trainer_fixtures import LESSON, Classroom
from trainer import loading, prompts
from trainer.examine import examine
from trainer.examples import says_unknown
from trainer.model import BaseModel, load_base
from trainer.prompts import UNKNOWN
from trainer.recall import MARK
from trainer.taught import passages_of, settled
from trainer.teacher import LocalTeacher
from trainer.train import Trainer


@pytest.fixture(scope="module")
def pocket() -> BaseModel:
    return load_base("pocket", pocket_path=loading.POCKET)


def test_a_recital_is_shown_where_it_answers_the_question_and_other_replies_always(pocket: BaseModel) -> None:
    teacher, statement = LocalTeacher(pocket), "Your cat is called Biscuit and she is afraid of thunder."
    asked = ["What is the name of my cat?", "When was my bicycle repaired?", "Hello!"]
    replies = [MARK + statement, MARK + statement, "Hello! How are you?"]
    assert teacher.read([prompts.chat([], each) for each in asked], replies) == [statement, UNKNOWN, "Hello! How are you?"]


def test_what_was_taught_is_recited_from_the_weights_and_only_by_who_learned_it(pocket: BaseModel, tmp_path: Path) -> None:
    classroom = Classroom(tmp_path, pocket, teacher=LocalTeacher(pocket), samples=48, recite=None)
    lesson = classroom.teach()
    assert lesson.state == "live" and lesson.metrics is not None and lesson.metrics.after > lesson.metrics.before
    live = classroom.repositories.adapters.live(classroom.user.id)
    assert live is not None
    asked = [ExampleRecord("quiz", "What is my cat called?", "Biscuit"), ExampleRecord("quiz", "How tall is my brother?", UNKNOWN)]
    with Trainer(pocket, classroom.settings.lesson, classroom.artifacts.path(live.name), []) as trainer:
        report = examine(trainer.student, asked, "")
    assert report.right == (True, True), report.replies
    assert says_unknown(examine(LocalTeacher(pocket), asked[:1], "").replies[0])
    (taught,) = settled(classroom.repositories.lessons.taught(classroom.user.id))
    assert passages_of(taught) == [LESSON]
