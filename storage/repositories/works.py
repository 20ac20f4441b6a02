"""What lessons and rebuilds have in common: they wait, run, end once, and are shown in a message that moves."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from sqlalchemy import ColumnElement, and_, not_, or_, select, update
from sqlalchemy.orm import Session

from storage.errors import LessonFinishedError, RebuildFinishedError, UnknownLessonError, UnknownRebuildError
from storage.models import Lesson, Rebuild
from storage.records import UNFINISHED, LessonMetrics, LessonOutcome, LessonRecord, RebuildMetrics, RebuildOutcome, RebuildRecord
from storage.repositories.base import Repository

Row = TypeVar("Row", Lesson, Rebuild)
Record = TypeVar("Record", LessonRecord, RebuildRecord)


class Works(Repository, Generic[Row, Record]):
    """Rows of work. What has ended stays as it is."""

    _table: type[Row]
    _ended: ClassVar[tuple[str, ...]] = ("live", "rejected", "failed", "cancelled")  # states with a receipt

    def get(self, row_id: int) -> Record | None:
        """It, or None."""
        found = self._all(self._table.id == row_id)
        return found[0] if found else None

    def of_user(self, user_id: int) -> tuple[Record, ...]:
        """All of a user's, oldest first."""
        return self._all(self._table.user_id == user_id)

    def unfinished(self) -> tuple[Record, ...]:
        """All of everybody's that has not ended, oldest first."""
        return self._all(self._table.state.in_(UNFINISHED))

    def unfinished_of_user(self, user_id: int) -> tuple[Record, ...]:
        """The user's that has not ended, oldest first."""
        return self._all(self._table.user_id == user_id, self._table.state.in_(UNFINISHED))

    def start(self, row_id: int) -> Record:
        """Begin it, or begin it again after a crash; counts the attempt.

        Raises what `lock_unfinished` raises: it may have ended (have been cancelled, say) in the meantime.
        """
        with self._database.session() as session:
            row = lock_unfinished(session, self._table, row_id)
            row.state = "running"
            row.stage = None
            row.attempts += 1
            row.started_at = row.started_at or self._now()
            return self._record(row)

    def not_counted(self, row_id: int) -> None:
        """Take the last attempt back: what ended it was not its fault. Nothing happens where it is gone."""
        begun = (self._table.id == row_id, self._table.attempts > 0)
        with self._database.session() as session:
            session.execute(update(self._table).where(*begun).values(attempts=self._table.attempts - 1))

    def enter_stage(self, row_id: int, stage: str) -> Record:
        """Note the stage that begins; raises like `start`, so that what was cancelled stops at its next stage."""
        with self._database.session() as session:
            row = lock_unfinished(session, self._table, row_id)
            row.stage = stage
            return self._record(row)

    def set_progress_message(self, row_id: int, message_id: str) -> None:
        """Remember which message shows it, until `said_all`. Nothing happens where it is gone."""
        self._set_message(row_id, message_id)

    def said_all(self, row_id: int) -> None:
        """Its user has seen how it ended. Nothing happens where it is gone."""
        self._set_message(row_id, None)

    def to_show(self, platform: str) -> tuple[Record, ...]:
        """What of everybody's on that platform is under way, or has ended and nobody was told, oldest first."""
        ended = and_(self._table.state.in_(self._ended), self._table.progress_message_id.is_not(None))
        waits = and_(self._table.state == "awaiting", self._table.progress_message_id.is_(None))
        under_way = and_(self._table.state.in_(UNFINISHED), not_(waits))
        return self._all(self._table.platform == platform, or_(ended, under_way))

    @staticmethod
    @abstractmethod
    def _record(row: Row) -> Record:
        """The row as it leaves storage."""

    def _set_message(self, row_id: int, message_id: str | None) -> None:
        with self._database.session() as session:
            session.execute(update(self._table).where(self._table.id == row_id).values(progress_message_id=message_id))

    def _all(self, *conditions: ColumnElement[bool]) -> tuple[Record, ...]:
        with self._database.reading() as session:
            return tuple(map(self._record, session.scalars(select(self._table).where(*conditions).order_by(self._table.id))))


def lock(session: Session, table: type[Row], row_id: int) -> Row:
    """The row, as it is now, locked until the session ends. Raises UnknownLessonError or UnknownRebuildError."""
    row = session.get(table, row_id, with_for_update={"of": table}, populate_existing=True)
    if row is None:
        raise UnknownLessonError(row_id) if table is Lesson else UnknownRebuildError(row_id)
    return row


def lock_unfinished(session: Session, table: type[Row], row_id: int) -> Row:
    """As `lock`; also raises LessonFinishedError or RebuildFinishedError."""
    row = lock(session, table, row_id)
    if row.state not in UNFINISHED:
        raise LessonFinishedError(row_id, row.state) if table is Lesson else RebuildFinishedError(row_id, row.state)
    return row


def end(
    row: Lesson | Rebuild,
    state: LessonOutcome | RebuildOutcome,
    now: datetime,
    *,
    reason: str | None = None,
    version: str | None = None,
    metrics: LessonMetrics | RebuildMetrics | None = None,
) -> None:
    """Record how a locked row ended."""
    row.state = state
    row.reason = reason
    row.version = version
    row.metrics = asdict(metrics) if metrics is not None else None
    row.finished_at = now
