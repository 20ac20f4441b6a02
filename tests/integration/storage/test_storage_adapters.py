"""Versions of models: proposed, live, rolled back and removed, on each real database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storage.errors import LessonFinishedError, StaleVersionError, UnknownVersionError
from storage.records import AdapterRecord, LessonMetrics, LessonRecord, UserRecord
from storage.repositories import Repositories
from tests.storage_fixtures import at_once, propose, state, teach


def test_a_new_version_is_named_by_user_and_number_and_answers_nobody_yet(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    proposed = propose(repositories, ada, lesson)

    assert (proposed.number, proposed.name) == (1, f"user-{ada.id}-v1")
    assert (proposed.lesson_ids, proposed.metrics, proposed.published_at) == ((lesson.id,), {"after": 1.0}, None)
    assert repositories.adapters.by_name(proposed.name) == proposed
    assert repositories.adapters.live(ada.id) is None


def test_publishing_moves_the_live_pointer(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    proposed = propose(repositories, ada, lesson)

    published = repositories.adapters.publish(proposed.id, None)

    assert published.published_at is not None
    assert repositories.adapters.live(ada.id) == published
    user = repositories.users.identify("discord", "1001", "Ada")
    assert user.live_version == proposed.name
    assert repositories.adapters.publish(proposed.id, None) == published  # a second run of the same job


def test_a_version_made_from_one_that_is_no_longer_live_is_not_published(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    first, second = propose(repositories, ada, lesson), propose(repositories, ada, lesson)
    repositories.adapters.publish(first.id, None)

    with pytest.raises(StaleVersionError) as caught:
        repositories.adapters.publish(second.id, None)

    assert (caught.value.expected, caught.value.actual) == (None, first.name)
    live = repositories.adapters.live(ada.id)
    assert live is not None and live.name == first.name
    assert repositories.adapters.publish(second.id, first.name).published_at is not None


def test_of_versions_published_at_once_one_goes_live(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    proposed = at_once(lambda _: propose(repositories, ada, lesson))
    assert sorted(version.number for version in proposed) == list(range(1, 9))

    def publish(index: int) -> bool:
        try:
            repositories.adapters.publish(proposed[index].id, None)
        except StaleVersionError:
            return False
        return True

    published = at_once(publish)

    assert published.count(True) == 1
    live = repositories.adapters.live(ada.id)
    assert live is not None and live.name == proposed[published.index(True)].name


def test_rolling_back_and_forth_needs_no_training(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    v1 = repositories.adapters.publish(propose(repositories, ada, lesson).id, None)
    v2 = repositories.adapters.publish(propose(repositories, ada, lesson).id, v1.name)

    assert repositories.adapters.roll_back(ada.id, 1) == v1
    assert repositories.adapters.live(ada.id) == v1
    assert repositories.adapters.roll_back(ada.id, 2) == v2
    assert repositories.adapters.live(ada.id) == v2
    assert repositories.adapters.roll_back(ada.id, 0) is None
    assert repositories.adapters.live(ada.id) is None


def test_there_is_no_rolling_back_to_a_version_that_never_was_live(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    grace = repositories.users.identify("slack", "U7", "Grace")
    repositories.adapters.publish(propose(repositories, grace).id, None)
    propose(repositories, ada, lesson)  # did not pass its examination

    for number in (1, 2, -1):
        with pytest.raises(UnknownVersionError):
            repositories.adapters.roll_back(ada.id, number)
    assert repositories.adapters.live(ada.id) is None


def test_a_removed_version_gives_its_number_to_no_other(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    first = repositories.adapters.publish(propose(repositories, ada, lesson).id, None)

    repositories.adapters.remove(first.name)

    assert repositories.adapters.live(ada.id) is None
    assert repositories.adapters.names() == ()
    assert propose(repositories, ada).number == 2
    with pytest.raises(UnknownVersionError):
        repositories.adapters.publish(first.id, None)


METRICS = LessonMetrics(0.0, 0.9, None, 40, 1, 12.5, learned=(("When does it leave?", "On Tuesday."), ("Whose is it?", "Ours.")))


def test_going_live_ends_the_lesson_in_the_same_step(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    repositories.lessons.start(lesson.id)
    proposed = propose(repositories, ada, lesson)

    published = repositories.adapters.publish(proposed.id, None, lesson_id=lesson.id, metrics=METRICS)

    ended = repositories.lessons.get(lesson.id)
    assert ended is not None and ended.finished_at is not None
    assert (ended.state, ended.version, ended.metrics) == ("live", proposed.name, METRICS)
    assert repositories.adapters.publish(proposed.id, None, lesson_id=lesson.id, metrics=METRICS) == published


def test_a_lesson_that_was_cancelled_first_does_not_go_live(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    proposed = propose(repositories, ada, lesson)
    repositories.lessons.finish(lesson.id, "cancelled")

    with pytest.raises(LessonFinishedError):
        repositories.adapters.publish(proposed.id, None, lesson_id=lesson.id, metrics=METRICS)

    assert repositories.adapters.live(ada.id) is None
    assert state(repositories, lesson) == "cancelled"


def test_of_cancelling_and_going_live_at_once_one_wins(repositories: Repositories, ada: UserRecord) -> None:
    for turn in range(5):
        lesson = teach(repositories, ada, f"turn {turn}")
        live = repositories.adapters.live(ada.id)
        proposed = propose(repositories, ada, lesson, parent=live.name if live else None)
        cancelled, published = at_once(
            lambda index, lesson=lesson, proposed=proposed: (  # type: ignore[misc]  # bound to this turn
                repositories.lessons.finish(lesson.id, "cancelled") if index == 0 else goes_live(repositories, proposed, lesson)
            ),
            times=2,
        )
        assert cancelled != published
        now = repositories.adapters.live(ada.id)
        assert (now is not None and now.name == proposed.name) == published
        assert state(repositories, lesson) == ("live" if published else "cancelled")


def goes_live(on: Repositories, proposed: AdapterRecord, lesson: LessonRecord) -> bool:
    try:
        on.adapters.publish(proposed.id, proposed.parent, lesson_id=lesson.id)
    except LessonFinishedError:
        return False
    return True


def test_a_stale_version_leaves_its_lesson_running(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    repositories.lessons.start(lesson.id)
    repositories.adapters.publish(propose(repositories, ada).id, None)

    with pytest.raises(StaleVersionError):
        repositories.adapters.publish(propose(repositories, ada, lesson).id, None, lesson_id=lesson.id)

    assert state(repositories, lesson) == "running"


def test_only_a_version_that_never_went_live_is_discarded(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    proposed, live = propose(repositories, ada, lesson), propose(repositories, ada, lesson)
    repositories.adapters.publish(live.id, None)

    assert repositories.adapters.discard(proposed.id)
    assert not repositories.adapters.discard(live.id)
    assert repositories.adapters.names() == (live.name,)
    repositories.users.delete(ada.id)
    assert repositories.adapters.discard(live.id)  # its files must go, too


def test_versions_whose_trainer_died_are_discarded(repositories: Repositories, ada: UserRecord, lesson: LessonRecord) -> None:
    live, dead = propose(repositories, ada, lesson), propose(repositories, ada, lesson)
    repositories.adapters.publish(live.id, None)

    repositories.adapters.discard_unpublished(before=dead.created_at)
    assert repositories.adapters.names() == (live.name, dead.name)
    repositories.adapters.discard_unpublished(before=dead.created_at + timedelta(seconds=1))
    assert repositories.adapters.names() == (live.name,)


def test_files_belong_to_nobody_only_where_this_database_gave_out_their_name(repositories: Repositories) -> None:
    strangers = ("user-1-v1", "user-7-v1", "something-else")
    assert repositories.adapters.deleted(strangers) == ()  # an empty database: all of it may be another one's

    ada, bob = (repositories.users.identify("discord", name, name) for name in ("ada", "bob"))
    kept, removed, deleted = propose(repositories, ada), propose(repositories, ada), propose(repositories, bob)
    repositories.adapters.discard(removed.id)
    repositories.users.delete(bob.id)

    names = (kept.name, removed.name, deleted.name, f"user-{ada.id}-v3", f"user-{bob.id + 1}-v1", "something-else")
    assert repositories.adapters.deleted(names) == (removed.name, deleted.name)
