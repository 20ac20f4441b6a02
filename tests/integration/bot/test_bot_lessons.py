"""Dialogues: teaching, and what can be done with lessons afterwards."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot import texts
from bot.messages import Attachment, LessonProgress, LessonReceipt, Notice, Reply, Trouble
from bot.platforms.base import Core
from bot.platforms.recording import RecordingPlatform
from bot.serving import serve
from bot.sweeper import Sweeper
from storage.records import ExampleRecord, NewPart, NewSource, ReadSource
from storage.repositories.base import utc_now
from tests.bot_fixtures import Install, Leaving, said
from trainer import prompts
from trainer.contracts import LESSON_QUEUE, Finished, Progress, lesson_job_id


def spoken(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


def test_a_lesson_is_one_message_that_moves_and_ends_as_the_receipt(install: Install) -> None:
    install.train()
    platform = RecordingPlatform([said("[Learn] The cat is Miso.")])
    asyncio.run(serve(install.app, platform))
    assert [type(reply) for reply in platform.replies] == [
        LessonProgress,
        LessonProgress,
        LessonProgress,
        LessonReceipt,
    ]
    assert list(platform.shown) == ["m1"]
    receipt = platform.shown["m1"]
    assert isinstance(receipt, LessonReceipt) and receipt.learned == (("What is the cat called?", "Miso."),)


@pytest.mark.parametrize("tell", [True, False], ids=["with events", "without any event"])
def test_a_rejected_lesson_says_why(install: Install, tell: bool) -> None:
    install.train("rejected", reason="it is about violence", tell=tell)
    *_, receipt = install.talk("[Learn] The cat is Miso.")
    assert isinstance(receipt, LessonReceipt)
    assert (receipt.state, receipt.version, receipt.reason) == ("rejected", None, "it is about violence")


def test_a_lesson_delivered_twice_is_one_lesson_with_one_job(install: Install) -> None:
    platform = Leaving([said("[Learn] The cat is Miso.", message_id="same")] * 2)
    asyncio.run(serve(install.app, platform))
    assert install.job_ids() == ["lesson-1"]
    assert len(install.stored.lessons.of_user(1)) == 1
    assert len(platform.replies) == 1


def test_a_restarted_bot_goes_on_in_the_same_message(install: Install) -> None:
    first = Leaving([said("[Learn] The cat is Miso.")])
    asyncio.run(serve(install.app, first))
    install.train()

    class Back(RecordingPlatform):
        async def run(self, core: Core) -> None:
            await core.idle()

    second = Back()
    asyncio.run(serve(install.app, second))
    assert list(second.shown) == list(first.shown) == ["m1"]
    assert isinstance(second.shown["m1"], LessonReceipt)


def test_events_of_others_lessons_and_platforms_are_not_shown(install: Install) -> None:
    user = install.stored.users.identify("elsewhere", "bob", "bob")
    install.stored.lessons.create(user.id, "instruction", "x", dedupe_key="k", platform="elsewhere", channel="c", conversation_id=None)
    install.queue.publish(Progress(1, user.id, "train", 50))
    install.queue.publish(Finished(1, user.id))
    assert spoken(install.talk("Hi")) == ["I don't know."]


LONG = "[Learn] " + "a" * 201


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (said("[Learn]"), texts.LESSON_EMPTY),
        (said("[learn] … !"), texts.LESSON_EMPTY),
        (said(LONG), texts.lesson_too_long(201, 200)),
        (said("[Learn] PNG\x00\x01"), texts.LESSON_NOT_TEXT),
        (said("[Learn] caf\ufffd"), texts.LESSON_NOT_TEXT),
        (said("[Learn] read this"), texts.LESSON_NOTHING_ATTACHED),
        (said("[Learn] read this", files=(Attachment("a.txt", b" "),)), texts.file_empty("a.txt")),
        (said("[Learn]", files=(Attachment("a.pdf", b"%PDF" + bytes(20_000_000)),)), texts.file_too_big("a.pdf", 20_000_000)),
        (said("/approve 7"), texts.no_such_lesson(7)),
        (said("/drop 7 1"), texts.no_such_lesson(7)),
        (said("/drop 7"), texts.DROP_USAGE),
        (said("/refresh 7"), texts.no_such_lesson(7)),
        (said("/search"), texts.NOTHING_UNCLEAR),
        (said("Look", files=(Attachment("a.md", b"a"),)), texts.ATTACH_WITH_LEARN),
        (said("/forget 7"), texts.no_such_lesson(7)),
        (said("/rollback 7"), texts.no_such_version(7)),
        (said("[Learn] The cat is Miso.", foreign=True), texts.NOT_YOUR_WORDS),
        (said("[Learn] read this", skipped=("Too big.",)), "Too big."),
        (said("", skipped=("Too big.",)), "Too big."),
        (said("/lessons", meant_for=77), texts.NOT_YOURS),
        (said("/stop"), texts.NOTHING_TO_STOP),
        (said("/again"), texts.NO_ANSWER_YET),
        (said("/admin", operator=False), texts.ADMIN_ONLY),
        (said("/lesons"), texts.unknown_command("/lesons", "/lessons")),
    ],
)
def test_each_bad_input_has_its_own_sentence_and_changes_nothing(install: Install, message: object, sentence: str) -> None:
    (trouble,) = install.talk(message)  # type: ignore[arg-type]  # parametrize hides the type
    assert isinstance(trouble, Trouble) and trouble.text == sentence and trouble.id
    assert install.job_ids() == []
    assert install.stored.lessons.of_user(1) == ()
    assert install.engine.asked == []


def test_consent_is_asked_for_once_and_then_the_lesson_that_needed_it_goes_on(install: Install) -> None:
    install.train()
    replies = install.talk(said("[Learn] A cat.", operator=False), said("/agree", operator=False))
    assert spoken(replies[:2]) == [texts.CONSENT, texts.AGREED_GOING_ON]
    assert isinstance(replies[-1], LessonReceipt) and replies[-1].state == "live"
    assert [each.text for each in install.stored.lessons.of_user(1)] == ["A cat."]
    assert isinstance(install.talk(said("[Learn] A dog.", operator=False))[-1], LessonReceipt)


def test_consent_after_a_restart_is_kept_though_the_lesson_has_to_be_sent_again(install: Install) -> None:
    assert spoken(install.talk(said("[Learn] A cat.", operator=False))) == [texts.CONSENT]
    assert spoken(install.talk(said("/agree", operator=False))) == [texts.AGREED]


def test_one_persons_consent_releases_nobody_elses_lesson(install: Install) -> None:
    replies = install.talk(said("[Learn] A cat.", operator=False), said("/agree", user="bob", operator=False))
    assert spoken(replies) == [texts.CONSENT, texts.AGREED]
    assert install.stored.lessons.of_user(1) == install.stored.lessons.of_user(2) == ()


def test_the_operators_consent_is_taken_as_given_and_recorded(install: Install) -> None:
    install.train()
    install.talk("[Learn] The cat is Miso.")
    assert [each.version for each in install.stored.users.consents(1)] == [texts.CONSENT_VERSION]


@pytest.mark.parametrize(
    ("words", "sources"),
    [
        ("read this", ["cat.pdf"]),
        ("", ["cat.pdf"]),
        ("please learn the attached file!", ["cat.pdf"]),
        ("Our cat is a Persian.", ["your message", "cat.pdf"]),
        ("read https://example.org/a too", ["cat.pdf", "https://example.org/a"]),
    ],
)
def test_files_and_links_are_kept_for_the_worker_to_read(install: Install, words: str, sources: list[str]) -> None:
    install.train()
    install.talk(said(f"[Learn] {words}", files=(Attachment("cat.pdf", b"%PDF-1.7"),)))
    (lesson,) = install.stored.lessons.of_user(1)
    assert (lesson.kind, lesson.text) == ("document", words)
    assert [each.name for each in lesson.sources] == sources
    (file,) = [each for each in lesson.sources if each.name == "cat.pdf"]
    assert install.stored.sources.content(file.id) == b"%PDF-1.7"


def test_the_receipt_names_what_was_read_and_what_was_left_out(install: Install) -> None:
    install.train(reads=ReadSource("d", "House rules", "A. Writer", "2026-01-31", "English", 12, 3431, ("page 2, scanned as a picture",)))
    *_, receipt = install.talk(said("[Learn] read this", files=(Attachment("rules.pdf", b"%PDF"),)), "/lessons")[:-1]
    assert "I read House rules (rules.pdf), by A. Writer, 2026-01-31: 12 pages, 3,431 words in English." in receipt.text
    assert "Left out: page 2, scanned as a picture." in receipt.text


def test_a_lesson_that_may_mean_the_web_is_asked_about(install: Install) -> None:
    install.train()
    asked, *_ = install.talk("[Learn] air pollution in Delhi", "/remember")
    assert isinstance(asked, Notice) and asked.text == texts.SOURCE_UNCLEAR
    assert [action.command for action in asked.actions] == ["/search", "/remember"]
    assert [(each.kind, each.text) for each in install.stored.lessons.of_user(1)] == [("instruction", "air pollution in Delhi")]


def test_the_base_model_decides_where_it_can(install: Install) -> None:
    install.train()
    install.engine.answers[prompts.which_source("air pollution in Delhi")[0]["content"]] = "SEARCH."
    install.talk("[Learn] air pollution in Delhi", "[Learn] keep up with news on coral reefs", "/search cats in Ghent")
    lessons = install.stored.lessons.of_user(1)
    assert [(each.kind, each.text) for each in lessons] == [
        ("web", "air pollution in Delhi"), ("web", "keep up with news on coral reefs"), ("web", "cats in Ghent"),
    ]  # fmt: skip


def found(install: Install, lesson_id: int) -> None:
    """What a worker does until it has to ask."""
    stored = install.stored
    stored.lessons.start(lesson_id)
    page, other = stored.sources.add(lesson_id, [NewSource("a.example"), NewSource("b.example")])
    for source in (page, other):
        stored.sources.save_reading(source, ReadSource(f"digest {source.number}", words=20), [NewPart(None, ("The reef grows.",))])
    for part in stored.sources.parts(lesson_id):
        stored.sources.save_examples(part, [ExampleRecord("train", f"What does reef {part.id} do?", "It grows.")])
    stored.lessons.ask(lesson_id)
    install.redis.delete(f"rq:job:{lesson_job_id(lesson_id)}")  # its job has ended


def test_what_was_found_on_the_web_is_shown_first_and_learned_when_approved(install: Install) -> None:
    install.work(LESSON_QUEUE, lambda lesson_id: found(install, lesson_id))
    *_, waiting, asked = install.talk("[Learn] keep up with news on coral reefs")
    assert isinstance(waiting, LessonProgress) and waiting.text == texts.awaiting(1)
    assert isinstance(asked, Notice)
    assert "1. a.example" in asked.text and "2. b.example" in asked.text and "What does reef 1 do? → It grows." in asked.text
    assert [action.command for action in asked.actions] == ["/approve 1", "/drop 1 1", "/drop 1 2", "/cancel 1"]
    Sweeper(install.queue, install.stored, install.app.artifacts)()
    Sweeper(install.queue, install.stored, install.app.artifacts)()
    assert install.job_ids() == []  # nobody but the user goes on with it
    install.end()
    left, _ = install.talk("/drop 1 1", "/lessons")
    assert "a.example" not in left.text and "b.example" in left.text
    assert [each.question for each in install.stored.lessons.examples(1)] == ["What does reef 2 do?"]
    install.train()
    *_, receipt = install.talk("/approve 1")
    assert isinstance(receipt, LessonReceipt) and receipt.state == "live"
    (trouble,) = install.talk("/approve 1")
    assert isinstance(trouble, Trouble) and trouble.text == texts.not_awaiting(1)


def test_a_web_lesson_without_sources_left_or_cancelled_is_over(install: Install) -> None:
    install.work(LESSON_QUEUE, lambda lesson_id: found(install, lesson_id))
    install.talk("[Learn] keep up with news on coral reefs", "[Learn] keep up with news on whales")
    *_, last = install.talk("/drop 1 1", "/drop 1 2", "/cancel 2")
    assert [each.state for each in install.stored.lessons.of_user(1)] == ["cancelled", "cancelled"]
    assert last.text == texts.cancelled([2])


def test_stale_web_lessons_are_marked_and_searched_for_again(install: Install) -> None:
    install.train(reads=ReadSource("d", words=20, expires_at=utc_now() - timedelta(days=1)))
    install.talk(said("[Learn] read https://example.org/a"), "[Learn] keep up with news on coral reefs")
    web = install.stored.lessons.of_user(1)[1]
    install.stored.lessons.by_number(1, 2)
    (listed,) = install.talk("/lessons")
    assert "1. live as user-1-v1: https://example.org/a (stale: /refresh 1 searches again)" in listed.text
    (refused,) = install.talk("/refresh 1")
    assert refused.text == texts.not_from_web(1)
    install.talk("/refresh 2")
    again = install.stored.lessons.of_user(1)[2]
    assert (again.kind, again.text, again.refreshes) == ("web", web.text, web.id)


def test_a_queued_lesson_is_cancelled(install: Install) -> None:
    progress, *rest = install.talk_without_waiting("[Learn] The cat is Miso.", "/cancel", "/cancel")
    assert isinstance(progress, LessonProgress)
    assert [each.text for each in rest] == [
        texts.cancelled([1]), "Lesson 1 was cancelled. Your model stays as it was.", texts.NOTHING_TO_CANCEL,
    ]  # fmt: skip
    assert install.job_ids() == []


def test_lessons_and_versions_are_listed_and_rolled_back(install: Install) -> None:
    assert spoken(install.talk("/lessons", "/model")) == [
        texts.NO_LESSONS, "The untaught model answers you. Your first lesson makes version 1.",
    ]  # fmt: skip
    install.train()
    install.talk("[Learn] The cat is Miso.", "[Learn] The dog is Rex.")
    listed, versions, back, live, base = spoken(install.talk("/lessons", "/model", "/rollback 1", "/model", "/rollback 0"))
    assert "1. live as user-1-v1: The cat is Miso." in listed and "2. live as user-1-v2: The dog is Rex." in listed
    assert "2: user-1-v2, knows lesson 2 (live)" in versions
    assert back == "Version 1 of your model answers you now (user-1-v1)."
    assert live.startswith("Version 1 of your model answers you")
    assert base.startswith("The untaught model answers you now.")
    assert install.talk("Hi")[0].version is None  # type: ignore[union-attr]  # an answer


def test_files_are_attached_to_messages_elsewhere_than_at_the_terminal(install: Install) -> None:
    assert spoken(install.talk("/file x.txt")) == [texts.ATTACH_ELSEWHERE]


def test_a_lesson_that_ended_while_no_bot_ran_has_its_receipt_at_the_next_start(install: Install) -> None:
    install.pipe_without_waiting("[Learn] The cat is Miso.\n")
    install.stored.lessons.finish(1, "failed", reason="the disk is full")

    (receipt,) = install.pipe("")

    assert (receipt["type"], receipt["state"]) == ("receipt", "failed")
    assert install.pipe("") == []  # shown once


def test_a_chat_without_any_input_shows_how_a_lesson_under_way_ends(install: Install) -> None:
    install.pipe_without_waiting("[Learn] The cat is Miso.\n")
    install.train()
    shown = install.pipe("")
    assert {each["type"] for each in shown[:-1]} == {"progress"}
    assert (shown[-1]["type"], shown[-1]["state"]) == ("receipt", "live")
