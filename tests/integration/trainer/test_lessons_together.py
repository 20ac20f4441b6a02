"""Lessons of several users that wait at once are learned side by side; each keeps its order, its lease, its attempts and its job."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.records import LessonRecord
from tests.services import Installation
from tests.tiny_models import save_tiny_model
from tests.trainer_fixtures import LESSON, biscuit_teacher
from trainer.jobs import Teaching, tell
from trainer.lease import teaching
from trainer.lesson import LessonRunner
from trainer.model import BaseModel, load_base
from trainer.moderation.protocol import RecordingModerator
from trainer.settings import LessonSettings, Settings
from trainer.together import Group
from trainer.workbench import Tools
from trainer.worker import Abandoned

LESSONS = LessonSettings(samples=16, max_epochs=3, pass_mark=0.0, keep_mark=0.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return load_base(str(folder), pocket_path=folder)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    installation.close()


class School:
    """A worker's Teaching, with the real pipeline."""

    def __init__(self, here: Installation, base: BaseModel, most: int = 8) -> None:
        self.here, self.group = here, Group(base)
        self.order: list[int] = []
        self.side_by_side = 0
        self._at_work: set[int] = set()
        self._lock = threading.Lock()
        tools = Tools(
            repositories=here.repositories,
            artifacts=here.artifacts,
            base=base,
            teacher=biscuit_teacher(),
            moderator=RecordingModerator(),
            settings=Settings(data=here.root, lesson=LESSONS),
            publish=lambda event: tell(here.redis, event),
            cancelled=lambda lesson_id: False,
            group=self.group,
        )
        self.runner = LessonRunner(replace(tools))
        self.teaching = Teaching(here.repositories, here.redis, self, group=self.group, most=most)

    def run(self, lesson_id: int) -> object:
        """As the pipeline, noting who else is at it."""
        with self._lock:
            self.order.append(lesson_id)
            self._at_work.add(lesson_id)
            self.side_by_side = max(self.side_by_side, len(self._at_work))
        try:
            return self.runner.run(lesson_id)
        finally:
            with self._lock:
                self._at_work.discard(lesson_id)


def lessons_of(here: Installation, *users: str) -> list[LessonRecord]:
    return [here.teach(f"{LESSON} {number}.", user) for number, user in enumerate(users)]


def test_one_job_learns_what_waits_of_all_users_and_the_others_jobs_find_it_done(here: Installation, base: BaseModel) -> None:
    school = School(here, base)
    lessons = lessons_of(here, "ada", "bob", "cleo")
    school.teaching.learn(lessons[0].id)
    assert [here.state(lesson) for lesson in lessons] == ["live"] * 3
    assert school.side_by_side == 3
    assert all(here.repositories.adapters.live(lesson.user_id) for lesson in lessons)
    for lesson in lessons:
        school.teaching.learn(lesson.id)
    assert sorted(school.order) == [lesson.id for lesson in lessons]


def test_a_users_own_lessons_stay_in_order_and_never_run_at_once(here: Installation, base: BaseModel) -> None:
    school = School(here, base)
    first, other, second = lessons_of(here, "ada", "bob", "ada")
    school.teaching.learn(first.id)
    assert {here.state(first), here.state(other)} == {"live"}
    assert here.state(second) in ("queued", "live")  # it may have joined once the first one had ended
    school.teaching.learn(second.id)
    assert here.state(second) == "live"
    assert [each for each in school.order if each != other.id] == [first.id, second.id]
    live = here.repositories.adapters.live(first.user_id)
    assert live is not None and live.lesson_ids == (first.id, second.id)


def test_a_user_whom_another_worker_teaches_is_left_to_it(here: Installation, base: BaseModel) -> None:
    school = School(here, base)
    mine, theirs = lessons_of(here, "ada", "bob")
    with teaching(here.redis, theirs.user_id) as held:
        assert held
        school.teaching.learn(mine.id)
    assert (here.state(mine), here.state(theirs)) == ("live", "queued")


def test_one_by_one_where_the_settings_say_so(here: Installation, base: BaseModel) -> None:
    school = School(here, base, most=1)
    mine, theirs = lessons_of(here, "ada", "bob")
    school.teaching.learn(mine.id)
    assert (here.state(mine), here.state(theirs)) == ("live", "queued")


def test_a_stopped_worker_gives_all_back_and_they_go_on_later(here: Installation, base: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    school = School(here, base)
    lessons = lessons_of(here, "ada", "bob")
    do, epochs = school.group._do, 0

    def stopping(wishes: Sequence[Any]) -> None:
        nonlocal epochs
        epochs += any(wish.learner is not None for wish in wishes)
        if epochs == 2:  # the signal comes while they train
            raise Abandoned
        do(wishes)

    monkeypatch.setattr(school.group, "_do", stopping)
    with pytest.raises(Abandoned):
        school.teaching.learn(lessons[0].id)
    rows = [here.repositories.lessons.get(lesson.id) for lesson in lessons]
    assert [(row.state, row.attempts) for row in rows if row] == [("running", 0)] * 2
    monkeypatch.undo()
    school.teaching.learn(lessons[1].id)
    assert [here.state(lesson) for lesson in lessons] == ["live", "live"]
