"""Feedback: what users thought of answers, until a version has been trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlalchemy import ColumnElement, select, update

from storage import models
from storage.errors import UnknownExchangeError
from storage.records import FeedbackKind, FeedbackRecord
from storage.repositories.base import Repository, lock_user

_Row = models.Feedback


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

    def withdraw(self, exchange_id: int, user_id: int, kind: FeedbackKind) -> bool:
        """Take a piece of feedback back; False if none was standing."""
        standing = (_Row.exchange_id == exchange_id, _Row.user_id == user_id, _Row.kind == kind)
        with self._database.session() as session:
            row = session.scalar(select(_Row).where(*standing, _Row.withdrawn_at.is_(None)).with_for_update())
            if row is None:
                return False
            row.withdrawn_at = self._now()
            return True

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
    )
