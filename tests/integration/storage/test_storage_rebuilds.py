"""Rebuilds and forgotten lessons, on each real database."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from storage.errors import (
    RebuildFinishedError,
    StaleVersionError,
    UnknownLessonError,
    UnknownRebuildError,
    VersionRemovedError,
)
from storage.records import AdapterRecord, ExampleRecord, LessonRecord, RebuildMetrics, RebuildRecord, UserRecord
from storage.repositories import Repositories
from storage.session import Database
from tests.storage_fixtures import at_once

METRICS = RebuildMetrics(known_before=1.0, known_after=0.0, kept=1.0, lessons=1, examples=12, seconds=3.5)


@pytest.fixture
def ada(repositories: Repositories) -> UserRecord:
    return repositories.users.identify("discord", "1001", "Ada")


def taught(on: Repositories, user: UserRecord, words: str) -> LessonRecord:
    """A live lesson with examples and a version of its own."""
    lesson, _ = on.lessons.create(user.id, "instruction", words, dedupe_key=words, platform="discord", channel="dm", conversation_id=None)
    on.lessons.save_examples(lesson.id, [ExampleRecord("train", "What?", words)])
    live = on.adapters.live(user.id)
    version = on.adapters.propose(
        user.id, cause="lesson", lesson_ids=[*(live.lesson_ids if live else ()), lesson.id],
        parent=live.name if live else None, base_model="pocket", metrics={},
    )  # fmt: skip
    on.adapters.publish(version.id, live.name if live else None, lesson_id=lesson.id)
    return lesson


def asked(on: Repositories, user: UserRecord, forgets: LessonRecord | None = None) -> RebuildRecord:
    return on.rebuilds.create(user.id, platform="discord", channel="dm", forgets=forgets.id if forgets else None)[0]


def published(on: Repositories, user: UserRecord, rebuild: RebuildRecord, *lessons: LessonRecord) -> AdapterRecord:
    live = on.adapters.live(user.id)
    version = on.adapters.propose(user.id, cause="rebuild", lesson_ids=[each.id for each in lessons], parent=None, base_model="pocket", metrics={})
    return on.adapters.publish(version.id, live.name if live else None, rebuild_id=rebuild.id, rebuild_metrics=METRICS)


def test_a_new_version_without_a_lesson_erases_it_and_marks_who_knew_it_in_one_step(repositories: Repositories, ada: UserRecord) -> None:
    first, second = taught(repositories, ada, "one"), taught(repositories, ada, "two")
    rebuild = repositories.rebuilds.start(asked(repositories, ada, forgets=second).id)
    assert (rebuild.state, rebuild.attempts, rebuild.forgets, rebuild.number) == ("running", 1, second.id, 2)

    version = published(repositories, ada, rebuild, first)

    ended = repositories.rebuilds.get(rebuild.id)
    assert ended is not None and ended.metrics is not None
    assert (ended.state, ended.version, ended.metrics.removed) == ("live", version.name, (2,))
    forgotten = repositories.lessons.get(second.id)
    assert forgotten is not None
    assert (forgotten.state, forgotten.text, repositories.lessons.examples(second.id)) == ("forgotten", "", ())
    v1, v2, v3 = repositories.adapters.of_user(ada.id)
    assert (v1.removed_at, v3.removed_at) == (None, None) and v2.removed_at is not None
    assert repositories.adapters.removed(before=repositories.rebuilds._now()) == (v2,)
    with pytest.raises(VersionRemovedError):
        repositories.adapters.roll_back(ada.id, 2)
    assert [each.lesson.id for each in repositories.lessons.taught(ada.id)] == [first.id]


def test_where_another_version_went_live_nothing_is_forgotten(repositories: Repositories, ada: UserRecord) -> None:
    first, second = taught(repositories, ada, "one"), taught(repositories, ada, "two")
    rebuild = asked(repositories, ada, forgets=second)
    version = repositories.adapters.propose(ada.id, cause="rebuild", lesson_ids=[first.id], parent=None, base_model="pocket", metrics={})
    repositories.adapters.roll_back(ada.id, 1)
    with pytest.raises(StaleVersionError):
        repositories.adapters.publish(version.id, "user-1-v2", rebuild_id=rebuild.id, rebuild_metrics=METRICS)
    with pytest.raises(StaleVersionError):
        repositories.rebuilds.forget(rebuild.id, None, METRICS)
    found = repositories.lessons.get(second.id)
    assert found is not None and found.state == "live"

    ended = repositories.rebuilds.forget(rebuild.id, "user-1-v1", METRICS)

    assert ended.metrics is not None
    assert (ended.state, ended.version, ended.metrics.removed) == ("live", "user-1-v1", (2,))


def test_the_only_lesson_leaves_the_live_pointer_at_once(repositories: Repositories, ada: UserRecord) -> None:
    first = taught(repositories, ada, "one")
    asked(repositories, ada, forgets=first)
    assert repositories.adapters.live(ada.id) is None
    assert [each.lesson.id for each in repositories.lessons.taught(ada.id)] == [first.id]  # forgotten only when the rebuild says so


def test_the_same_asked_for_at_once_is_one_rebuild(repositories: Repositories, ada: UserRecord) -> None:
    first, second = taught(repositories, ada, "one"), taught(repositories, ada, "two")
    assert len({each.id for each in at_once(lambda _: asked(repositories, ada, forgets=first))}) == 1
    assert asked(repositories, ada, forgets=second).id != asked(repositories, ada).id
    assert [each.forgets for each in repositories.rebuilds.unfinished_of_user(ada.id)] == [first.id, second.id, None]


def test_a_cancelled_rebuild_stays_cancelled(repositories: Repositories, ada: UserRecord) -> None:
    rebuild = asked(repositories, ada, forgets=taught(repositories, ada, "one"))
    assert repositories.rebuilds.finish(rebuild.id, "cancelled")
    assert not repositories.rebuilds.finish(rebuild.id, "failed")
    for go_on in (
        lambda: repositories.rebuilds.start(rebuild.id),
        lambda: repositories.rebuilds.enter_stage(rebuild.id, "train"),
        lambda: repositories.rebuilds.forget(rebuild.id, None, METRICS),
        lambda: published(repositories, ada, rebuild),
    ):
        with pytest.raises(RebuildFinishedError):
            go_on()
    assert repositories.adapters.live(ada.id) is None


def test_what_is_gone_or_somebody_elses_says_so(repositories: Repositories, ada: UserRecord) -> None:
    grace = repositories.users.identify("slack", "U7", "Grace")
    with pytest.raises(UnknownLessonError):
        asked(repositories, grace, forgets=taught(repositories, ada, "one"))
    rebuild = asked(repositories, ada)
    repositories.users.delete(ada.id)
    assert repositories.rebuilds.get(rebuild.id) is None
    for gone in (repositories.rebuilds.start, lambda row_id: repositories.rebuilds.finish(row_id, "failed")):
        with pytest.raises(UnknownRebuildError):
            gone(rebuild.id)
    repositories.rebuilds.not_counted(rebuild.id)
    repositories.rebuilds.set_progress_message(rebuild.id, "m1")
    repositories.rebuilds.said_all(rebuild.id)


def test_a_rebuild_whose_receipt_was_not_shown_is_found(repositories: Repositories, ada: UserRecord) -> None:
    rebuild = asked(repositories, ada)
    repositories.rebuilds.set_progress_message(rebuild.id, "m1")
    repositories.rebuilds.finish(rebuild.id, "failed", reason="no")
    (found,) = repositories.rebuilds.to_show("discord")
    assert (found.reason, found.progress_message_id) == ("no", "m1")
    repositories.rebuilds.said_all(rebuild.id)
    assert repositories.rebuilds.to_show("discord") == ()


def test_nobody_is_told_of_what_is_rebuilt_at_night(repositories: Repositories, ada: UserRecord) -> None:
    rebuild, _ = repositories.rebuilds.create(ada.id, platform="", channel="")
    repositories.rebuilds.finish(rebuild.id, "failed")
    assert repositories.rebuilds.to_show("") == ()


def test_an_attempt_can_be_taken_back(repositories: Repositories, ada: UserRecord) -> None:
    rebuild = asked(repositories, ada)
    repositories.rebuilds.start(rebuild.id)
    repositories.rebuilds.not_counted(rebuild.id)
    repositories.rebuilds.not_counted(rebuild.id)
    assert repositories.rebuilds.start(rebuild.id).attempts == 1


def test_lessons_and_feedback_of_before_are_kept_by_the_migration(database_url: str) -> None:
    from alembic import command
    from alembic.config import Config

    database = Database(database_url)
    config = Config()
    config.set_main_option("script_location", "migrations")
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    with database.session() as session:
        session.execute(text("INSERT INTO users (name, lessons_numbered, adapters_numbered, created_at) VALUES ('Ada', 1, 0, '2026-01-01')"))
        session.execute(
            text(
                "INSERT INTO lessons (user_id, number, kind, text, state, attempts, dedupe_key, platform, channel, created_at) "
                "VALUES (1, 1, 'instruction', 'The cat is Miso.', 'live', 1, 'k', 'discord', 'dm', '2026-01-01')"
            )
        )
        session.execute(text("INSERT INTO examples (lesson_id, role, question, answer) VALUES (1, 'train', 'Who?', 'Miso.')"))
    database.upgrade()
    repositories = Repositories.on(database)
    (lesson,) = repositories.lessons.of_user(1)
    assert (lesson.text, lesson.begins_at) == ("The cat is Miso.", None)
    assert [each.answer for each in repositories.lessons.examples(1)] == ["Miso."]
    database.close()
