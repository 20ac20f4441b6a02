"""Corrections learned and guarded, on real (tiny, random) models; only the writing of examples is played back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.records import ExampleRecord, LessonRecord
from storage.repositories.base import utc_now
from tests.tiny_models import save_tiny_model
from tests.trainer_fixtures import Classroom
from trainer import correct
from trainer.contracts import Finished
from trainer.correct import Correction
from trainer.errors import ModeratorUnavailableError
from trainer.examine import Report
from trainer.lesson import LessonRunner
from trainer.model import BaseModel, load_base
from trainer.moderation.protocol import RecordingModerator
from trainer.prompts import UNKNOWN, Messages
from trainer.rebuild import RebuildRunner
from trainer.rehearsal import liked_samples
from trainer.statements import statement
from trainer.teacher import RecordingTeacher
from trainer.train import Sample, Trainer

CAT, MINKA = "What is my cat called?", "Your cat is called Minka."
LEARNS: dict[str, Any] = {"max_epochs": 12, "rate": 1e-2}


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return load_base(str(folder), pocket_path=folder)


class Home(Classroom):
    """A classroom in which answers are corrected."""

    def asked(self, question: str = CAT, answer: str = MINKA) -> int:
        """The id of an exchange."""
        conversation = self.repositories.conversations.current(self.user.id, "test", "dm")
        key = f"{question} {answer}"
        exchange, _ = self.repositories.exchanges.receive(self.user.id, conversation.id, "test", key, question)
        self.repositories.exchanges.answer(exchange.id, answer, None, 0.1)
        return exchange.id

    def corrected(self, correction: str = "Biscuit", question: str = CAT, answer: str = MINKA) -> LessonRecord:
        """A correction that waits to be learned."""
        lesson, _ = self.repositories.feedback.correct(
            self.asked(question, answer), self.user.id, correction, utc_now(), dedupe_key=question, platform="test", channel="dm", say=statement
        )
        return lesson

    def learn(self, lesson: LessonRecord) -> LessonRecord:
        """Run it, and give the row afterwards."""
        LessonRunner(self.tools, {"correction": Correction}).run(lesson.id)
        return self.row(lesson)

    @property
    def live(self) -> str | None:
        live = self.repositories.adapters.live(self.user.id)
        return live.name if live else None


def at_home(folder: Path, base: BaseModel, **changes: Any) -> Home:
    lesson = {**LEARNS, **{name: value for name, value in changes.items() if name not in ("moderator", "teacher")}}
    return Home(folder, base, moderator=changes.get("moderator"), teacher=changes.get("teacher"), **lesson)


def learns_by_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is all that a random model can do: other words are another thing to it, and everything else it says changes."""
    monkeypatch.setattr(correct, "PARAPHRASES_RIGHT", 0.0)
    monkeypatch.setattr(correct, "UNRELATED_KEPT", 0.0)


@pytest.fixture
def home(tiny_base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    learns_by_heart(monkeypatch)
    home = at_home(tmp_path, tiny_base, pass_mark=0.0)
    yield home
    home.database.close()


def test_a_correction_goes_live_with_its_case_right_and_both_answers_kept(home: Home) -> None:
    lesson = home.learn(home.corrected())

    assert (lesson.state, lesson.text) == ("live", "My cat is called Biscuit."), lesson.reason
    assert lesson.metrics is not None and lesson.metrics.after > lesson.metrics.before
    ((question, before, now),) = lesson.metrics.changed
    assert (question, before, now[:26]) == (CAT, MINKA, "Your cat is called Biscuit")
    examples = home.repositories.lessons.examples(lesson.id)
    assert ExampleRecord("rejected", CAT, MINKA) in examples
    assert ExampleRecord("train", CAT, "Your cat is called Biscuit.") in examples
    assert [each.used_in for each in home.repositories.feedback.of_user(home.user.id)] == ["user-1-v1"]


def test_a_correction_that_is_not_learned_leaves_the_model_as_it_was(tiny_base: BaseModel, tmp_path: Path) -> None:
    home = at_home(tmp_path, tiny_base, max_epochs=1, rate=1e-6, pass_mark=0.0)
    lesson = home.learn(home.corrected())
    assert (lesson.state, home.live) == ("failed", None)
    assert "as you said, so the earlier version stays" in (lesson.reason or "")
    assert isinstance(home.events[-1], Finished)


def trained_on(home: Home, lesson: LessonRecord) -> list[str]:
    """The replies that the lesson would be trained with."""
    trained: list[str] = []

    def encode(_: Trainer, samples: list[Sample]) -> list[Any]:
        trained.extend(sample.reply for sample in samples)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_encode", encode)
        patch.setattr(Trainer, "run", lambda self, passed, on_epoch: 0.0)
        home.learn(lesson)
    return trained


def test_the_rejected_answer_is_never_trained_on(home: Home) -> None:
    trained = trained_on(home, home.corrected())
    assert "Your cat is called Biscuit." in trained
    assert not any("Minka" in reply for reply in trained)


def test_what_moderation_refuses_is_not_learned(tiny_base: BaseModel, tmp_path: Path) -> None:
    home = at_home(tmp_path, tiny_base, moderator=RecordingModerator(lambda text: "Biscuit" in text))
    lesson = home.learn(home.corrected())
    assert (lesson.state, home.live) == ("rejected", None)
    assert "harassment" in (lesson.reason or "")


def test_while_the_moderator_is_away_a_correction_waits(tiny_base: BaseModel, tmp_path: Path) -> None:
    home = at_home(tmp_path, tiny_base, moderator=RecordingModerator(error=ModeratorUnavailableError("away")))
    lesson = home.corrected()
    with pytest.raises(ModeratorUnavailableError):
        home.learn(lesson)
    assert home.row(lesson).state == "running"


def test_a_correction_taken_back_while_it_waited_for_a_worker_teaches_nothing(home: Home) -> None:
    lesson = home.corrected()
    home.repositories.lessons.start(lesson.id)  # begun, and then its worker died
    home.repositories.feedback.withdraw(1, home.user.id, "down")
    assert home.learn(lesson).state == "rejected"


def test_a_correction_replaces_what_an_earlier_lesson_said_and_a_rebuild_keeps_it(home: Home) -> None:
    earlier = home.create("My cat is called Minka and she likes tuna.")
    home.repositories.lessons.save_examples(
        earlier.id,
        [
            ExampleRecord("train", "What name does my cat have?", MINKA),
            ExampleRecord("quiz", "Which name has my cat?", "Minka"),
            ExampleRecord("train", "What does my cat like?", "Your cat likes tuna."),
            ExampleRecord("quiz", "What likes my cat?", "tuna"),
        ],
    )
    version = home.repositories.adapters.propose(
        home.user.id, cause="lesson 1", lesson_ids=[earlier.id], parent=None, base_model="elsewhere", metrics={}
    )
    home.repositories.adapters.publish(version.id, None, lesson_id=earlier.id)

    lesson = home.learn(home.corrected())

    assert lesson.metrics is not None
    assert (lesson.state, lesson.metrics.replaced) == ("live", (1,)), lesson.reason
    rebuild, _ = home.repositories.rebuilds.create(home.user.id, platform="test", channel="dm")
    run = RebuildRunner(home.tools)
    trained: list[tuple[str, str]] = []

    def encode(_: Trainer, samples: list[Sample]) -> list[Any]:
        trained.extend((sample.prompt[-1]["content"], sample.reply) for sample in samples)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_encode", encode)
        patch.setattr(Trainer, "run", lambda self, passed, on_epoch: 0.0)
        run.run(rebuild.id)
    assert (CAT, "Your cat is called Biscuit.") in trained and ("What does my cat like?", "Your cat likes tuna.") in trained
    assert not any("Minka" in reply for _, reply in trained)


def test_answers_with_a_thumb_up_are_replayed_when_all_agree_to_that(tiny_base: BaseModel, tmp_path: Path) -> None:
    home = at_home(tmp_path, tiny_base, moderator=RecordingModerator(lambda text: "steal" in text))
    feedback = home.repositories.feedback
    for question, answer in (("Who am I?", "You are Ada."), ("How do I steal a cat?", "At night."), ("Why?", "I don't know."), (CAT, MINKA)):
        feedback.add(home.asked(question, answer), home.user.id, "up")
    somebody = home.repositories.users.identify("test", "else", "else")
    feedback.add(home.asked("What is it?", "Nothing."), somebody.id, "up")  # not theirs
    taught = [ExampleRecord("train", CAT, "Your cat is called Biscuit.")]

    def replayed() -> list[str]:
        return [sample.reply for sample in liked_samples(home.tools, home.user.id, taught)]

    assert replayed() == []  # they have not agreed
    home.repositories.users.record_consent(home.user.id, "1")
    assert replayed() == ["You are Ada."]
    feedback.withdraw(1, home.user.id, "up")
    assert replayed() == []
    assert liked_samples(home.tools, somebody.id, taught) == []


def test_a_correction_that_is_right_only_in_the_very_words_is_not_published(tiny_base: BaseModel, tmp_path: Path) -> None:
    home = at_home(tmp_path, tiny_base)
    run = Correction(home.tools, home.corrected(), {})
    quiz = tuple(ExampleRecord("quiz", question, "Biscuit") for question in (CAT, "Which name has my cat?", "Who purrs?"))

    assert run.refusal(Report(quiz, ("Biscuit.", "Biscuit!", "Your cat Biscuit."))) is None
    assert "not when it is asked in other words" in (run.refusal(Report(quiz, ("Biscuit.", "Minka.", "Minka."))) or "")
    assert "as you said" in (run.refusal(Report(quiz, ("Minka.", "Biscuit.", "Biscuit."))) or "")


def disliked(home: Home, answer: str = MINKA) -> LessonRecord:
    """A thumb down without a word of what the answer should have been."""
    place = {"dedupe_key": "down", "platform": "test", "channel": "dm"}
    asked = home.repositories.feedback.improve(home.asked(CAT, answer), home.user.id, "wrong", utc_now(), **place)
    assert asked is not None
    return asked[0]


def knows(home: Home, text: str = "My cat is called Biscuit.") -> None:
    """The live version was taught this (on another base model, so that nothing has to be trained here)."""
    lesson = home.create(text)
    version = home.repositories.adapters.propose(home.user.id, cause="1", lesson_ids=[lesson.id], parent=None, base_model="elsewhere", metrics={})
    home.repositories.adapters.publish(version.id, None, lesson_id=lesson.id)


READS: Any = {
    "What is my cat called?": "Your cat is called Biscuit.",
    "What is my cat called? Answer in a few words.": "Biscuit",
}


def a_reader() -> RecordingTeacher:
    """Answers about the cat from what it reads, and knows nothing else."""
    return RecordingTeacher(lambda messages: READS.get(messages[-1]["content"], UNKNOWN) if messages[0]["role"] == "system" else UNKNOWN)


def test_after_a_thumb_down_alone_the_model_learns_the_better_answer_that_it_finds(
    tiny_base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learns_by_heart(monkeypatch)
    home = at_home(tmp_path, tiny_base, teacher=a_reader(), pass_mark=0.0)
    knows(home)
    lesson = home.learn(disliked(home))
    assert (lesson.state, lesson.text) == ("live", "My cat is called Biscuit."), lesson.reason
    assert lesson.metrics is not None
    assert lesson.metrics.changed[0][:2] == (CAT, MINKA) and "Biscuit" in lesson.metrics.changed[0][2]
    assert ExampleRecord("rejected", CAT, MINKA) in home.repositories.lessons.examples(lesson.id)
    (kept,) = home.repositories.feedback.of_user(home.user.id)
    assert (kept.proposed, kept.correction, kept.used_in) == ("Your cat is called Biscuit.", None, home.live)


def test_an_invented_answer_is_unlearned_where_nothing_taught_answers_the_question(home: Home) -> None:
    home.tools = replace(home.tools, teacher=a_reader())
    lesson = home.learn(disliked(home))
    assert (lesson.state, lesson.text) == ("live", ""), lesson.reason
    examples = home.repositories.lessons.examples(lesson.id)
    assert ExampleRecord("neighbour", CAT, UNKNOWN) in examples and not any(each.role == "train" for each in examples)
    assert set(trained_on_again(home)) == {UNKNOWN}


def trained_on_again(home: Home) -> list[str]:
    """What a rebuild of everything learned would train with, ordinary chat apart."""
    rebuild, _ = home.repositories.rebuilds.create(home.user.id, platform="test", channel="dm")
    run = RebuildRunner(home.tools)
    trained: list[str] = []

    def encode(_: Trainer, samples: list[Sample]) -> list[Any]:
        trained.extend(sample.reply for sample in samples if "cat" in sample.prompt[-1]["content"] and "called" in sample.prompt[-1]["content"])
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_encode", encode)
        patch.setattr(Trainer, "run", lambda self, passed, on_epoch: 0.0)
        run.run(rebuild.id)
    return trained


def test_where_no_better_answer_is_found_nothing_is_trained_and_the_user_is_told(tiny_base: BaseModel, tmp_path: Path) -> None:
    home = at_home(tmp_path, tiny_base, teacher=a_reader())
    knows(home)
    live = home.live
    lesson = home.learn(disliked(home, "Your cat is called Biscuit."))  # which is what the lesson says
    assert (lesson.state, home.live) == ("failed", live)
    assert "I found no better answer by myself" in (lesson.reason or "")
    assert home.repositories.lessons.examples(lesson.id) == ()


def test_a_better_answer_that_moderation_refuses_is_not_learned(tiny_base: BaseModel, tmp_path: Path) -> None:
    home = at_home(tmp_path, tiny_base, teacher=a_reader(), moderator=RecordingModerator(lambda text: "Biscuit" in text))
    knows(home)
    assert home.learn(disliked(home)).state == "failed"


def test_a_correction_that_changes_what_is_said_about_other_things_is_not_published(
    tiny_base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correct, "PARAPHRASES_RIGHT", 0.0)
    monkeypatch.setattr(Correction, "chat_replayed", 0)
    home = at_home(tmp_path, tiny_base, pass_mark=0.0)
    lesson = home.learn(home.corrected())
    assert (lesson.state, home.live) == ("failed", None)
    assert "quite other things" in (lesson.reason or "")


class Chatty(RecordingTeacher):
    """An untaught model with one likeliest reply, and another one that it gives when it may choose."""

    def complete(self, conversations: Sequence[Messages], *, temperature: float, max_tokens: int, seed: int) -> list[str]:
        return ["I'm glad to hear that!" if temperature else "Thank you!" for _ in conversations]


@pytest.mark.parametrize(
    ("now", "same"), [("As you like.", 1.0), ("Thank you!", 1.0), ("I'm glad to hear that!", 1.0), ("Your cat is called Biscuit.", 0.0)]
)
def test_other_things_are_as_they_were_in_the_words_of_before_and_in_those_of_the_untaught_model(home: Home, now: str, same: float) -> None:
    run = Correction(replace(home.tools, teacher=Chatty(lambda _: "")), home.corrected(), {})
    run.student = RecordingTeacher(lambda _: "As you like.")
    run.begun()
    run.student = RecordingTeacher(lambda _: now)
    assert run._same_talk() == same
