"""Lessons: from the queue to live, with the examples written from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from storage.models import Adapter, Example, Feedback, Lesson, User
from storage.records import (
    UNFINISHED,
    ExampleRecord,
    ExampleRole,
    LessonKind,
    LessonMetrics,
    LessonOutcome,
    LessonRecord,
    NewSource,
    TaughtLesson,
)
from storage.repositories.base import copied, lock_user, worked
from storage.repositories.source_rows import add_sources, erase_sources, passages_of, source_record
from storage.repositories.works import Works, end, lock, lock_unfinished


class Lessons(Works[Lesson, LessonRecord]):
    """What users teach. A lesson that has ended stays as it is; only `forget` still changes it."""

    _table = Lesson

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
                brought=sum(len(each.content or b"") for each in sources) or len(text.encode("utf-8", "replace")),
                created_at=self._now(),
            )
            session.add(lesson)
            session.flush()
            add_sources(session, lesson.id, sources)
            session.flush()
            return record(lesson), True

    def by_number(self, user_id: int, number: int) -> LessonRecord | None:
        """The user's lesson of that number, or None."""
        found = self._all(Lesson.user_id == user_id, Lesson.number == number)
        return found[0] if found else None

    def count(self, user_id: int, since: datetime) -> int:
        """How many lessons the user has submitted since then."""
        submitted = (Lesson.user_id == user_id, Lesson.created_at >= since)
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(Lesson).where(*submitted)) or 0

    def brought(self, user_id: int, since: datetime) -> int:
        """How many bytes of words and files the user has given to learn since then."""
        submitted = (Lesson.user_id == user_id, Lesson.created_at >= since)
        with self._database.reading() as session:
            return session.scalar(select(func.sum(Lesson.brought)).where(*submitted)) or 0

    def worked(self, user_id: int, since: datetime) -> float:
        """How many seconds the user's lessons took that have ended since then."""
        ended = (Lesson.user_id == user_id, Lesson.finished_at >= since)
        with self._database.reading() as session:
            rows = session.execute(select(Lesson.metrics, Lesson.started_at, Lesson.approved_at, Lesson.finished_at).where(*ended))
            return sum(worked(metrics, approved or started, finished) for metrics, started, approved, finished in rows)

    def active_texts(self, user_id: int, conversation_id: int | None = None) -> tuple[str, ...]:
        """The texts of lessons that are not live yet, oldest first: of one conversation, or (None) of all."""
        here = () if conversation_id is None else (Lesson.conversation_id == conversation_id,)
        written = Lesson.kind.not_in(("document", "web", "tool"))  # these only say what to read, or what to write requests about
        lessons = self._all(Lesson.user_id == user_id, Lesson.state.in_(UNFINISHED), written, *here)
        return tuple(lesson.text for lesson in lessons if lesson.text)

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
            lesson = lock_unfinished(session, Lesson, lesson_id)
            lesson.state = "awaiting"
            return record(lesson)

    def asked(self, lesson_id: int) -> None:
        """The user has seen what the lesson asks: there is nothing to show until they answer, and nothing changes where they have."""
        with self._database.session() as session:
            waiting = (Lesson.id == lesson_id, Lesson.state == "awaiting")
            session.execute(update(Lesson).where(*waiting).values(progress_message_id=None))

    def approve(self, lesson_id: int) -> LessonRecord | None:
        """The user said yes: the lesson goes on; None where it was not waiting for that. Raises UnknownLessonError."""
        with self._database.session() as session:
            lesson = lock(session, Lesson, lesson_id)
            if lesson.state != "awaiting":
                return None
            lesson.state = "queued"
            lesson.progress_message_id = ""  # it goes on in a new message, below what was asked
            lesson.approved_at = self._now()
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
            lesson = lock(session, Lesson, lesson_id)
            if lesson.state not in UNFINISHED:
                return False
            end(lesson, state, self._now(), reason=reason, version=version, metrics=metrics)
            return True

    def forget(self, lesson_id: int) -> None:
        """Erase what the lesson said, its examples and its results; only that there was a lesson stays.

        The versions that know it are for the caller to rebuild and remove. Raises UnknownLessonError.
        """
        with self._database.session() as session:
            erase(session, lock(session, Lesson, lesson_id), self._now())
        self._database.scrub()

    def save_examples(self, lesson_id: int, examples: Sequence[ExampleRecord]) -> None:
        """Keep these examples in place of any earlier ones. Raises like `start`."""
        with self._database.session() as session:
            lock_unfinished(session, Lesson, lesson_id)
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

    @staticmethod
    def _record(row: Lesson) -> LessonRecord:
        return record(row)


def erase(session: Session, lesson: Lesson, now: datetime) -> None:
    """Keep of a lesson only that there was one, and nothing of the corrections that it came from."""
    session.execute(delete(Example).where(Example.lesson_id == lesson.id))
    erase_sources(session, lesson.id)
    corrected = update(Feedback).where(Feedback.lesson_id == lesson.id)
    session.execute(corrected.values(correction=None, proposed=None, withdrawn_at=func.coalesce(Feedback.withdrawn_at, now)))
    lesson.state = "forgotten"
    lesson.text = ""
    lesson.source = lesson.stage = lesson.reason = lesson.metrics = None
    lesson.finished_at = lesson.finished_at or now


def _examples(session: Session, lesson_id: int) -> tuple[ExampleRecord, ...]:
    rows = session.scalars(select(Example).where(Example.lesson_id == lesson_id).order_by(Example.id))
    return tuple(ExampleRecord(cast(ExampleRole, row.role), row.question, row.answer, row.refused_category, row.part_id) for row in rows)


def _taught(session: Session, lesson: Lesson) -> TaughtLesson:
    return TaughtLesson(record(lesson), _examples(session, lesson.id), passages_of(session, lesson.id))


def _metrics(stored: dict[str, Any]) -> LessonMetrics:
    pairs = {name: tuple(tuple(each) for each in stored.get(name, ())) for name in ("learned", "changed")}
    return LessonMetrics(**{**stored, **pairs, "replaced": tuple(stored.get("replaced", ()))})


def record(row: Lesson) -> LessonRecord:
    metrics = _metrics(row.metrics) if row.metrics is not None else None
    return copied(LessonRecord, row, metrics=metrics, sources=tuple(map(source_record, row.sources)))
