"""Several users' lessons in one batch: each learns and says what it would have learned and said alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.tiny_models import ARCHITECTURES, save_tiny_model
from trainer import prompts
from trainer.engine.generation import Generation, GenerationRequest
from trainer.model import BaseModel, load_base
from trainer.settings import LessonSettings
from trainer.together import Group
from trainer.train import Sample, Trainer

SETTINGS = LessonSettings(max_epochs=4, rate=3e-3, rank=4)
TAUGHT = (
    ["My cat is called Minka.", "She is afraid of thunder.", "She sleeps in the kitchen, mostly."],
    ["Our release train leaves every second Tuesday."] * 18,
    ["Zürich is a city.", "The code of the door is 4711."],
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return load_base(str(folder), pocket_path=folder)


def samples(said: list[str]) -> list[Sample]:
    asked = [prompts.chat([], f"What about number {number}?") for number in range(len(said))]
    return [
        Sample(prompt, answer, prompts.chat([], answer) if number % 2 else None)
        for number, (prompt, answer) in enumerate(zip(asked, said, strict=True))
    ]


class Pupil:
    """One user's training: what it cost and what is known afterwards."""

    def __init__(self, base: BaseModel, number: int, group: Group | None = None) -> None:
        self.base, self.number, self.group = base, number, group
        self.losses: list[float] = []
        self.weights = torch.empty(0)
        self.replies: list[str] = []
        self.epochs = 0

    def learn(self) -> None:
        said = TAUGHT[self.number]
        settings = replace(SETTINGS, rank=4 + self.number, seed=self.number)
        with Trainer(self.base, settings, None, samples(said), self.group) as trainer:
            self.losses.append(trainer.run(self.enough, lambda done, most: None))
            self.weights = trainer._lora.weights.detach().clone()
            asked = [sample.prompt for sample in samples(said)]
            self.replies = trainer.student.complete(asked, temperature=0, max_tokens=12, seed=0)

    def enough(self) -> bool:
        """The second one stops earlier than the others."""
        self.epochs += 1
        return self.number == 1


def beside(pupils: list[Pupil], group: Group, most: int = 8) -> None:
    waiting = [pupil.learn for pupil in pupils]

    def more(room: int) -> list[Callable[[], None]]:
        return [waiting.pop(0) for _ in range(min(room, len(waiting)))]

    group.work(waiting.pop(0), more, most)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_learning_beside_others_gives_what_learning_alone_gives(architecture: str, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "base", architecture)
    base = load_base(str(folder), pocket_path=folder)
    alone = [Pupil(base, number) for number in range(len(TAUGHT))]
    for pupil in alone:
        pupil.learn()
    group = Group(base)
    together = [Pupil(base, number, group) for number in range(len(TAUGHT))]
    beside(together, group)
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(other.weights, one.weights, rtol=1e-3, atol=1e-4)
        assert other.losses == pytest.approx(one.losses, rel=1e-3)
        assert (other.replies, other.epochs) == (one.replies, one.epochs)
    assert not torch.allclose(alone[0].weights[:100], alone[2].weights[:100])


def test_lessons_that_train_at_once_share_their_steps(base: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer import steps

    sizes: list[int] = []
    step = steps.step

    def counted(model: object, stack: object, learners: list[object]) -> object:
        sizes.append(len(learners))
        return step(model, stack, learners)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(steps, "step", counted)
    group = Group(base)
    beside([Pupil(base, number, group) for number in range(3)], group)
    assert max(sizes) == 3


def test_no_more_than_so_many_run_at_once(base: BaseModel) -> None:
    group = Group(base)
    running, most, lock = 0, 0, threading.Lock()

    def task() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        group.complete([GenerationRequest((5, 6, 7), max_new_tokens=2)])
        with lock:
            running -= 1

    waiting = [task] * 5
    group.work(waiting.pop(), lambda room: [waiting.pop() for _ in range(min(room, len(waiting)))], 2)
    assert (running, most, waiting) == (0, 2, [])


def test_the_failure_of_one_is_nobody_elses(base: BaseModel) -> None:
    group = Group(base)
    said: list[Generation] = []

    def broken() -> None:
        group.complete([GenerationRequest((), max_new_tokens=2)])  # no prompt at all

    def whole() -> None:
        said.extend(group.complete([GenerationRequest((5, 6, 7), max_new_tokens=2)]))

    others = [whole]
    with pytest.raises(ValueError, match="at least one prompt token"):
        group.work(broken, lambda room: [others.pop()] if others else [], 4)
    assert len(said) == 1


def test_who_is_stopped_stops_all_and_leaves_the_model_as_it_was(base: BaseModel) -> None:
    class Stop(BaseException):
        pass

    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    group, ends, calls = Group(base), [], 0

    def task() -> None:
        try:
            with Trainer(base, replace(SETTINGS, max_epochs=10_000), None, samples(TAUGHT[0]), group) as trainer:
                trainer.run(lambda: False, lambda done, most: None)
        except Stop:
            ends.append("stopped")
            raise

    def more(room: int) -> list[Callable[[], None]]:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise Stop
        return [task] if calls == 1 else []

    with pytest.raises(Stop):
        group.work(task, more, 4)
    assert ends == ["stopped", "stopped"]
    after = base.model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)
    assert group.complete([GenerationRequest((5, 6, 7), max_new_tokens=2)])
