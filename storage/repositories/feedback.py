"""Feedback: what users thought of answers, until a version has been trained on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from storage import models
from storage.errors import UnknownExchangeError
from storage.models import Lesson
from storage.records import CaseRecord, DownReason, ExchangeRecord, FeedbackKind, FeedbackRecord, LessonRecord
from storage.repositories.base import Repository, lock_user
from storage.repositories.exchanges import record as exchange_record
from storage.repositories.lessons import end, record

_Row = models.Feedback
Say = Callable[[str, str], str]


class Feedback(Repository):
    """Thumbs, reports and corrections; at most one of each kind per user and answer."""

    def add(self, exchange_id: int, user_id: int, kind: FeedbackKind, correction: str | None = None) -> FeedbackRecord:
        """Keep a piece of feedback; the same kind again revives a withdrawn one, a new `correction` replaces the old.

        Raises UnknownUserError or UnknownExchangeError.
        """
        with self._database.session() as session:
            lock_user(session, user_id)
            if session.get(models.Exchange, exchange_id) is None:
                raise UnknownExchangeError(exchange_id)
            same = (_Row.exchange_id == exchange_id, _Row.user_id == user_id, _Row.kind == kind)
            row = session.scalar(select(_Row).where(*same))
            if row is None:
                row = _Row(exchange_id=exchange_id, user_id=user_id, kind=kind, created_at=self._now())
                session.add(row)
            if correction is not None and correction != row.correction:
                row.correction = correction
                row.used_in = None  # what no version has learned from yet
            row.withdrawn_at = None
            session.flush()
            return _record(row)

    def correct(
        self,
        exchange_id: int,
        user_id: int,
        correction: str,
        begins_at: datetime,
        *,
        dedupe_key: str,
        platform: str,
        channel: str,
        say: Say = "{}\n{}".format,
    ) -> tuple[LessonRecord, bool]:
        """Keep what an answer should have been, to be learned at `begins_at`; the lesson that takes it up, True if that is new.

        It joins the user's corrections that still wait in the channel, which then wait on with it. `say` makes a question and its
        correction one text. Raises UnknownUserError or UnknownExchangeError.
        """
        with self._database.session() as session:
            user = lock_user(session, user_id)
            exchange = session.get(models.Exchange, exchange_id)
            if exchange is None or exchange.user_id != user_id:
                raise UnknownExchangeError(exchange_id)
            same = (_Row.exchange_id == exchange_id, _Row.user_id == user_id, _Row.kind == "down")
            row = session.scalar(select(_Row).where(*same))
            if row is None:
                row = _Row(exchange_id=exchange_id, user_id=user_id, kind="down", created_at=self._now())
                session.add(row)
            waiting = (Lesson.user_id == user_id, Lesson.kind == "correction", Lesson.state == "queued")
            here = (Lesson.platform == platform, Lesson.channel == channel, Lesson.begins_at.is_not(None))
            lesson = session.scalar(select(Lesson).where(*waiting, *here))
            is_new = lesson is None
            if lesson is None:
                user.lessons_numbered += 1
                lesson = Lesson(
                    user_id=user_id,
                    number=user.lessons_numbered,
                    kind="correction",
                    text="",
                    dedupe_key=dedupe_key,
                    platform=platform,
                    channel=channel,
                    conversation_id=exchange.conversation_id,
                    created_at=self._now(),
                )
                session.add(lesson)
                session.flush()
            left = row.lesson_id if row.lesson_id != lesson.id else None
            row.correction, row.lesson_id = correction, lesson.id
            row.used_in = row.withdrawn_at = None
            lesson.begins_at = begins_at
            session.flush()
            _say_again(session, lesson, say)
            if left is not None:
                _leave(session, left, self._now(), say)
            return record(lesson), is_new

    def explain(self, exchange_id: int, user_id: int, reason: DownReason) -> bool:
        """Note what a standing 👎 was about; False if there is none."""
        standing = (_Row.exchange_id == exchange_id, _Row.user_id == user_id, _Row.kind == "down", _Row.withdrawn_at.is_(None))
        with self._database.session() as session:
            row = session.scalar(select(_Row).where(*standing).with_for_update())
            if row is not None:
                row.reason = reason
            return row is not None

    def withdraw(self, exchange_id: int, user_id: int, kind: FeedbackKind, say: Say = "{}\n{}".format) -> bool:
        """Take a piece of feedback back; False if none was standing. A correction that waits with it alone is cancelled."""
        standing = (_Row.exchange_id == exchange_id, _Row.user_id == user_id, _Row.kind == kind)
        with self._database.session() as session:
            lock_user(session, user_id)
            row = session.scalar(select(_Row).where(*standing, _Row.withdrawn_at.is_(None)).with_for_update())
            if row is None:
                return False
            row.withdrawn_at = self._now()
            session.flush()
            if row.lesson_id is not None:
                _leave(session, row.lesson_id, self._now(), say)
            return True

    def cases(self, lesson_id: int) -> tuple[CaseRecord, ...]:
        """What stands of a correction lesson, oldest first."""
        with self._database.reading() as session:
            return _cases(session, lesson_id)

    def liked(self, user_id: int) -> tuple[ExchangeRecord, ...]:
        """The user's own exchanges whose answers they like, oldest first, without those of versions that were removed."""
        with self._database.reading() as session:
            removed = select(models.Adapter.name).where(models.Adapter.user_id == user_id, models.Adapter.removed_at.is_not(None))
            up = select(_Row.exchange_id).where(_Row.user_id == user_id, _Row.kind == "up", _Row.withdrawn_at.is_(None))
            theirs = (models.Exchange.user_id == user_id, models.Exchange.state == "answered", models.Exchange.id.in_(up))
            known = or_(models.Exchange.version.is_(None), models.Exchange.version.not_in(removed))
            return tuple(map(exchange_record, session.scalars(select(models.Exchange).where(*theirs, known).order_by(models.Exchange.id))))

    def of_exchange(self, exchange_id: int) -> tuple[FeedbackRecord, ...]:
        """What stands (was not withdrawn) about an answer, oldest first."""
        return self._all(_Row.exchange_id == exchange_id, _Row.withdrawn_at.is_(None))

    def of_user(self, user_id: int) -> tuple[FeedbackRecord, ...]:
        """All feedback that a user ever gave, withdrawn included, oldest first."""
        return self._all(_Row.user_id == user_id)

    def unused(self, user_id: int) -> tuple[FeedbackRecord, ...]:
        """What stands and no version has been trained on, oldest first."""
        return self._all(_Row.user_id == user_id, _Row.withdrawn_at.is_(None), _Row.used_in.is_(None))

    def mark_used(self, feedback_ids: Sequence[int], version: str) -> None:
        """Note that `version` was trained on this feedback."""
        with self._database.session() as session:
            session.execute(update(_Row).where(_Row.id.in_(feedback_ids)).values(used_in=version))

    def _all(self, *conditions: ColumnElement[bool]) -> tuple[FeedbackRecord, ...]:
        with self._database.reading() as session:
            return tuple(map(_record, session.scalars(select(_Row).where(*conditions).order_by(_Row.id))))


def _cases(session: Session, lesson_id: int) -> tuple[CaseRecord, ...]:
    standing = (_Row.lesson_id == lesson_id, _Row.withdrawn_at.is_(None), _Row.correction.is_not(None))
    rows = select(_Row, models.Exchange).join(models.Exchange, models.Exchange.id == _Row.exchange_id).where(*standing).order_by(_Row.id)
    return tuple(
        CaseRecord(row.id, row.exchange_id, exchange.question, exchange.answer or "", row.correction or "") for row, exchange in session.execute(rows)
    )


def _say_again(session: Session, lesson: Lesson, say: Say) -> None:
    """Put into a correction's text what stands of it."""
    lesson.text = "\n\n".join(say(case.question, case.correction) for case in _cases(session, lesson.id))


def _leave(session: Session, lesson_id: int, now: datetime, say: Say) -> None:
    """A case has left a correction: one that still waits says what is left, and is over when that is nothing."""
    lesson = session.get(Lesson, lesson_id, with_for_update=True)
    if lesson is None or lesson.state != "queued":
        return
    _say_again(session, lesson, say)
    if not lesson.text:
        end(lesson, "cancelled", now)


def _record(row: models.Feedback) -> FeedbackRecord:
    return FeedbackRecord(
        id=row.id,
        exchange_id=row.exchange_id,
        user_id=row.user_id,
        kind=cast(FeedbackKind, row.kind),
        correction=row.correction,
        used_in=row.used_in,
        created_at=row.created_at,
        withdrawn_at=row.withdrawn_at,
        reason=cast("DownReason | None", row.reason),
        lesson_id=row.lesson_id,
    )
