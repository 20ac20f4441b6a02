"""What a lesson's events and its row look like to a user."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot import texts
from bot.messages import as_json
from bot.progress import begun, moved, receipt
from storage.records import LessonMetrics, LessonRecord, RebuildMetrics, RebuildRecord
from trainer.contracts import Finished, Progress, Rebuilding, decode, encode

LESSON = LessonRecord(
    id=70, user_id=3, number=2, kind="instruction", text="The cat is Miso.", source=None, state="running", stage=None,
    reason=None, attempts=1, dedupe_key="k", version=None, metrics=None, conversation_id=1, platform="terminal",
    channel="you", progress_message_id=None, created_at=datetime(2026, 1, 1, tzinfo=UTC), started_at=None, finished_at=None,
)  # fmt: skip
METRICS = LessonMetrics(0.1, 0.95, 0.9, 34, 1, 14.2)


def test_the_line_shows_stage_percent_and_time_left() -> None:
    assert moved(LESSON, Progress(70, 3, "train", 62, 5.2)).text == "Lesson 2: training… [62%, about 5 s left]"
    assert moved(LESSON, Progress(70, 3, "write", 20, 200)).text == "Lesson 2: writing examples… [20%, about 3 min left]"


def test_a_lesson_that_waits_says_why() -> None:
    event = Progress(70, 3, "moderate", 10, None, "the moderator does not answer, trying again")
    assert moved(LESSON, event).text == "Lesson 2: the moderator does not answer, trying again… [10%]"


def test_a_line_found_after_a_restart_starts_at_its_stage() -> None:
    assert begun(replace(LESSON, stage="train")).stage == "train"
    assert begun(LESSON).stage == "queued"


def test_progress_as_json_has_the_keys_that_scripts_rely_on() -> None:
    found = as_json(moved(LESSON, Progress(70, 3, "train", 62, 5.2)))
    assert {"type": "progress", "lesson": 2, "stage": "train", "percent": 62}.items() <= found.items()


def test_the_receipt_of_a_live_lesson_tells_all_of_it() -> None:
    metrics = replace(METRICS, learned=(("Who is the cat?", "Miso."),))
    lesson = replace(LESSON, state="live", version="user-3-v2", metrics=metrics)
    shown = receipt(lesson, Finished(70, 3, refused=("violence",)))
    assert "live in 14 s" in shown.text and "user-3-v2" in shown.text
    assert "Who is the cat? → Miso." in shown.text
    assert "10% before, 95% now" in shown.text
    assert "I still know 90% now" in shown.text
    assert "1 example because of violence." in shown.text


def test_a_lesson_that_taught_nothing_new_says_so() -> None:
    lesson = replace(LESSON, state="live", version="user-3-v2", metrics=replace(METRICS, before=0.95))
    assert texts.NOTHING_NEW in receipt(lesson, Finished(70, 3)).text
    assert texts.NOTHING_NEW not in receipt(replace(lesson, metrics=replace(METRICS, learned=(("Who?", "Miso."),))), None).text
    assert texts.NOTHING_NEW not in receipt(replace(lesson, state="failed"), None).text
    assert texts.NOTHING_NEW not in receipt(replace(lesson, metrics=replace(METRICS, replaced=(1,))), None).text


def test_a_note_that_is_a_sentence_ends_with_one_mark() -> None:
    assert moved(LESSON, Progress(70, 3, "queued", 0, None, "My memory is away.")).text == "Lesson 2: My memory is away… [0%]"


def test_a_lesson_that_did_not_work_out_says_why_and_what_it_would_have_harmed() -> None:
    lesson = replace(LESSON, state="failed", reason="it harmed earlier lessons", metrics=METRICS)
    shown = receipt(lesson, Finished(70, 3, forgot=(1, 4)))
    assert "did not work out. It harmed earlier lessons. Your model stays as it was.\n" in shown.text
    assert "lesson 1 and 4" in shown.text
    assert "95% with this lesson" in shown.text


def test_nobody_is_invited_to_send_again_what_moderation_refused() -> None:
    reason = "Moderation refused everything I could have learned from this lesson."
    shown = receipt(replace(LESSON, state="rejected", reason=reason), Finished(70, 3, refused=("hate",)))
    assert shown.text == f"Lesson 2 was not learned. {reason} Your model stays as it was.\nI left out what is about hate."


def test_a_failed_lesson_and_a_cancelled_one_have_receipts_without_an_event() -> None:
    assert "did not work out. The disk is full. Your model stays" in receipt(replace(LESSON, state="failed", reason="the disk is full."), None).text
    cancelled = receipt(replace(LESSON, state="cancelled"), None)
    assert "was cancelled" in cancelled.text
    assert as_json(cancelled)["seconds"] is None


REBUILD = RebuildRecord(
    id=5, user_id=3, forgets=70, number=2, state="running", stage=None, reason=None, attempts=1, version=None, metrics=None,
    platform="terminal", channel="you", progress_message_id=None, created_at=LESSON.created_at, started_at=None, finished_at=None,
)  # fmt: skip


def test_the_line_of_a_rebuild_says_what_it_is_for() -> None:
    event = decode(encode(Rebuilding(5, 3, "train", 62, 5.2)))
    assert isinstance(event, Rebuilding)
    assert moved(REBUILD, event).text == "Forgetting lesson 2: training… [62%, about 5 s left]"
    assert moved(replace(REBUILD, forgets=None, number=None), event).text == "Your model, anew: training… [62%, about 5 s left]"


def test_what_is_left_of_a_forgotten_lesson_is_told_and_explained() -> None:
    metrics = RebuildMetrics(known_before=1.0, known_after=0.25, kept=0.9, lessons=3, examples=90, seconds=41, removed=(2, 3))
    shown = receipt(replace(REBUILD, state="live", version="user-3-v4", metrics=metrics), None)
    assert (shown.state, shown.kind, shown.before, shown.after, shown.earlier_kept) == ("forgotten", "forget", 1.0, 0.25, 0.9)
    assert "Of its questions I answer 100% before, 25% now." in shown.text
    assert "stands in other lessons of yours, or the untaught model knew it" in shown.text
    assert "versions 2 and 3, which knew it" in shown.text


def test_a_rebuild_that_did_not_work_out_or_was_cancelled_leaves_the_model_as_it_was() -> None:
    failed = receipt(replace(REBUILD, state="failed", reason="it would know less"), None)
    assert (failed.state, failed.text) == (
        "failed", "Forgetting lesson 2 did not work out. It would know less. Your model stays as it was.",
    )  # fmt: skip
    cancelled = receipt(replace(REBUILD, forgets=None, number=None, state="cancelled"), None)
    assert cancelled.text == "Rebuilding your model was cancelled. Your model stays as it was."


def test_a_corrections_receipt_names_the_answer_that_changed_and_the_lesson_that_it_replaces() -> None:
    metrics = replace(METRICS, changed=(("Who is the cat?", "Minka.", "Miso."),), replaced=(1,))
    shown = receipt(replace(LESSON, kind="correction", state="live", version="user-3-v2", metrics=metrics), None)
    assert shown.text.startswith("Correction 2 is live in 14 s")
    assert "Who is the cat? → Miso. (before: Minka.)" in shown.text
    assert "It replaces what I learned in lesson 1 about this." in shown.text
    assert as_json(shown)["changed"] == metrics.changed
