"""Corrections, reasons and liked answers, on each real database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storage.errors import UnknownExchangeError
from storage.records import ExchangeRecord, LessonRecord, RebuildMetrics, UserRecord
from storage.repositories import Repositories
from storage.repositories.base import utc_now
from tests.storage_fixtures import at_once


@pytest.fixture
def ada(repositories: Repositories) -> UserRecord:
    return repositories.users.identify("discord", "1001", "Ada")


def asked(on: Repositories, user: UserRecord, question: str, version: str | None = None) -> ExchangeRecord:
    conversation = on.conversations.current(user.id, "discord", "dm")
    exchange, _ = on.exchanges.receive(user.id, conversation.id, "discord", question, question)
    on.exchanges.answer(exchange.id, f"Wrong: {question}", version, 0.1)
    return exchange


def correct(on: Repositories, user: UserRecord, exchange: ExchangeRecord, text: str, channel: str = "dm") -> tuple[LessonRecord, bool]:
    later = utc_now() + timedelta(seconds=30)
    return on.feedback.correct(exchange.id, user.id, text, later, dedupe_key=f"{exchange.id} {text}", platform="discord", channel=channel)


def lesson_now(on: Repositories, lesson: LessonRecord) -> LessonRecord:
    found = on.lessons.get(lesson.id)
    assert found is not None
    return found


def test_corrections_join_the_one_that_waits_in_their_channel(repositories: Repositories, ada: UserRecord) -> None:
    one, two, three = (asked(repositories, ada, question) for question in ("one", "two", "three"))
    first, is_new = correct(repositories, ada, one, "1")
    assert is_new and (first.kind, first.state, first.text, first.number) == ("correction", "queued", "one\n1", 1)
    second, is_new = correct(repositories, ada, two, "2")
    assert not is_new and (second.id, second.text) == (first.id, "one\n1\n\ntwo\n2")
    assert first.begins_at is not None and second.begins_at is not None and second.begins_at >= first.begins_at
    elsewhere, is_new = correct(repositories, ada, three, "3", channel="elsewhere")
    assert is_new and elsewhere.number == 2
    assert [(case.question, case.rejected, case.correction) for case in repositories.feedback.cases(first.id)] == [
        ("one", "Wrong: one", "1"), ("two", "Wrong: two", "2"),
    ]  # fmt: skip


def test_a_correction_said_again_replaces_itself_and_one_that_has_begun_is_left_alone(repositories: Repositories, ada: UserRecord) -> None:
    exchange = asked(repositories, ada, "one")
    first, _ = correct(repositories, ada, exchange, "1")
    again, is_new = correct(repositories, ada, exchange, "1!")
    assert not is_new and again.text == "one\n1!"
    repositories.lessons.start(first.id)
    later, is_new = correct(repositories, ada, asked(repositories, ada, "two"), "2")
    assert is_new and later.id != first.id and lesson_now(repositories, first).text == "one\n1!"


def test_corrections_at_once_are_one_lesson(repositories: Repositories, ada: UserRecord) -> None:
    exchanges = [asked(repositories, ada, f"question {number}") for number in range(8)]
    joined = at_once(lambda index: correct(repositories, ada, exchanges[index], "x"))
    assert len({lesson.id for lesson, _ in joined}) == 1
    assert len(repositories.feedback.cases(joined[0][0].id)) == 8


def test_taking_back_the_last_of_a_correction_cancels_it(repositories: Repositories, ada: UserRecord) -> None:
    one, two = asked(repositories, ada, "one"), asked(repositories, ada, "two")
    lesson, _ = correct(repositories, ada, one, "1")
    correct(repositories, ada, two, "2")
    assert repositories.feedback.withdraw(one.id, ada.id, "down")
    assert (lesson_now(repositories, lesson).state, lesson_now(repositories, lesson).text) == ("queued", "two\n2")
    assert repositories.feedback.withdraw(two.id, ada.id, "down")
    assert lesson_now(repositories, lesson).state == "cancelled"
    assert not repositories.feedback.withdraw(two.id, ada.id, "down")


def test_what_has_begun_is_not_cancelled_by_taking_it_back(repositories: Repositories, ada: UserRecord) -> None:
    exchange = asked(repositories, ada, "one")
    lesson, _ = correct(repositories, ada, exchange, "1")
    repositories.lessons.start(lesson.id)
    assert repositories.feedback.withdraw(exchange.id, ada.id, "down")
    assert lesson_now(repositories, lesson).state == "running"
    assert repositories.feedback.cases(lesson.id) == ()


def test_a_correction_can_be_hurried_until_it_begins(repositories: Repositories, ada: UserRecord) -> None:
    lesson, _ = correct(repositories, ada, asked(repositories, ada, "one"), "1")
    hurried = repositories.lessons.begin_now(lesson.id)
    assert hurried is not None and hurried.begins_at is not None and hurried.begins_at <= utc_now()
    repositories.lessons.start(lesson.id)
    assert repositories.lessons.begin_now(lesson.id) is None
    assert repositories.lessons.begin_now(999) is None


def test_nobody_corrects_anothers_answer(repositories: Repositories, ada: UserRecord) -> None:
    grace = repositories.users.identify("slack", "U7", "Grace")
    with pytest.raises(UnknownExchangeError):
        correct(repositories, grace, asked(repositories, ada, "one"), "1")
    assert repositories.lessons.of_user(grace.id) == ()


def test_a_live_correction_names_its_version_and_a_forgotten_one_nothing(repositories: Repositories, ada: UserRecord) -> None:
    exchange = asked(repositories, ada, "one")
    lesson, _ = correct(repositories, ada, exchange, "1")
    version = repositories.adapters.propose(ada.id, cause="x", lesson_ids=[lesson.id], parent=None, base_model="pocket", metrics={})
    repositories.adapters.publish(version.id, None, lesson_id=lesson.id)
    assert [each.used_in for each in repositories.feedback.of_user(ada.id)] == [version.name]
    repositories.lessons.forget(lesson.id)
    (kept,) = repositories.feedback.of_user(ada.id)
    assert kept.correction is None and kept.withdrawn_at is not None


def test_the_reason_of_a_thumb_down_is_kept(repositories: Repositories, ada: UserRecord) -> None:
    exchange = asked(repositories, ada, "one")
    assert not repositories.feedback.explain(exchange.id, ada.id, "rude")
    repositories.feedback.add(exchange.id, ada.id, "down")
    assert repositories.feedback.explain(exchange.id, ada.id, "rude")
    assert [each.reason for each in repositories.feedback.of_exchange(exchange.id)] == ["rude"]


def test_liked_answers_are_the_users_own_and_none_of_removed_versions(repositories: Repositories, ada: UserRecord) -> None:
    lesson, _ = repositories.lessons.create(ada.id, "instruction", "x", dedupe_key="x", platform="discord", channel="dm", conversation_id=None)
    version = repositories.adapters.propose(ada.id, cause="x", lesson_ids=[lesson.id], parent=None, base_model="pocket", metrics={})
    repositories.adapters.publish(version.id, None, lesson_id=lesson.id)
    good, of_version, taken_back = asked(repositories, ada, "1"), asked(repositories, ada, "2", version.name), asked(repositories, ada, "3")
    for exchange in (good, of_version, taken_back):
        repositories.feedback.add(exchange.id, ada.id, "up")
    repositories.feedback.withdraw(taken_back.id, ada.id, "up")
    assert [each.question for each in repositories.feedback.liked(ada.id)] == ["1", "2"]

    rebuild, _ = repositories.rebuilds.create(ada.id, platform="discord", channel="dm", forgets=lesson.id)
    repositories.rebuilds.forget(rebuild.id, None, RebuildMetrics(None, None, None, 0, 0, 0.1))
    assert [each.question for each in repositories.feedback.liked(ada.id)] == ["1"]


def improve(on: Repositories, user: UserRecord, exchange: ExchangeRecord, key: str = "k") -> tuple[LessonRecord, bool] | None:
    return on.feedback.improve(exchange.id, user.id, "wrong", utc_now(), dedupe_key=key, platform="discord", channel="dm")


def test_a_better_answer_that_is_to_be_found_joins_the_correction_that_waits(repositories: Repositories, ada: UserRecord) -> None:
    one, two = asked(repositories, ada, "one"), asked(repositories, ada, "two")
    lesson, _ = correct(repositories, ada, one, "1")
    joined = improve(repositories, ada, two)
    assert joined is not None and (joined[0].id, joined[0].text, joined[1]) == (lesson.id, "one\n1", False)
    assert [(each.correction, each.reason) for each in repositories.feedback.cases(lesson.id)] == [("1", None), (None, "wrong")]

    waiting = repositories.feedback.cases(lesson.id)[1]
    cases = repositories.feedback.found(lesson.id, {waiting.feedback_id: "2"}, "{}\n{}".format)
    assert [each.correction for each in cases] == ["1", "2"]
    assert lesson_now(repositories, lesson).text == "one\n1\n\ntwo\n2"
    assert repositories.lessons.active_texts(ada.id) == ("one\n1\n\ntwo\n2",)
    kept = repositories.feedback.of_exchange(two.id)[0]
    assert (kept.correction, kept.proposed) == (None, "2")  # which is not the user's word
    repositories.lessons.finish(lesson.id, "live")
    repositories.lessons.forget(lesson.id)
    assert [each.proposed for each in repositories.feedback.of_user(ada.id)] == [None, None]


def test_no_better_answer_is_looked_for_twice_or_beside_a_correction(repositories: Repositories, ada: UserRecord) -> None:
    exchange = asked(repositories, ada, "one")
    found = improve(repositories, ada, exchange)
    assert found is not None and found[1] and found[0].text == ""
    assert repositories.lessons.active_texts(ada.id) == ()
    assert improve(repositories, ada, exchange) is None
    repositories.lessons.finish(found[0].id, "failed")
    again = improve(repositories, ada, exchange)  # the same message, delivered once more
    assert again is not None and (again[0].id, again[1]) == (found[0].id, False)
    anew = improve(repositories, ada, exchange, "k2")
    assert anew is not None and anew[1]
    correct(repositories, ada, exchange, "1")
    assert [each.correction for each in repositories.feedback.cases(anew[0].id)] == ["1"]


def test_what_stands_of_reports_is_listed_newest_first(repositories: Repositories, ada: UserRecord) -> None:
    exchanges = [asked(repositories, ada, question) for question in ("one", "two", "three")]
    for exchange in exchanges:
        repositories.feedback.add(exchange.id, ada.id, "report", "bad")
    repositories.feedback.withdraw(exchanges[1].id, ada.id, "report")
    assert [(each.correction, exchange.question) for each, exchange in repositories.feedback.reports()] == [("bad", "three"), ("bad", "one")]
    assert len(repositories.feedback.reports(1)) == 1


def test_old_messages_go_but_not_what_is_still_learned_from(repositories: Repositories, ada: UserRecord) -> None:
    gone, praised, corrected = (asked(repositories, ada, question) for question in ("one", "two", "three"))
    repositories.feedback.add(gone.id, ada.id, "down")
    repositories.feedback.add(praised.id, ada.id, "up")
    correct(repositories, ada, corrected, "3")
    conversation = repositories.conversations.current(ada.id, "discord", "dm")
    repositories.exchanges.receive(ada.id, conversation.id, "discord", "five", "five")  # not answered yet
    assert repositories.exchanges.expire(before=gone.created_at) == 0
    assert repositories.exchanges.expire(before=utc_now() + timedelta(days=1)) == 1
    assert [each.question for each in repositories.exchanges.of_user(ada.id)] == ["two", "three", "five"]
    assert [each.kind for each in repositories.feedback.of_user(ada.id)] == ["up", "down"]
    assert repositories.users.ids() == (ada.id,)
