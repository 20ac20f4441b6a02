"""Turns the events and the row of a lesson or a rebuild into what is shown: the line that moves, and at the end the receipt."""

from __future__ import annotations

from bot import texts
from bot.messages import LessonProgress, LessonReceipt
from storage.records import LessonRecord, RebuildRecord
from trainer.contracts import STAGES, Finished, Progress, Rebuilding, Rebuilt, Stage

Work = LessonRecord | RebuildRecord


def begun(work: Work) -> LessonProgress:
    """The line of a lesson or rebuild before its next event: just taken in, or found under way after a restart."""
    stage: Stage = work.stage if work.stage in STAGES else "queued"
    percent = 100 * STAGES.index(stage) // len(STAGES)
    return LessonProgress(work.number, stage, percent, texts.progress(_name(work), stage, percent, None, None), work.user_id)


def moved(work: Work, event: Progress | Rebuilding) -> LessonProgress:
    """The line after an event."""
    percent = min(100, max(0, event.percent))
    text = texts.progress(_name(work), event.stage, percent, event.seconds_left, event.note)
    return LessonProgress(work.number, event.stage, percent, text, work.user_id)


def receipt(work: Work, event: Finished | Rebuilt | None) -> LessonReceipt:
    """How it ended. The row says it; a lesson's event adds details, and may be missing after a restart."""
    if isinstance(work, RebuildRecord):
        return _rebuild_receipt(work)
    return _lesson_receipt(work, event if isinstance(event, Finished) else None)


def _name(work: Work) -> str:
    if isinstance(work, LessonRecord):
        return (texts.correction_name if work.kind == "correction" else texts.lesson_name)(work.number)
    return texts.REBUILDING if work.number is None else texts.forgetting(work.number)


def _rebuild_receipt(rebuild: RebuildRecord) -> LessonReceipt:
    metrics = rebuild.metrics
    forgotten = rebuild.forgets is not None and rebuild.state == "live"
    return LessonReceipt(
        lesson=rebuild.number,
        kind="rebuild" if rebuild.forgets is None else "forget",
        state="forgotten" if forgotten else rebuild.state,
        version=rebuild.version,
        before=metrics.known_before if metrics else None,
        after=metrics.known_after if metrics else None,
        earlier_kept=metrics.kept if metrics else None,
        examples=metrics.examples if metrics else 0,
        refused=0,
        reason=rebuild.reason,
        seconds=metrics.seconds if metrics else None,
        learned=(),
        text=texts.rebuild_receipt(rebuild),
        owner=rebuild.user_id,
    )


def _lesson_receipt(lesson: LessonRecord, event: Finished | None) -> LessonReceipt:
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
        changed=metrics.changed if metrics else (),
        text=texts.receipt(lesson, learned, refused, forgot),
        owner=lesson.user_id,
    )
