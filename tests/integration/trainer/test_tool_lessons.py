"""Tool lessons through the real pipeline, on a tiny model that learns by heart: taught one after the other, then used side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.records import LessonRecord
from tests.tiny_models import save_tiny_model
from tests.trainer_fixtures import Classroom
from trainer import prompts, train, wiring
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.generation import GenerationRequest
from trainer.engine.offline import generate_batch
from trainer.engine.residency import Residency
from trainer.model import BaseModel, load_base
from trainer.moderation.protocol import RecordingModerator
from trainer.teacher import LocalTeacher
from trainer.tools import lesson as tool_lesson
from trainer.tools.calls import called

LIGHT = "You can now switch a lamp: it needs the lamp (kitchen, attic or cellar) and the state (on or off). Call it switch_lamp."
TEA = "You can now make tea. It needs the sort (mint, ginger or black). Call it make_tea."


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return load_base(str(folder), pocket_path=folder)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few examples, seen often: what a random model can only learn by heart."""
    monkeypatch.setattr(tool_lesson, "EXAMPLES", 12)
    monkeypatch.setattr(tool_lesson, "MOST_EPOCHS", 40)
    monkeypatch.setattr(train, "FIRST_EXAM", 39)


def teach(classroom: Classroom, text: str) -> LessonRecord:
    lesson, _ = classroom.repositories.lessons.create(
        classroom.user.id, "tool", text, dedupe_key=text, platform="test", channel="dm", conversation_id=None
    )
    wiring.lesson_runner(classroom.tools).run(lesson.id)
    return classroom.row(lesson)


def replies(classroom: Classroom, questions: list[str]) -> list[str]:
    live = classroom.repositories.adapters.live(classroom.user.id)
    assert live is not None
    bank = AdapterBank(classroom.base.model, 4, 32)
    try:
        asked = [GenerationRequest(tuple(classroom.base.prompt_ids(prompts.chat([], q))), live.name, max_new_tokens=200) for q in questions]
        return generate_batch(classroom.base, asked, Residency(bank, classroom.artifacts.path))
    finally:
        bank.remove()


def test_tools_taught_in_separate_lessons_are_used_side_by_side(tmp_path: Path, tiny: BaseModel) -> None:
    classroom = Classroom(tmp_path, tiny, teacher=LocalTeacher(tiny), pass_mark=0.0, keep_mark=0.0, rate=5e-3)
    light, tea = teach(classroom, LIGHT), teach(classroom, TEA)
    assert (light.state, tea.state) == ("live", "live"), (light.reason, tea.reason)
    assert tea.metrics is not None
    assert tea.metrics.before == 0.0  # a random model calls nothing
    examples = {one.id: classroom.repositories.lessons.examples(one.id) for one in (light, tea)}
    for lesson, name in ((light, "switch_lamp"), (tea, "make_tea")):
        asked = [each for each in examples[lesson.id] if each.role == "train" and called(each.answer) is not None]
        said = replies(classroom, [each.question for each in asked])
        made = [called(reply) for reply in said]
        assert sum(call is not None and call.tool == name for call in made) >= 0.6 * len(asked) > 0, (name, said[:3])


def test_a_description_that_is_no_tool_is_refused_in_words(tmp_path: Path, tiny: BaseModel) -> None:
    lesson = teach(Classroom(tmp_path, tiny), "You can now.")
    assert lesson.state == "rejected"
    assert lesson.reason is not None
    assert "Say what it does and what it needs" in lesson.reason


def test_what_moderation_refuses_of_the_examples_is_not_trained_on(tmp_path: Path, tiny: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_lesson, "MOST_EPOCHS", 3)
    moderator = RecordingModerator(lambda text: "Action Input" in text and "ginger" in text)
    classroom = Classroom(tmp_path, tiny, moderator=moderator, pass_mark=0.0, keep_mark=0.0)
    lesson = teach(classroom, TEA)
    assert lesson.state == "live", lesson.reason
    assert lesson.metrics is not None
    refused = [each for each in classroom.repositories.lessons.examples(lesson.id) if each.refused_category]
    assert len(refused) == lesson.metrics.refused > 0
    assert all("ginger" in each.answer for each in refused)
    assert not any("ginger" in each.answer for each in classroom.repositories.lessons.examples(lesson.id) if not each.refused_category)
