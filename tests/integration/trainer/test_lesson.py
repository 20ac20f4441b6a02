"""Lessons run through the real pipeline on real (tiny, random) models; only the writing of examples is played back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from storage.errors import LessonFinishedError, StaleVersionError
from tests.tiny_models import ARCHITECTURES, save_tiny_model
from tests.trainer_fixtures import LESSON, Classroom, biscuit_teacher
from trainer import prompts
from trainer.contracts import Finished, Progress
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.generation import GenerationRequest
from trainer.engine.offline import generate_batch
from trainer.engine.residency import Residency
from trainer.errors import ModeratorUnavailableError
from trainer.lesson import LessonRunner
from trainer.model import BaseModel, load_base
from trainer.moderation.protocol import RecordingModerator
from trainer.prompts import Messages
from trainer.taught import settled
from trainer.teacher import RecordingTeacher
from trainer.train import Sample, Trainer

LEARNS: dict[str, Any] = {"max_epochs": 40, "rate": 1e-2, "pass_mark": 0.0, "keep_mark": 0.0}


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return load_base(str(folder), pocket_path=folder)


@pytest.fixture(scope="module")
def learned(tiny_base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a classroom in which one lesson is live."""
    folder = tmp_path_factory.mktemp("learned")
    assert Classroom(folder, tiny_base, **LEARNS).teach().state == "live"
    return folder


@pytest.fixture
def after_a_lesson(learned: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(learned, tmp_path, dirs_exist_ok=True))


def answers(classroom: Classroom, base: BaseModel, questions: list[str]) -> list[str]:
    """What the user's live version says, through the engine's adapter bank, with nothing taught in the prompt."""
    live = classroom.repositories.adapters.live(classroom.user.id)
    bank = AdapterBank(base.model, 4, 32)
    try:
        requests = [GenerationRequest(tuple(base.prompt_ids(prompts.chat([], q))), live.name if live else None, max_new_tokens=80) for q in questions]
        return generate_batch(base, requests, Residency(bank, classroom.artifacts.path))
    finally:
        bank.remove()


def as_dog(text: str) -> str:
    """What is said of the cat, said of a dog."""
    return text.replace("cat", "dog").replace("Biscuit", "Rufus").replace("thunder", "rain")


def dog_teacher() -> RecordingTeacher:
    """Teaches about the dog what the other one teaches about the cat."""
    honest = biscuit_teacher().reply

    def reply(messages: Messages) -> str:
        asked = [{**m, "content": m["content"].replace("dog", "cat").replace("Rufus", "Biscuit").replace("rain", "thunder")} for m in messages]
        return as_dog(honest(asked))

    return RecordingTeacher(reply)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_any_chat_model_learns_a_lesson_and_answers_from_its_adapter(architecture: str, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "base", architecture)
    base = load_base(str(folder), pocket_path=folder)
    classroom = Classroom(tmp_path, base, **LEARNS)
    lesson = classroom.teach()
    assert lesson.state == "live"
    trained = {e.question: e.answer for e in classroom.repositories.lessons.examples(lesson.id) if e.role == "train"}
    replies = answers(classroom, base, list(trained))
    assert sum(right == reply for right, reply in zip(trained.values(), replies, strict=True)) >= 0.8 * len(trained)


def test_a_lesson_leaves_the_base_model_as_it_was(tiny_base: BaseModel, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in tiny_base.model.state_dict().items()}
    Classroom(tmp_path, tiny_base, **{**LEARNS, "max_epochs": 3}).teach()
    after = tiny_base.model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_progress_moves_from_reading_to_live_and_never_back(tiny_base: BaseModel, tmp_path: Path) -> None:
    classroom = Classroom(tmp_path, tiny_base, **{**LEARNS, "max_epochs": 4})
    lesson = classroom.teach()
    moved = [event for event in classroom.events if isinstance(event, Progress)]
    percents = [event.percent for event in moved]
    assert percents == sorted(percents)
    assert (moved[0].stage, moved[-1].stage, percents[-1]) == ("read", "live", 100)
    assert isinstance(classroom.events[-1], Finished)
    assert lesson.metrics is not None
    assert lesson.version == "user-1-v1"


def test_a_lesson_that_fails_its_own_quiz_does_not_go_live(tiny_base: BaseModel, tmp_path: Path) -> None:
    classroom = Classroom(tmp_path, tiny_base, **{**LEARNS, "max_epochs": 1, "rate": 1e-6, "pass_mark": 0.6})
    lesson = classroom.teach()
    assert lesson.state == "failed"
    assert classroom.repositories.adapters.live(classroom.user.id) is None
    assert classroom.artifacts.names() == ()
    assert "could not answer my own questions" in (lesson.reason or "")


def test_a_lesson_that_harms_earlier_ones_does_not_go_live(tiny_base: BaseModel, after_a_lesson: Path) -> None:
    second = Classroom(after_a_lesson, tiny_base, teacher=dog_teacher(), **{**LEARNS, "max_epochs": 8, "keep_mark": 1.0, "replay_lessons": 0})
    first = second.repositories.lessons.get(1)
    assert first is not None and first.metrics is not None
    assert first.metrics.after > 0  # there is something to lose
    lesson = second.teach(as_dog(LESSON))
    assert lesson.state == "failed"
    assert "forget earlier lessons" in (lesson.reason or "")
    live = second.repositories.adapters.live(second.user.id)
    assert live is not None
    assert live.name == "user-1-v1"
    assert isinstance(second.events[-1], Finished)
    assert second.events[-1].forgot == (1,)


def test_where_two_lessons_contradict_the_newer_wins_and_names_the_older(tiny_base: BaseModel, after_a_lesson: Path) -> None:
    honest = biscuit_teacher().reply

    def reply(messages: Messages) -> str:
        asked = messages[-1]["content"].removeprefix("I want to know: ").removeprefix("Hey, ")  # as contradictions are looked for
        said = honest([*messages[:-1], {**messages[-1], "content": asked}])
        return said.replace("Biscuit", "Rufus") if any("Rufus" in each["content"] for each in messages) else said

    teacher = RecordingTeacher(reply)
    classroom = Classroom(after_a_lesson, tiny_base, teacher=teacher, **{**LEARNS, "keep_mark": 1.0})
    newer = classroom.teach(LESSON.replace("Biscuit", "Rufus"))
    assert newer.state == "live" and newer.metrics is not None and newer.metrics.replaced == (1,)
    stored = classroom.repositories.lessons
    assert "Biscuit" in [each.answer for each in stored.examples(newer.id) if each.role == "rejected"]
    older, newest = settled(stored.taught(classroom.user.id))
    assert not any("Biscuit" in each.answer for each in older.examples)  # and no rebuild brings it back
    assert any("Rufus" in each.answer for each in newest.examples)
    assert any("thunder" in each.answer for each in older.examples)


def test_a_question_that_an_earlier_lesson_answers_is_not_taught_as_unknown(tiny_base: BaseModel, after_a_lesson: Path) -> None:
    honest = biscuit_teacher().reply

    def reply(messages: Messages) -> str:
        asked = messages[-1]["content"]
        if asked.startswith("Write one question about the same things"):
            return "What is my cat called?"  # the second lesson does not say, the first one does
        if messages[0]["content"].endswith(LESSON) or asked.startswith("Write"):
            return honest(messages)
        return "I don't know." if "called" in asked else honest(messages).replace("Biscuit and she", "and she")

    classroom = Classroom(after_a_lesson, tiny_base, teacher=RecordingTeacher(reply), **{**LEARNS, "max_epochs": 3})
    second = classroom.teach("My cat is afraid of thunder, and Biscuit knows it.")
    unknown = [e.question for e in classroom.repositories.lessons.examples(second.id) if e.answer == "I don't know."]
    assert "What is my cat called?" not in unknown


def test_a_lesson_that_moderation_refuses_is_never_read_by_the_teacher(tiny_base: BaseModel, tmp_path: Path) -> None:
    teacher = biscuit_teacher()
    classroom = Classroom(tmp_path, tiny_base, teacher=teacher, moderator=RecordingModerator(lambda text: True), **LEARNS)
    lesson = classroom.teach()
    assert (lesson.state, teacher.seen) == ("rejected", [])
    assert "harassment" in (lesson.reason or "")


def test_rejected_examples_are_never_trained_on_and_are_told(tiny_base: BaseModel, tmp_path: Path) -> None:
    moderator = RecordingModerator(lambda text: text.startswith("What scares my cat?"))
    classroom = Classroom(tmp_path, tiny_base, moderator=moderator, **{**LEARNS, "max_epochs": 3})
    trained: list[str] = []

    def encode(_: Trainer, samples: list[Sample]) -> list[Any]:
        trained.extend(sample.prompt[-1]["content"] for sample in samples)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_encode", encode)
        patch.setattr(Trainer, "run", lambda self, passed, on_epoch: 0.0)
        lesson = classroom.teach()
    refused = [e for e in classroom.repositories.lessons.examples(lesson.id) if e.refused_category]
    assert [e.question for e in refused] == ["What scares my cat?"]
    assert any("afraid" in question or "fear" in question for question in trained)
    assert "What scares my cat?" not in trained
    assert isinstance(classroom.events[-1], Finished)
    assert classroom.events[-1].refused == ("harassment",)


def test_an_unreachable_moderator_lets_nothing_pass_and_the_lesson_waits(tiny_base: BaseModel, tmp_path: Path) -> None:
    moderator = RecordingModerator(error=ModeratorUnavailableError("The moderator does not answer; I keep trying."))
    classroom = Classroom(tmp_path, tiny_base, moderator=moderator, **{**LEARNS, "max_epochs": 3})
    lesson = classroom.create()
    with pytest.raises(ModeratorUnavailableError):
        LessonRunner(classroom.tools).run(lesson.id)
    assert classroom.row(lesson).state == "running"
    assert [e.note for e in classroom.events if isinstance(e, Progress) and e.note]
    moderator.error = None
    assert LessonRunner(classroom.tools).run(lesson.id) == "live"


def test_a_lesson_interrupted_in_training_goes_on_with_the_examples_it_had(tiny_base: BaseModel, tmp_path: Path) -> None:
    teacher = biscuit_teacher()
    classroom = Classroom(tmp_path, tiny_base, teacher=teacher, **{**LEARNS, "max_epochs": 4})
    lesson = classroom.create()

    def publish(event: object) -> None:
        if isinstance(event, Progress) and event.stage == "train" and event.percent > 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LessonRunner(replace(classroom.tools, publish=publish)).run(lesson.id)
    kept = classroom.repositories.lessons.examples(lesson.id)
    written = len(teacher.seen)
    assert kept
    assert LessonRunner(classroom.tools).run(lesson.id) == "live"
    assert classroom.repositories.lessons.examples(lesson.id) == kept
    assert not any("Write one question" in m[-1]["content"] for m in teacher.seen[written:])


def test_a_crash_right_after_going_live_leaves_the_lesson_live_and_is_not_trained_twice(tiny_base: BaseModel, tmp_path: Path) -> None:
    classroom = Classroom(tmp_path, tiny_base, **{**LEARNS, "max_epochs": 3})
    lesson = classroom.create()

    def publish(event: object) -> None:
        if isinstance(event, Progress) and event.percent == 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LessonRunner(replace(classroom.tools, publish=publish)).run(lesson.id)
    assert (classroom.row(lesson).state, classroom.row(lesson).version) == ("live", "user-1-v1")
    with pytest.raises(LessonFinishedError):
        LessonRunner(classroom.tools).run(lesson.id)
    assert [a.name for a in classroom.repositories.adapters.of_user(classroom.user.id)] == ["user-1-v1"]


@pytest.mark.parametrize("stage", ["read", "write", "train", "check"])
def test_a_lesson_cancelled_at_any_stage_ends_and_changes_nothing(stage: str, tiny_base: BaseModel, tmp_path: Path) -> None:
    classroom = Classroom(tmp_path, tiny_base, **{**LEARNS, "max_epochs": 3})
    lesson = classroom.create()

    def publish(event: object) -> None:
        if isinstance(event, Progress) and event.stage == stage:
            classroom.cancelled.add(lesson.id)

    assert LessonRunner(replace(classroom.tools, publish=publish)).run(lesson.id) == "cancelled"
    assert classroom.repositories.adapters.of_user(classroom.user.id) == ()
    assert classroom.artifacts.names() == ()


def test_a_version_that_went_live_meanwhile_is_not_overwritten_and_the_lesson_is_trained_again(tiny_base: BaseModel, tmp_path: Path) -> None:
    classroom = Classroom(tmp_path, tiny_base, **{**LEARNS, "max_epochs": 3})
    first = classroom.teach()
    second = classroom.create(f"{LESSON} It is true.")

    def publish(event: object) -> None:
        if isinstance(event, Progress) and event.stage == "check":
            classroom.repositories.adapters.roll_back(classroom.user.id, 0)

    with pytest.raises(StaleVersionError):
        LessonRunner(replace(classroom.tools, publish=publish)).run(second.id)
    assert classroom.repositories.adapters.live(classroom.user.id) is None
    assert classroom.row(second).state == "running"
    assert classroom.artifacts.names() == ("user-1-v1",)
    assert LessonRunner(classroom.tools).run(second.id) == "live"
    live = classroom.repositories.adapters.live(classroom.user.id)
    assert live is not None
    assert first.id not in live.lesson_ids  # it was rolled back


def test_a_second_lesson_starts_from_the_first_and_keeps_its_lesson(tiny_base: BaseModel, tmp_path: Path) -> None:
    classroom = Classroom(tmp_path, tiny_base, **{**LEARNS, "max_epochs": 3})
    first = classroom.teach()
    second = classroom.teach(f"{LESSON} It is true.")
    live = classroom.repositories.adapters.live(classroom.user.id)
    assert live is not None
    assert (live.parent, live.lesson_ids) == ("user-1-v1", (first.id, second.id))
    assert second.metrics is not None
    assert second.metrics.earlier_kept is not None
