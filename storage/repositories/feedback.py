"""Feedback: what users thought of answers, until a version has been trained on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from storage import models
from storage.errors import UnknownExchangeError
from storage.models import Lesson
from storage.records import UNFINISHED, CaseRecord, DownReason, ExchangeRecord, FeedbackKind, FeedbackRecord, LessonRecord
from storage.repositories.base import Repository, copied, lock_user
from storage.repositories.exchanges import record as exchange_record
from storage.repositories.lessons import record
from storage.repositories.works import end, lock_unfinished

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
            row, exchange = self._disliked(session, exchange_id, user_id)
            lesson, is_new = self._waiting(session, exchange, platform, channel, dedupe_key)
            left = row.lesson_id if row.lesson_id != lesson.id else None
            row.correction, row.lesson_id = correction, lesson.id
            row.used_in = row.withdrawn_at = row.proposed = None
            lesson.begins_at = begins_at
            session.flush()
            _say_again(session, lesson, say)
            if left is not None:
                _leave(session, left, self._now(), say)
            return record(lesson), is_new

    def improve(
        self, exchange_id: int, user_id: int, reason: DownReason, begins_at: datetime, *, dedupe_key: str, platform: str, channel: str
    ) -> tuple[LessonRecord, bool] | None:
        """Have the model look for a better answer by itself; else as `correct`. None where the answer is being corrected, or was."""
        with self._database.session() as session:
            row, exchange = self._disliked(session, exchange_id, user_id)
            row.reason, row.withdrawn_at = reason, None
            taken_up = session.get(Lesson, row.lesson_id) if row.lesson_id is not None else None
            if taken_up is not None and taken_up.state in (*UNFINISHED, "live"):
                return None
            lesson, is_new = self._waiting(session, exchange, platform, channel, dedupe_key)
            row.correction = row.proposed = row.used_in = None
            row.lesson_id, lesson.begins_at = lesson.id, begins_at
            session.flush()
            return record(lesson), is_new

    def found(self, lesson_id: int, better: Mapping[int, str], say: Say) -> tuple[CaseRecord, ...]:
        """Keep the better answers that the model found, by the id of the feedback; the lesson's cases with them."""
        with self._database.session() as session:
            lesson = lock_unfinished(session, Lesson, lesson_id)
            for feedback_id, answer in better.items():
                session.get_one(_Row, feedback_id).proposed = answer
            session.flush()
            _say_again(session, lesson, say)
            return _cases(session, lesson_id)

    def reports(self, limit: int | None = None) -> tuple[tuple[FeedbackRecord, ExchangeRecord], ...]:
        """What stands of everybody's reports, newest first, with what was reported."""
        standing = (_Row.kind == "report", _Row.withdrawn_at.is_(None))
        query = select(_Row, models.Exchange).join(models.Exchange, models.Exchange.id == _Row.exchange_id).where(*standing)
        with self._database.reading() as session:
            rows = session.execute(query.order_by(_Row.id.desc()).limit(limit))
            return tuple((_record(row), exchange_record(exchange)) for row, exchange in rows)

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

    def _disliked(self, session: Session, exchange_id: int, user_id: int) -> tuple[_Row, models.Exchange]:
        """The user's 👎 on their own answer, added where there is none, and the answer."""
        lock_user(session, user_id)
        exchange = session.get(models.Exchange, exchange_id)
        if exchange is None or exchange.user_id != user_id:
            raise UnknownExchangeError(exchange_id)
        same = (_Row.exchange_id == exchange_id, _Row.user_id == user_id, _Row.kind == "down")
        row = session.scalar(select(_Row).where(*same))
        if row is None:
            row = _Row(exchange_id=exchange_id, user_id=user_id, kind="down", created_at=self._now())
            session.add(row)
        return row, exchange

    def _waiting(self, session: Session, exchange: models.Exchange, platform: str, channel: str, dedupe_key: str) -> tuple[Lesson, bool]:
        """The correction that this very message began, or that still waits in the channel; or a new one: then True."""
        user = lock_user(session, exchange.user_id)
        waiting = (Lesson.user_id == user.id, Lesson.kind == "correction", Lesson.state == "queued")
        here = (Lesson.platform == platform, Lesson.channel == channel, Lesson.begins_at.is_not(None))
        lesson = session.scalar(select(Lesson).where(Lesson.user_id == user.id, Lesson.dedupe_key == dedupe_key))
        lesson = lesson or session.scalar(select(Lesson).where(*waiting, *here))
        if lesson is not None:
            return lesson, False
        user.lessons_numbered += 1
        lesson = Lesson(
            user_id=user.id,
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
        return lesson, True

    def _all(self, *conditions: ColumnElement[bool]) -> tuple[FeedbackRecord, ...]:
        with self._database.reading() as session:
            return tuple(map(_record, session.scalars(select(_Row).where(*conditions).order_by(_Row.id))))


def _cases(session: Session, lesson_id: int) -> tuple[CaseRecord, ...]:
    standing = (_Row.lesson_id == lesson_id, _Row.withdrawn_at.is_(None))
    rows = select(_Row, models.Exchange).join(models.Exchange, models.Exchange.id == _Row.exchange_id).where(*standing).order_by(_Row.id)
    return tuple(
        CaseRecord(
            row.id, row.exchange_id, exchange.question, exchange.answer or "", row.correction or row.proposed, cast("DownReason | None", row.reason)
        )
        for row, exchange in session.execute(rows)
    )


def _say_again(session: Session, lesson: Lesson, say: Say) -> None:
    """Put into a correction's text what stands of it."""
    said = (say(case.question, case.correction) for case in _cases(session, lesson.id) if case.correction)
    lesson.text = "\n\n".join(filter(None, said))


def _leave(session: Session, lesson_id: int, now: datetime, say: Say) -> None:
    """A case has left a correction: one that still waits says what is left, and is over when that is nothing."""
    lesson = session.get(Lesson, lesson_id, with_for_update=True)
    if lesson is None or lesson.state != "queued":
        return
    _say_again(session, lesson, say)
    if not _cases(session, lesson_id):
        end(lesson, "cancelled", now)


def _record(row: models.Feedback) -> FeedbackRecord:
    return copied(FeedbackRecord, row)
