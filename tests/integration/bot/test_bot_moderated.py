"""What moderation refused is named in the receipt, also in one that is shown after a restart, when no event tells it."""

from __future__ import annotations

from bot.messages import LessonReceipt
from storage.records import ExampleRecord, LessonMetrics
from tests.bot_fixtures import Install

REFUSED = [ExampleRecord("train", "What of them?", "They are worse.", "hate"), ExampleRecord("train", "And she?", "She is worse.", "bias, hate")]


def begun(install: Install) -> int:
    """A lesson whose line is shown and whose examples are written, when the bot stops."""
    install.talk("Hello")  # so that there is somebody
    lesson, _ = install.stored.lessons.create(
        1, "instruction", "A fact.", dedupe_key="1", platform="recording", channel="general", conversation_id=None
    )
    install.stored.lessons.set_progress_message(lesson.id, "m9")
    install.stored.lessons.start(lesson.id)
    install.stored.lessons.save_examples(lesson.id, [ExampleRecord("train", "What fact?", "A fact."), *REFUSED])
    return lesson.id


def test_a_receipt_after_a_restart_names_what_was_refused(install: Install) -> None:
    lesson_id = begun(install)
    metrics = LessonMetrics(before=0.0, after=0.2, earlier_kept=None, examples=1, refused=2, seconds=3.0)
    install.stored.lessons.finish(lesson_id, "failed", reason="After training I still could not answer.", metrics=metrics)
    receipts = [each for each in install.talk() if isinstance(each, LessonReceipt)]
    assert "I left out 2 examples because of hate and bias, hate." in receipts[0].text


def test_a_rejected_lesson_keeps_the_category_in_its_row_and_receipt(install: Install) -> None:
    lesson_id = begun(install)
    install.stored.lessons.finish(lesson_id, "rejected", reason="This lesson was refused by moderation (hate).")
    (receipt,) = [each for each in install.talk() if isinstance(each, LessonReceipt)]
    assert "This lesson was refused by moderation (hate)." in receipt.text and receipt.reason == "This lesson was refused by moderation (hate)."
