"""Models rebuilt from the lesson log, and lessons forgotten, on real (tiny, random) models; only the writing of examples is played back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.errors import RebuildFinishedError, VersionRemovedError
from storage.paused import Paused
from storage.records import ExampleRecord, LessonRecord, RebuildRecord
from tests.tiny_models import save_tiny_model
from tests.trainer_fixtures import LESSON, Classroom
from trainer import rebuild
from trainer.contracts import Event, Rebuilding, Rebuilt
from trainer.model import BaseModel, load_base
from trainer.rebuild import RebuildRunner
from trainer.settings import LessonSettings
from trainer.together import Group
from trainer.train import Sample, Trainer

LEARNS: dict[str, Any] = {"max_epochs": 12, "rate": 1e-2, "pass_mark": 0.0, "keep_mark": 0.0}
DOG = "My dog is called Rex."
CAT_QUIZ = ("What is my cat called?", "Biscuit")
DOG_QUIZ = ("What is my dog called?", "Rex")


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return load_base(str(folder), pocket_path=folder)


class Home(Classroom):
    """A classroom in which lessons can be rebuilt and forgotten."""

    def taught(self, text: str, question: str, answer: str) -> LessonRecord:
        """A lesson that is live in a version of its own, trained nowhere: quick, and enough for everything but the proof."""
        lesson = self.create(text)
        rows = self.repositories.lessons
        rows.start(lesson.id)
        rows.save_examples(lesson.id, [ExampleRecord("train", question, f"{answer}."), ExampleRecord("quiz", question, answer)])
        live = self.repositories.adapters.live(self.user.id)
        version = self.repositories.adapters.propose(
            self.user.id, cause=f"lesson {lesson.number}", lesson_ids=[*(live.lesson_ids if live else ()), lesson.id],
            parent=live.name if live else None, base_model="elsewhere", metrics={},
        )  # fmt: skip
        self.artifacts.write(version.name, lambda folder: (folder / "adapter_config.json").write_text("{}"))  # type: ignore[arg-type]  # no result
        self.repositories.adapters.publish(version.id, live.name if live else None, lesson_id=lesson.id)
        return self.row(lesson)

    def asked(self, forgets: LessonRecord | None = None) -> RebuildRecord:
        """A queued rebuild."""
        rebuild, _ = self.repositories.rebuilds.create(self.user.id, platform="test", channel="dm", forgets=forgets.id if forgets else None)
        return rebuild

    def rebuild(self, forgets: LessonRecord | None = None) -> RebuildRecord:
        """Rebuild, and give the row afterwards."""
        rebuild = self.asked(forgets)
        self.runner().run(rebuild.id)
        return self.found(rebuild)

    def runner(self, **changes: Any) -> RebuildRunner:
        def is_cancelled(rebuild_id: int) -> bool:
            rebuild = self.repositories.rebuilds.get(rebuild_id)
            return rebuild is None or rebuild.is_finished

        return RebuildRunner(replace(self.tools, cancelled=is_cancelled, **changes))

    def found(self, rebuild: RebuildRecord) -> RebuildRecord:
        found = self.repositories.rebuilds.get(rebuild.id)
        assert found is not None
        return found

    @property
    def live(self) -> str | None:
        live = self.repositories.adapters.live(self.user.id)
        return live.name if live else None


@pytest.fixture
def home(tiny_base: BaseModel, tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path, tiny_base, **LEARNS)
    yield home
    home.database.close()


def test_a_lesson_is_forgotten_with_proof_and_the_others_are_kept(home: Home) -> None:
    cat = home.taught(LESSON, *CAT_QUIZ)
    dog = home.taught(DOG, *DOG_QUIZ)
    both = home.rebuild()  # so that a real version knows both
    assert both.metrics is not None
    assert (both.state, both.version, both.metrics.lessons, both.metrics.kept) == ("live", "user-1-v3", 2, 1.0)

    forgotten = home.rebuild(forgets=cat)

    assert forgotten.metrics is not None
    assert (forgotten.metrics.known_before, forgotten.metrics.known_after, forgotten.metrics.kept) == (1.0, 0.0, 1.0)
    assert (forgotten.number, forgotten.metrics.lessons, forgotten.metrics.removed) == (cat.number, 1, (1, 2, 3))
    live = home.repositories.adapters.live(home.user.id)
    assert live is not None
    assert (live.name, live.parent, live.lesson_ids, live.cause) == ("user-1-v4", None, (dog.id,), "forgetting lesson 1")
    row = home.row(cat)
    assert (row.state, row.text, home.repositories.lessons.examples(cat.id)) == ("forgotten", "", ())
    with pytest.raises(VersionRemovedError):
        home.repositories.adapters.roll_back(home.user.id, 3)


def test_the_only_lesson_is_gone_from_answers_at_once_and_then_from_the_log(home: Home) -> None:
    cat = home.taught(LESSON, *CAT_QUIZ)
    rebuild = home.asked(forgets=cat)
    assert home.live is None  # before any worker has had a look

    home.runner().run(rebuild.id)

    ended = home.found(rebuild)
    assert ended.metrics is not None
    assert (ended.state, ended.version, ended.metrics.known_after, ended.metrics.removed) == ("live", None, 0.0, (1,))
    assert home.row(cat).state == "forgotten"


def test_forgetting_what_the_live_version_never_knew_trains_nothing(home: Home) -> None:
    home.taught(DOG, *DOG_QUIZ)
    cat = home.taught(LESSON, *CAT_QUIZ)
    home.repositories.adapters.roll_back(home.user.id, 1)

    ended = home.rebuild(forgets=cat)

    assert ended.metrics is not None
    assert (ended.state, home.live, ended.metrics.removed, ended.metrics.lessons) == ("live", "user-1-v1", (2,), 0)
    assert home.row(cat).state == "forgotten"


def test_a_rebuild_without_any_lesson_says_so(home: Home) -> None:
    ended = home.rebuild()
    assert (ended.state, ended.reason) == ("failed", "There is no lesson to rebuild your model from.")


def test_progress_is_told_and_never_goes_back(home: Home) -> None:
    home.taught(DOG, *DOG_QUIZ)
    home.rebuild()
    moved = [event for event in home.events if isinstance(event, Rebuilding)]
    percents = [event.percent for event in moved]
    assert percents == sorted(percents)
    assert (moved[0].stage, moved[-1].stage, percents[-1]) == ("read", "live", 100)
    assert isinstance(home.events[-1], Rebuilt)


@pytest.mark.parametrize("stage", ["read", "train", "check"])
def test_a_rebuild_cancelled_at_any_stage_changes_nothing(stage: str, home: Home) -> None:
    cat = home.taught(LESSON, *CAT_QUIZ)
    home.taught(DOG, *DOG_QUIZ)
    rebuild = home.asked(forgets=cat)

    def publish(event: object) -> None:
        if isinstance(event, Rebuilding) and event.stage == stage:
            home.repositories.rebuilds.finish(rebuild.id, "cancelled")

    assert home.runner(publish=publish).run(rebuild.id) == "cancelled"
    assert (home.live, home.row(cat).state, home.artifacts.names()) == ("user-1-v2", "live", ("user-1-v1", "user-1-v2"))


def test_a_rebuild_killed_while_training_begins_again_and_one_killed_after_going_live_does_not(home: Home) -> None:
    cat = home.taught(LESSON, *CAT_QUIZ)
    home.taught(DOG, *DOG_QUIZ)
    rebuild = home.asked(forgets=cat)

    def dies_at(percent: int) -> Any:
        def publish(event: object) -> None:
            if isinstance(event, Rebuilding) and event.percent >= percent:
                raise KeyboardInterrupt

        return publish

    with pytest.raises(KeyboardInterrupt):
        home.runner(publish=dies_at(20)).run(rebuild.id)
    assert (home.found(rebuild).state, home.live, home.row(cat).state) == ("running", "user-1-v2", "live")
    with pytest.raises(KeyboardInterrupt):
        home.runner(publish=dies_at(100)).run(rebuild.id)
    assert (home.found(rebuild).state, home.live, home.row(cat).state) == ("live", "user-1-v3", "forgotten")
    with pytest.raises(RebuildFinishedError):
        home.runner().run(rebuild.id)
    assert home.artifacts.names() == ("user-1-v1", "user-1-v2", "user-1-v3")  # the bot removes them once nothing is answered by them


def test_a_rebuild_that_would_know_less_does_not_go_live(home: Home) -> None:
    home.taught(LESSON, *CAT_QUIZ)
    lazy = replace(home.settings, lesson=replace(home.settings.lesson, max_epochs=1, rate=1e-6, keep_mark=0.8))
    rebuild = home.asked()

    assert home.runner(settings=lazy).run(rebuild.id) == "failed"

    assert home.live == "user-1-v1"
    assert "known less" in (home.found(rebuild).reason or "")


class Killed(BaseException):
    """What ends a process at once."""


def killed(home: Home, asked: RebuildRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rebuild is begun, and its process is killed while it trains."""
    monkeypatch.setattr(rebuild, "KEPT_EVERY", 0.0)

    def tell(event: Event) -> None:
        if isinstance(event, Rebuilding) and event.stage == "train" and event.percent > 15:
            raise Killed

    with pytest.raises(Killed):
        home.runner(publish=tell).run(asked.id)


def parents(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """From what each training that has something to learn begins."""
    found: list[Path | None] = []
    real = Trainer.__init__

    def init(
        trainer: Trainer, base: BaseModel, settings: LessonSettings, parent: Path | None, samples: list[Sample], group: Group | None = None
    ) -> None:
        if samples:
            found.append(parent)
        real(trainer, base, settings, parent, samples, group)

    monkeypatch.setattr(Trainer, "__init__", init)
    return found


def test_a_rebuild_whose_process_was_killed_goes_on_with_the_weights_it_had(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.taught("My cat is called Biscuit.", *CAT_QUIZ)
    asked = home.asked()
    killed(home, asked, monkeypatch)
    paused = Paused(home.artifacts.root)
    assert paused.rebuilds() == {asked.id} and home.artifacts.names() == ("user-1-v1",)
    began = parents(monkeypatch)
    home.runner().run(asked.id)
    assert [each.name.startswith(f".rebuild-{asked.id}-") for each in began if each] == [True]
    assert (home.found(asked).state, home.live) == ("live", "user-1-v2")
    assert paused.rebuilds() == set()


def test_what_was_kept_of_another_training_is_not_gone_on_with(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.taught("My cat is called Biscuit.", *CAT_QUIZ)
    asked = home.asked()
    killed(home, asked, monkeypatch)
    home.taught(DOG, *DOG_QUIZ)
    began = parents(monkeypatch)
    home.runner().run(asked.id)
    assert began == [None]
