"""Lessons: from the queue to live, with the examples written from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from storage.errors import LessonFinishedError, UnknownLessonError
from storage.models import Adapter, Example, Feedback, Lesson, User
from storage.records import (
    UNFINISHED,
    ExampleRecord,
    ExampleRole,
    LessonKind,
    LessonMetrics,
    LessonOutcome,
    LessonRecord,
    LessonState,
    NewSource,
    TaughtLesson,
)
from storage.repositories.base import Repository, lock_user
from storage.repositories.source_rows import add_sources, erase_sources, passages_of, source_record


class Lessons(Repository):
    """What users teach. A lesson that has ended stays as it is; only `forget` still changes it."""

    def create(
        self,
        user_id: int,
        kind: LessonKind,
        text: str,
        *,
        dedupe_key: str,
        platform: str,
        channel: str,
        conversation_id: int | None,
        source: str | None = None,
        sources: Sequence[NewSource] = (),
        refreshes: int | None = None,
    ) -> tuple[LessonRecord, bool]:
        """Queue a lesson under the user's next number, with what it is to read; True if it is new.

        The same `dedupe_key` (the platform's id of the event) again gives back the lesson that it created, and False.
        Raises UnknownUserError.
        """
        with self._database.session() as session:
            user = lock_user(session, user_id)
            known = (Lesson.user_id == user_id, Lesson.dedupe_key == dedupe_key)
            existing = session.scalar(select(Lesson).where(*known))
            if existing is not None:
                return record(existing), False
            user.lessons_numbered += 1
            lesson = Lesson(
                user_id=user_id,
                number=user.lessons_numbered,
                kind=kind,
                text=text,
                source=source,
                dedupe_key=dedupe_key,
                platform=platform,
                channel=channel,
                conversation_id=conversation_id,
                refreshes=refreshes,
                created_at=self._now(),
            )
            session.add(lesson)
            session.flush()
            add_sources(session, lesson.id, sources)
            session.flush()
            return record(lesson), True

    def get(self, lesson_id: int) -> LessonRecord | None:
        """The lesson, or None."""
        return self._first(Lesson.id == lesson_id)

    def by_number(self, user_id: int, number: int) -> LessonRecord | None:
        """The user's lesson of that number, or None."""
        return self._first(Lesson.user_id == user_id, Lesson.number == number)

    def of_user(self, user_id: int) -> tuple[LessonRecord, ...]:
        """All lessons of a user, by number."""
        return self._all(Lesson.user_id == user_id)

    def count(self, user_id: int, since: datetime) -> int:
        """How many lessons the user has submitted since then."""
        submitted = (Lesson.user_id == user_id, Lesson.created_at >= since)
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(Lesson).where(*submitted)) or 0

    def unfinished(self) -> tuple[LessonRecord, ...]:
        """All queued and running lessons of everybody, oldest first."""
        return self._all(Lesson.state.in_(UNFINISHED))

    def unfinished_of_user(self, user_id: int) -> tuple[LessonRecord, ...]:
        """The user's queued and running lessons, oldest first."""
        return self._all(Lesson.user_id == user_id, Lesson.state.in_(UNFINISHED))

    def active_texts(self, user_id: int, conversation_id: int | None = None) -> tuple[str, ...]:
        """The texts of lessons that are not live yet, oldest first: of one conversation, or (None) of all."""
        here = () if conversation_id is None else (Lesson.conversation_id == conversation_id,)
        written = Lesson.kind.not_in(("document", "web"))  # the words of others only say what to read
        lessons = self._all(Lesson.user_id == user_id, Lesson.state.in_(UNFINISHED), written, *here)
        return tuple(lesson.text for lesson in lessons)

    def start(self, lesson_id: int) -> LessonRecord:
        """Begin the lesson, or begin it again after a crash; counts the attempt.

        Raises UnknownLessonError, or LessonFinishedError where it ended (was cancelled, say) in the meantime.
        """
        with self._database.session() as session:
            lesson = lock_unfinished(session, lesson_id)
            lesson.state = "running"
            lesson.stage = None
            lesson.attempts += 1
            lesson.started_at = lesson.started_at or self._now()
            return record(lesson)

    def begin_now(self, lesson_id: int) -> LessonRecord | None:
        """Have a lesson that waits for a time wait no longer; None where it has begun or ended."""
        with self._database.session() as session:
            lesson = session.get(Lesson, lesson_id, with_for_update=True)
            if lesson is None or lesson.state != "queued" or lesson.begins_at is None:
                return None
            lesson.begins_at = min(lesson.begins_at, self._now())
            return record(lesson)

    def ask(self, lesson_id: int) -> LessonRecord:
        """Have the lesson wait for its user's word. Raises like `start`."""
        with self._database.session() as session:
            lesson = lock_unfinished(session, lesson_id)
            lesson.state = "awaiting"
            return record(lesson)

    def approve(self, lesson_id: int) -> LessonRecord | None:
        """The user said yes: the lesson goes on; None where it was not waiting for that. Raises UnknownLessonError."""
        with self._database.session() as session:
            lesson = _lock(session, lesson_id)
            if lesson.state != "awaiting":
                return None
            lesson.state = "queued"
            lesson.approved_at = self._now()
            return record(lesson)

    def not_counted(self, lesson_id: int) -> None:
        """Take the last attempt back: what ended it was not the lesson's fault. Nothing happens where the lesson is gone."""
        with self._database.session() as session:
            begun = (Lesson.id == lesson_id, Lesson.attempts > 0)
            session.execute(update(Lesson).where(*begun).values(attempts=Lesson.attempts - 1))

    def enter_stage(self, lesson_id: int, stage: str) -> LessonRecord:
        """Note the stage that begins; raises like `start`, so a cancelled lesson stops at its next stage."""
        with self._database.session() as session:
            lesson = lock_unfinished(session, lesson_id)
            lesson.stage = stage
            return record(lesson)

    def finish(
        self,
        lesson_id: int,
        state: LessonOutcome,
        *,
        reason: str | None = None,
        version: str | None = None,
        metrics: LessonMetrics | None = None,
    ) -> bool:
        """End the lesson; False if it had ended already, and then nothing changes. Raises UnknownLessonError."""
        with self._database.session() as session:
            lesson = _lock(session, lesson_id)
            if lesson.state not in UNFINISHED:
                return False
            end(lesson, state, self._now(), reason=reason, version=version, metrics=metrics)
            return True

    def forget(self, lesson_id: int) -> None:
        """Erase what the lesson said, its examples and its results; only that there was a lesson stays.

        The versions that know it are for the caller to rebuild and remove. Raises UnknownLessonError.
        """
        with self._database.session() as session:
            erase(session, _lock(session, lesson_id), self._now())
        self._database.scrub()

    def set_progress_message(self, lesson_id: int, message_id: str) -> None:
        """Remember which message shows the progress, until `receipt_shown`. Raises UnknownLessonError."""
        with self._database.session() as session:
            _lock(session, lesson_id).progress_message_id = message_id

    def receipt_shown(self, lesson_id: int) -> None:
        """The message that showed the progress has become the receipt. Nothing happens where the lesson is gone."""
        with self._database.session() as session:
            session.execute(update(Lesson).where(Lesson.id == lesson_id).values(progress_message_id=None))

    def without_receipt(self) -> tuple[LessonRecord, ...]:
        """Lessons of everybody whose progress was shown, but not how they ended, oldest first."""
        ended = Lesson.state.not_in((*UNFINISHED, "forgotten"))
        return self._all(ended, Lesson.progress_message_id.is_not(None))

    def save_examples(self, lesson_id: int, examples: Sequence[ExampleRecord]) -> None:
        """Keep these examples in place of any earlier ones. Raises like `start`."""
        with self._database.session() as session:
            lock_unfinished(session, lesson_id)
            session.execute(delete(Example).where(Example.lesson_id == lesson_id))
            if examples:
                session.execute(insert(Example), [{"lesson_id": lesson_id, **asdict(each)} for each in examples])

    def examples(self, lesson_id: int) -> tuple[ExampleRecord, ...]:
        """The lesson's examples in the order in which they were saved, refused ones included."""
        with self._database.reading() as session:
            return _examples(session, lesson_id)

    def taught(self, user_id: int) -> tuple[TaughtLesson, ...]:
        """What the user's live version knows, by number, or where the base model is live everything that they taught: to rebuild from."""
        with self._database.reading() as session:
            live = select(Adapter.lesson_ids).join(User, User.live_adapter_id == Adapter.id).where(User.id == user_id)
            known = session.scalar(live)
            taught = [Lesson.user_id == user_id, Lesson.state == "live", *([] if known is None else [Lesson.id.in_(known)])]
            lessons = session.scalars(select(Lesson).where(*taught).order_by(Lesson.number))
            return tuple(_taught(session, lesson) for lesson in lessons)

    def taught_before(self, user_id: int, lesson_id: int) -> tuple[TaughtLesson, ...]:
        """What the user's live version knows apart from this lesson, by number: to replay, or to rebuild without it.

        After a roll back, lessons that only the newer versions knew are not among them.
        """
        with self._database.reading() as session:
            live = select(Adapter.lesson_ids).join(User, User.live_adapter_id == Adapter.id).where(User.id == user_id)
            known = session.scalar(live) or []
            taught = (Lesson.user_id == user_id, Lesson.state == "live", Lesson.id.in_(known), Lesson.id != lesson_id)
            lessons = session.scalars(select(Lesson).where(*taught).order_by(Lesson.number))
            return tuple(_taught(session, lesson) for lesson in lessons)

    def _first(self, *conditions: ColumnElement[bool]) -> LessonRecord | None:
        with self._database.reading() as session:
            lesson = session.scalar(select(Lesson).where(*conditions))
            return None if lesson is None else record(lesson)

    def _all(self, *conditions: ColumnElement[bool]) -> tuple[LessonRecord, ...]:
        with self._database.reading() as session:
            return tuple(map(record, session.scalars(select(Lesson).where(*conditions).order_by(Lesson.id))))


def erase(session: Session, lesson: Lesson, now: datetime) -> None:
    """Keep of a lesson only that there was one, and nothing of the corrections that it came from."""
    session.execute(delete(Example).where(Example.lesson_id == lesson.id))
    erase_sources(session, lesson.id)
    corrected = update(Feedback).where(Feedback.lesson_id == lesson.id)
    session.execute(corrected.values(correction=None, withdrawn_at=func.coalesce(Feedback.withdrawn_at, now)))
    lesson.state = "forgotten"
    lesson.text = ""
    lesson.source = lesson.stage = lesson.reason = lesson.metrics = None
    lesson.finished_at = lesson.finished_at or now


def end(
    lesson: Lesson,
    state: LessonOutcome,
    now: datetime,
    *,
    reason: str | None = None,
    version: str | None = None,
    metrics: LessonMetrics | None = None,
) -> None:
    """Record how a locked lesson ended."""
    lesson.state = state
    lesson.reason = reason
    lesson.version = version
    lesson.metrics = asdict(metrics) if metrics is not None else None
    lesson.finished_at = now


def _lock(session: Session, lesson_id: int) -> Lesson:
    lesson = session.get(Lesson, lesson_id, with_for_update=True)
    if lesson is None:
        raise UnknownLessonError(lesson_id)
    return lesson


def lock_unfinished(session: Session, lesson_id: int) -> Lesson:
    """The lesson, locked until the session ends. Raises UnknownLessonError or LessonFinishedError."""
    lesson = _lock(session, lesson_id)
    if lesson.state not in UNFINISHED:
        raise LessonFinishedError(lesson_id, lesson.state)
    return lesson


def _examples(session: Session, lesson_id: int) -> tuple[ExampleRecord, ...]:
    rows = session.scalars(select(Example).where(Example.lesson_id == lesson_id).order_by(Example.id))
    return tuple(ExampleRecord(cast(ExampleRole, row.role), row.question, row.answer, row.refused_category, row.part_id) for row in rows)


def _taught(session: Session, lesson: Lesson) -> TaughtLesson:
    return TaughtLesson(record(lesson), _examples(session, lesson.id), passages_of(session, lesson.id))


def _metrics(stored: dict[str, Any]) -> LessonMetrics:
    pairs = {name: tuple(tuple(each) for each in stored.get(name, ())) for name in ("learned", "changed")}
    return LessonMetrics(**{**stored, **pairs, "replaced": tuple(stored.get("replaced", ()))})


def record(row: Lesson) -> LessonRecord:
    return LessonRecord(
        id=row.id,
        user_id=row.user_id,
        number=row.number,
        kind=cast(LessonKind, row.kind),
        text=row.text,
        source=row.source,
        state=cast(LessonState, row.state),
        stage=row.stage,
        reason=row.reason,
        attempts=row.attempts,
        dedupe_key=row.dedupe_key,
        version=row.version,
        metrics=_metrics(row.metrics) if row.metrics is not None else None,
        conversation_id=row.conversation_id,
        platform=row.platform,
        channel=row.channel,
        progress_message_id=row.progress_message_id,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        begins_at=row.begins_at,
        sources=tuple(map(source_record, row.sources)),
        approved_at=row.approved_at,
        refreshes=row.refreshes,
    )
