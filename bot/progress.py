"""Turns a lesson's events and its row into what is shown: the line that moves, and at the end the receipt."""

from __future__ import annotations

from bot import texts
from bot.messages import LessonProgress, LessonReceipt
from storage.records import LessonRecord
from trainer.contracts import STAGES, Finished, Progress, Stage


def begun(lesson: LessonRecord) -> LessonProgress:
    """The line of a lesson before its next event: just taken in, or found under way after a restart."""
    stage: Stage = lesson.stage if lesson.stage in STAGES else "queued"
    percent = 100 * STAGES.index(stage) // len(STAGES)
    return LessonProgress(lesson.number, stage, percent, texts.progress(lesson.number, stage, percent, None, None))


def moved(lesson: LessonRecord, event: Progress) -> LessonProgress:
    """The line after an event."""
    percent = min(100, max(0, event.percent))
    text = texts.progress(lesson.number, event.stage, percent, event.seconds_left, event.note)
    return LessonProgress(lesson.number, event.stage, percent, text)


def receipt(lesson: LessonRecord, event: Finished | None) -> LessonReceipt:
    """How a finished lesson ended. The row says it; the event adds details, and may be missing after a restart."""
    refused, forgot = (event.refused, event.forgot) if event else ((), ())
    metrics = lesson.metrics
    learned = metrics.learned if metrics else ()
    return LessonReceipt(
        lesson=lesson.number,
        kind=lesson.kind,
        state=lesson.state,
        version=lesson.version,
        before=metrics.before if metrics else None,
        after=metrics.after if metrics else None,
        earlier_kept=metrics.earlier_kept if metrics else None,
        examples=metrics.examples if metrics else 0,
        refused=metrics.refused if metrics else 0,
        reason=lesson.reason,
        seconds=metrics.seconds if metrics else None,
        learned=learned,
        text=texts.receipt(lesson, learned, refused, forgot),
    )
