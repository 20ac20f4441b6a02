"""Dialogues: what users think of answers, and what becomes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot import texts
from bot.messages import LessonProgress, LessonReceipt, Notice, Reaction, Reply, Trouble
from bot.serving import serve
from bot.sweeper import Sweeper
from storage.records import LessonRecord
from storage.repositories.base import utc_now
from tests.bot_fixtures import Install, Leaving, said
from trainer.contracts import LESSON_QUEUE, lesson_job_id
from trainer.settings import FeedbackSettings

CAT = "What is my cat called?"


@pytest.fixture
def asked(install: Install) -> Install:
    """A question with a wrong answer, shown in the message "m1"."""
    install.engine.answers[CAT] = "Your cat is called Minka."
    platform = Leaving([said(CAT)])
    asyncio.run(serve(install.app, platform))
    return install


def spoken(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


def only_lesson(install: Install) -> LessonRecord:
    (lesson,) = install.stored.lessons.of_user(1)
    return lesson


def thumb(kind: str, *, removed: bool = False) -> Reaction:
    return Reaction("recording", "general", "ada", "ada", "m1", kind, removed)  # type: ignore[arg-type]  # a Literal


def test_a_correction_is_learned_and_its_receipt_says_which_answer_changed(asked: Install) -> None:
    asked.train()
    notice, *moving, receipt = asked.talk("/react 👎 Biscuit")
    assert notice.text == texts.THANKS_CORRECTION
    assert {type(each) for each in moving} == {LessonProgress} and moving[0].text.startswith("Correction 1: ")
    assert isinstance(receipt, LessonReceipt)
    assert (receipt.kind, receipt.lesson, receipt.changed) == ("correction", 1, ((CAT, "Your cat is called Minka.", "Biscuit"),))
    assert receipt.text.splitlines()[:3] == [
        "Correction 1 is live in 14 s: your model is now user-1-v1.",
        "I answer otherwise now:",
        f"  {CAT} → Biscuit (before: Your cat is called Minka.)",
    ]
    (kept,) = asked.stored.feedback.of_user(1)
    assert (kept.kind, kept.correction, kept.lesson_id) == ("down", "Biscuit", 1)
    assert "1. live as user-1-v1, a correction: My cat is called Biscuit." in asked.talk("/lessons")[0].text


def test_until_it_is_learned_a_correction_is_in_the_prompt(asked: Install) -> None:
    asked.talk_without_waiting("/react 👎 Biscuit", CAT)
    assert "My cat is called Biscuit." in asked.engine.asked[-1]["messages"][0]["content"]


def test_corrections_that_come_soon_after_each_other_are_one_lesson_and_wait_together(asked: Install) -> None:
    asked.talk_without_waiting("/react 👎 Biscuit")
    first = only_lesson(asked)
    assert first.begins_at is not None and first.begins_at > utc_now()
    asked.talk_without_waiting("Who feeds it?", "/react 👎 My sister feeds it.")
    lesson = only_lesson(asked)
    assert lesson.begins_at is not None and lesson.begins_at > first.begins_at
    assert [each.correction for each in asked.stored.feedback.cases(lesson.id)] == ["Biscuit", "My sister feeds it."]
    assert asked.job_ids() == [] and asked.queue.waiting(LESSON_QUEUE) == {lesson_job_id(1)}


def test_a_correction_that_waits_is_left_alone_until_its_time_and_then_found_even_without_a_job(asked: Install) -> None:
    asked.talk_without_waiting("/react 👎 Biscuit")
    asked.redis.flushall()

    def sweep(later: timedelta) -> set[str]:
        for _ in range(4):
            asked.redis.delete("tutee:sweep")
            Sweeper(asked.queue, asked.stored, asked.app.artifacts, lambda: utc_now() + later)()
        return asked.queue.waiting(LESSON_QUEUE)

    assert sweep(timedelta()) == set()
    assert sweep(timedelta(seconds=31)) == {lesson_job_id(1)}


def test_without_a_wait_a_correction_begins_at_once(asked: Install) -> None:
    asked.configured(feedback=FeedbackSettings(wait_seconds=0))
    asked.talk_without_waiting("/react 👎 Biscuit")
    assert asked.job_ids() == [lesson_job_id(1)]


def test_a_correction_can_be_taken_back_until_it_begins(asked: Install) -> None:
    replies = asked.talk_without_waiting("/react 👎 Biscuit")
    platform = Leaving([thumb("down", removed=True)])
    asyncio.run(serve(asked.app, platform))
    replies += platform.replies
    assert texts.REACTION_WITHDRAWN in spoken(replies)
    assert "Correction 1 was cancelled. Your model stays as it was." in spoken(replies)
    assert only_lesson(asked).state == "cancelled"
    asked.queue.move_due()
    assert asked.stored.feedback.unused(1) == ()


def test_a_thumb_up_takes_the_correction_back(asked: Install) -> None:
    asked.talk_without_waiting("/react 👎 Biscuit", "/react 👍")
    assert only_lesson(asked).state == "cancelled"
    assert [each.question for each in asked.stored.feedback.liked(1)] == [CAT]


def test_a_thumb_taken_back_after_learning_says_how_to_forget_what_came_of_it(asked: Install) -> None:
    asked.train()
    asked.talk("/react 👎 Biscuit")
    assert spoken(asked.talk(thumb("down", removed=True))) == [texts.withdrawn_late(1)]
    assert only_lesson(asked).state == "live"


def test_a_second_correction_of_the_same_answer_is_learned_again(asked: Install) -> None:
    asked.train()
    asked.talk("/react 👎 Biscuit", "/react 👎 Miso")
    assert [each.text for each in asked.stored.lessons.of_user(1)] == ["My cat is called Biscuit.", "My cat is called Miso."]


@pytest.mark.parametrize(
    ("answer", "reason"), [("It was wrong.", "wrong"), ("too long", "long"), ("something else", "other"), ("/react 👎 outdated", "outdated")]
)
def test_after_a_thumb_down_alone_the_bot_asks_once_what_was_bad(asked: Install, answer: str, reason: str) -> None:
    question, thanks, _, chat = asked.talk_without_waiting("/react 👎", answer, "wrong")
    assert isinstance(question, Notice) and question.text == texts.THANKS_DOWN
    assert [each.command for each in question.actions][:2] == ["/react 👎 wrong", "/react 👎 outdated"]
    assert thanks.text == texts.LOOKING_FOR_BETTER
    (kept,) = asked.stored.feedback.of_user(1)
    assert (kept.reason, kept.correction) == (reason, None)
    assert chat.text == "I don't know."  # nobody asked any more
    assert (only_lesson(asked).kind, only_lesson(asked).text) == ("correction", "")
    (case,) = asked.stored.feedback.cases(1)
    assert (case.question, case.correction, case.reason) == (CAT, None, reason)


def test_other_words_after_the_question_are_chat(asked: Install) -> None:
    assert spoken(asked.talk("/react 👎", "What else?", "wrong"))[1:] == ["I don't know.", "I don't know."]


def test_a_reaction_is_asked_about_too(asked: Install) -> None:
    asked.train()
    question, thanks, *_, receipt = asked.talk(thumb("down"), "rude")
    assert (question.text, thanks.text) == (texts.THANKS_DOWN, texts.LOOKING_FOR_BETTER)
    assert isinstance(receipt, LessonReceipt) and receipt.kind == "correction"


def test_a_better_answer_is_looked_for_only_with_consent(asked: Install) -> None:
    platform = Leaving([said(text, operator=False) for text in ("/react 👎", "wrong", "/agree")])
    asyncio.run(serve(asked.app, platform))
    question, consent, agreed, *_ = platform.replies
    assert (question.text, consent.text, agreed.text) == (texts.THANKS_DOWN, texts.CONSENT, texts.AGREED_GOING_ON)
    assert [each.reason for each in asked.stored.feedback.of_user(1)] == ["wrong"]
    assert only_lesson(asked).state == "queued"


def test_no_better_answer_is_looked_for_where_the_user_gave_one(asked: Install) -> None:
    assert spoken(asked.talk_without_waiting("/react 👎 Biscuit", "/react 👎 wrong"))[-1] == texts.REASON_NOTED
    assert [each.correction for each in asked.stored.feedback.cases(1)] == ["Biscuit"]


def test_a_correction_given_while_a_better_answer_is_looked_for_takes_its_place(asked: Install) -> None:
    asked.talk_without_waiting("/react 👎 wrong", "/react 👎 Biscuit")
    assert only_lesson(asked).text == "My cat is called Biscuit."
    assert [each.correction for each in asked.stored.feedback.cases(1)] == ["Biscuit"]


def test_a_reported_answer_is_corrected_and_shown_to_whoever_runs_the_bot(asked: Install) -> None:
    asked.train()
    notice, *_, receipt = asked.talk("/report that is unfair to Minka")
    assert notice.text == texts.REPORTED_AND_LOOKING
    assert isinstance(receipt, LessonReceipt) and receipt.kind == "correction"
    assert {(each.kind, each.reason) for each in asked.stored.feedback.of_user(1)} == {("report", None), ("down", "harmful")}
    health, reports = spoken(asked.talk("/admin", "/admin reports"))
    assert "1 answer was reported: /admin reports." in health
    assert f"untaught model: {CAT} → Your cat is called Minka. (that is unfair to Minka)" in reports
    assert isinstance(asked.talk(said("/admin reports", operator=False))[0], Trouble)


def test_a_report_is_a_sign_that_can_be_taken_off_again(asked: Install) -> None:
    asked.stored.users.record_consent(1, texts.CONSENT_VERSION)
    platform = Leaving([thumb("report"), thumb("report", removed=True), thumb("report")])
    asyncio.run(serve(asked.app, platform))
    assert spoken(platform.replies)[0] == spoken(platform.replies)[-2] == texts.REPORTED_AND_LOOKING
    assert texts.REACTION_WITHDRAWN in spoken(platform.replies)
    assert [each.state for each in asked.stored.lessons.of_user(1)] == ["cancelled", "queued"]
    assert len(asked.stored.feedback.reports()) == 1


def test_without_consent_a_report_is_only_recorded(asked: Install) -> None:
    assert spoken(asked.talk(thumb("report"))) == [texts.REPORTED]
    assert asked.stored.lessons.of_user(1) == ()
    assert len(asked.stored.feedback.reports()) == 1
    assert spoken(asked.talk("/admin reports"))[0].count("Minka") == 1


def test_a_correction_needs_consent_and_goes_on_with_it(asked: Install) -> None:
    stranger = [replace(said(text), operator=False) for text in ("/react 👎 Biscuit", "/agree")]
    asked.train()
    replies = asked.talk(*stranger)
    assert spoken(replies[:3]) == [texts.CONSENT, texts.AGREED_GOING_ON, texts.THANKS_CORRECTION]
    assert isinstance(replies[-1], LessonReceipt)


def test_a_correction_that_cannot_be_taught_says_so(asked: Install) -> None:
    (trouble,) = asked.talk("/react 👎 " + "a" * 201)
    assert isinstance(trouble, Trouble) and trouble.text == texts.lesson_too_long(201, 200)
    assert asked.stored.lessons.of_user(1) == ()


def test_a_correction_that_breaks_something_says_that_the_earlier_version_stays(asked: Install) -> None:
    asked.train("failed", reason="the earlier version stays")
    receipt = asked.talk("/react 👎 Biscuit")[-1]
    assert receipt.text.startswith("Correction 1 did not work out. The earlier version stays. Your model stays as it was.")


def test_a_forgotten_correction_keeps_nothing_of_what_was_said(asked: Install) -> None:
    asked.train()
    asked.talk("/react 👎 Biscuit", "/forget 1")
    assert only_lesson(asked).state == "forgotten"
    (kept,) = asked.stored.feedback.of_user(1)
    assert kept.correction is None
