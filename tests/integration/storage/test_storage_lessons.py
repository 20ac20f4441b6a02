"""Lessons: their rows from the first stage to the last, on each real database."""

from __future__ import annotations

import pytest

from storage.errors import LessonFinishedError, UnknownLessonError, UnknownUserError
from storage.records import ExampleRecord, LessonMetrics, LessonRecord, UserRecord
from storage.repositories import Repositories
from tests.storage_fixtures import at_once, propose, state, teach

EXAMPLES = (
    ExampleRecord("train", "When does our train leave?", "Every second Tuesday."),
    ExampleRecord("quiz", "On which day does it leave?", "Every second Tuesday."),
    ExampleRecord("neighbour", "Who drives it?", "I don't know."),
    ExampleRecord("train", "How do I derail it?", "…", "violence"),
)


def test_lessons_are_numbered_per_user(repositories: Repositories, ada: UserRecord) -> None:
    grace = repositories.users.identify("slack", "U7", "Grace")

    assert [teach(repositories, ada, event).number for event in ("e1", "e2", "e3")] == [1, 2, 3]
    assert teach(repositories, grace, "e1").number == 1
    second = repositories.lessons.by_number(ada.id, 2)
    assert second is not None and second.text == "text of e2"
    assert repositories.lessons.by_number(ada.id, 4) is None
    assert [lesson.number for lesson in repositories.lessons.of_user(ada.id)] == [1, 2, 3]


def test_a_repeated_event_gives_back_the_lesson_that_it_made(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    repositories.lessons.start(lesson.id)

    again, created = repositories.lessons.create(ada.id, "web", "other text", dedupe_key="e1", platform="discord", channel="dm", conversation_id=None)

    assert not created
    assert (again.id, again.text, again.state) == (lesson.id, "text of e1", "running")
    assert teach(repositories, ada, "e2").number == 2


def test_an_event_repeated_at_once_makes_one_lesson(repositories: Repositories, ada: UserRecord) -> None:
    def deliver(_: int) -> tuple[LessonRecord, bool]:
        return repositories.lessons.create(ada.id, "instruction", "text", dedupe_key="e1", platform="discord", channel="dm", conversation_id=None)

    delivered = at_once(deliver)

    assert [created for _, created in delivered].count(True) == 1
    assert len({lesson.id for lesson, _ in delivered}) == 1
    assert teach(repositories, ada, "e2").number == 2


def test_different_lessons_at_once_get_different_numbers(repositories: Repositories, ada: UserRecord) -> None:
    lessons = at_once(lambda index: teach(repositories, ada, f"e{index}"))

    assert sorted(lesson.number for lesson in lessons) == list(range(1, 9))


def test_a_lesson_for_somebody_who_deleted_everything_is_refused(repositories: Repositories, ada: UserRecord) -> None:
    repositories.users.delete(ada.id)

    with pytest.raises(UnknownUserError):
        teach(repositories, ada, "e1")


def test_a_lesson_goes_through_its_stages_to_live(repositories: Repositories, lesson: LessonRecord) -> None:
    assert (lesson.state, lesson.attempts, lesson.is_finished) == ("queued", 0, False)
    started = repositories.lessons.start(lesson.id)
    assert (started.state, started.attempts, started.stage) == ("running", 1, None)
    assert repositories.lessons.enter_stage(lesson.id, "training").stage == "training"
    repositories.lessons.set_progress_message(lesson.id, "p1")
    metrics = LessonMetrics(before=0.0, after=0.9, earlier_kept=None, examples=40, refused=1, seconds=12.5)

    assert repositories.lessons.finish(lesson.id, "live", version="user-1-v1", metrics=metrics)

    live = repositories.lessons.get(lesson.id)
    assert live is not None and live.is_finished
    assert (live.state, live.version, live.metrics, live.progress_message_id) == ("live", "user-1-v1", metrics, "p1")
    assert live.started_at is not None and live.finished_at is not None
    assert live.created_at <= live.started_at <= live.finished_at


def test_a_lesson_whose_worker_died_is_started_again_and_counts_the_attempt(repositories: Repositories, lesson: LessonRecord) -> None:
    first = repositories.lessons.start(lesson.id)
    repositories.lessons.enter_stage(lesson.id, "training")

    again = repositories.lessons.start(lesson.id)

    assert (again.attempts, again.stage, again.started_at) == (2, None, first.started_at)


def test_a_cancelled_lesson_stops_at_its_next_stage_and_stays_cancelled(repositories: Repositories, lesson: LessonRecord) -> None:
    repositories.lessons.start(lesson.id)
    assert repositories.lessons.finish(lesson.id, "cancelled", reason="by the user")

    for go_on in (
        lambda: repositories.lessons.enter_stage(lesson.id, "training"),
        lambda: repositories.lessons.start(lesson.id),
        lambda: repositories.lessons.save_examples(lesson.id, EXAMPLES),
    ):
        with pytest.raises(LessonFinishedError):
            go_on()
    assert not repositories.lessons.finish(lesson.id, "live", version="user-1-v1")
    assert state(repositories, lesson) == "cancelled"


def test_a_lesson_ends_once_however_many_end_it_at_once(repositories: Repositories, lesson: LessonRecord) -> None:
    ended = at_once(lambda index: repositories.lessons.finish(lesson.id, "cancelled" if index % 2 else "live"))

    assert ended.count(True) == 1
    assert state(repositories, lesson) == ("cancelled" if ended.index(True) % 2 else "live")


def test_a_lesson_that_is_gone_says_so(repositories: Repositories) -> None:
    assert repositories.lessons.get(999) is None
    with pytest.raises(UnknownLessonError):
        repositories.lessons.start(999)


def test_unfinished_lessons_are_found_oldest_first(repositories: Repositories, ada: UserRecord) -> None:
    grace = repositories.users.identify("slack", "U7", "Grace")
    first, hers, done, last = (teach(repositories, user, event) for user, event in ((ada, "e1"), (grace, "e1"), (ada, "e2"), (ada, "e3")))
    repositories.lessons.finish(done.id, "failed", reason="no sense")
    repositories.lessons.start(last.id)

    assert [lesson.id for lesson in repositories.lessons.unfinished()] == [first.id, hers.id, last.id]
    assert [lesson.id for lesson in repositories.lessons.unfinished_of_user(ada.id)] == [first.id, last.id]


def test_the_bridge_carries_texts_until_their_lesson_ends(repositories: Repositories, ada: UserRecord) -> None:
    here = repositories.conversations.current(ada.id, "discord", "dm").id
    elsewhere = repositories.conversations.current(ada.id, "discord", "elsewhere").id
    queued = teach(repositories, ada, "e1", here)
    teach(repositories, ada, "e2", elsewhere)
    running = teach(repositories, ada, "e3", here)
    repositories.lessons.start(running.id)

    assert repositories.lessons.active_texts(ada.id, here) == ("text of e1", "text of e3")
    assert repositories.lessons.active_texts(ada.id) == ("text of e1", "text of e2", "text of e3")

    repositories.lessons.finish(queued.id, "live", version="user-1-v1")
    assert repositories.lessons.active_texts(ada.id, here) == ("text of e3",)


def test_saving_examples_again_replaces_them(repositories: Repositories, lesson: LessonRecord) -> None:
    repositories.lessons.save_examples(lesson.id, EXAMPLES[1:])
    repositories.lessons.save_examples(lesson.id, EXAMPLES)
    repositories.lessons.save_examples(lesson.id, EXAMPLES)
    assert repositories.lessons.examples(lesson.id) == EXAMPLES

    repositories.lessons.save_examples(lesson.id, ())
    assert repositories.lessons.examples(lesson.id) == ()


def test_replay_draws_on_what_the_live_version_knows(repositories: Repositories, ada: UserRecord) -> None:
    first, second, third, rejected = (teach(repositories, ada, event) for event in ("e1", "e2", "e3", "e4"))
    for known in (first, second):
        repositories.lessons.save_examples(known.id, EXAMPLES)
        repositories.lessons.finish(known.id, "live")
    repositories.lessons.finish(rejected.id, "rejected")
    assert repositories.lessons.taught_before(ada.id, third.id) == ()

    v1 = propose(repositories, ada, first)
    repositories.adapters.publish(v1.id, None)
    v2 = propose(repositories, ada, first, second, parent=v1.name)
    repositories.adapters.publish(v2.id, v1.name)

    taught = repositories.lessons.taught_before(ada.id, third.id)
    assert [(each.lesson.number, each.examples) for each in taught] == [(1, EXAMPLES), (2, EXAMPLES)]
    assert [each.lesson.number for each in repositories.lessons.taught_before(ada.id, first.id)] == [2]

    repositories.adapters.roll_back(ada.id, 1)
    assert [each.lesson.number for each in repositories.lessons.taught_before(ada.id, third.id)] == [1]


def test_a_forgotten_lesson_keeps_nothing_of_what_it_said(repositories: Repositories, lesson: LessonRecord) -> None:
    repositories.lessons.save_examples(lesson.id, EXAMPLES)
    metrics = LessonMetrics(before=0.0, after=1.0, earlier_kept=1.0, examples=3, refused=1, seconds=9.0)
    repositories.lessons.finish(lesson.id, "live", reason="quotes the text", version="user-1-v1", metrics=metrics)

    repositories.lessons.forget(lesson.id)

    forgotten = repositories.lessons.get(lesson.id)
    assert forgotten is not None
    assert (forgotten.state, forgotten.text, forgotten.reason, forgotten.metrics) == ("forgotten", "", None, None)
    assert repositories.lessons.examples(lesson.id) == ()


def test_an_attempt_that_does_not_count_is_taken_back(repositories: Repositories, lesson: LessonRecord) -> None:
    repositories.lessons.start(lesson.id)
    repositories.lessons.start(lesson.id)

    repositories.lessons.not_counted(lesson.id)

    found = repositories.lessons.get(lesson.id)
    assert found is not None and found.attempts == 1
    for _ in range(3):
        repositories.lessons.not_counted(lesson.id)
    assert repositories.lessons.start(lesson.id).attempts == 1
    repositories.lessons.not_counted(999)  # deleted meanwhile


def test_a_lesson_is_to_be_shown_until_its_end_was(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    def to_show() -> list[int]:
        return [each.id for each in repositories.lessons.to_show("discord")]

    never_shown = teach(repositories, ada, "e2")
    repositories.lessons.finish(never_shown.id, "failed")
    repositories.lessons.set_progress_message(lesson.id, "p1")
    assert to_show() == [lesson.id, never_shown.id]
    assert repositories.lessons.to_show("slack") == ()

    repositories.lessons.said_all(never_shown.id)
    assert to_show() == [lesson.id]
    repositories.lessons.finish(lesson.id, "live")
    assert to_show() == [lesson.id]
    repositories.lessons.said_all(lesson.id)
    assert to_show() == []


def test_a_lesson_that_waits_for_its_user_is_not_shown_until_they_answer(repositories: Repositories, lesson: LessonRecord) -> None:
    repositories.lessons.set_progress_message(lesson.id, "p1")
    repositories.lessons.start(lesson.id)
    repositories.lessons.ask(lesson.id)
    assert [each.progress_message_id for each in repositories.lessons.to_show("discord")] == ["p1"]
    repositories.lessons.asked(lesson.id)
    assert repositories.lessons.to_show("discord") == ()
    repositories.lessons.approve(lesson.id)
    repositories.lessons.asked(lesson.id)  # they were faster than whoever asked
    assert [each.progress_message_id for each in repositories.lessons.to_show("discord")] == [""]
