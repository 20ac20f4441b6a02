"""Rebuilds: models trained afresh from the lesson log, and lessons forgotten by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.errors import StaleVersionError, UnknownLessonError, UnknownRebuildError
from storage.models import Adapter, Lesson, Rebuild, User
from storage.records import UNFINISHED, RebuildMetrics, RebuildOutcome, RebuildRecord
from storage.repositories.base import copied, lock_user, worked
from storage.repositories.lessons import erase
from storage.repositories.works import Works, end, lock, lock_unfinished


class Rebuilds(Works[Rebuild, RebuildRecord]):
    """Work on models as a whole. A rebuild that has ended stays as it is."""

    _table = Rebuild

    def create(self, user_id: int, *, platform: str, channel: str, forgets: int | None = None) -> tuple[RebuildRecord, bool]:
        """Queue a rebuild, which leaves out the lesson of the id `forgets` for good; True if it is new.

        While one that does the same waits or runs, gives that one back, and False. Where the lesson to be forgotten is all that the
        user's live version knows, the base model is live from this call on. Raises UnknownUserError or UnknownLessonError.
        """
        with self._database.session() as session:
            user = lock_user(session, user_id)
            same = (Rebuild.user_id == user_id, Rebuild.forgets.is_(None) if forgets is None else Rebuild.forgets == forgets)
            existing = session.scalar(select(Rebuild).where(*same, Rebuild.state.in_(UNFINISHED)))
            if existing is not None:
                return _record(existing), False
            if forgets is not None:
                lesson = session.get(Lesson, forgets)
                if lesson is None or lesson.user_id != user_id:
                    raise UnknownLessonError(forgets)
                if _known(session, user) == {forgets}:
                    user.live_adapter_id = None
            rebuild = Rebuild(user_id=user_id, forgets=forgets, platform=platform, channel=channel, created_at=self._now())
            session.add(rebuild)
            session.flush()
            if not channel:  # nobody is to be told
                rebuild.progress_message_id = None
            return _record(rebuild), True

    def worked(self, user_id: int, since: datetime) -> float:
        """How many seconds the user's rebuilds took that have ended since then."""
        ended = (Rebuild.user_id == user_id, Rebuild.finished_at >= since)
        with self._database.reading() as session:
            rows = session.execute(select(Rebuild.metrics, Rebuild.started_at, Rebuild.finished_at).where(*ended))
            return sum(worked(*row) for row in rows)

    def finish(self, rebuild_id: int, state: RebuildOutcome, *, reason: str | None = None, metrics: RebuildMetrics | None = None) -> bool:
        """End the rebuild without a new version; False if it had ended already. Raises UnknownRebuildError."""
        with self._database.session() as session:
            rebuild = lock(session, Rebuild, rebuild_id)
            if rebuild.state not in UNFINISHED:
                return False
            end(rebuild, state, self._now(), reason=reason, metrics=metrics)
            return True

    def forget(self, rebuild_id: int, expected_live: str | None, metrics: RebuildMetrics) -> RebuildRecord:
        """Forget the rebuild's lesson without a new version: `expected_live` (None: the base model), which is live, never knew it.

        Ends the rebuild, erases the lesson and marks the versions that knew it, in one step. Raises like `start`, or
        StaleVersionError where another version went live meanwhile.
        """
        with self._database.session() as session:
            rebuild = session.get(Rebuild, rebuild_id)
            if rebuild is None:
                raise UnknownRebuildError(rebuild_id)
            user = lock_user(session, rebuild.user_id)
            rebuild = lock_unfinished(session, Rebuild, rebuild_id)
            live = session.get(Adapter, user.live_adapter_id) if user.live_adapter_id is not None else None
            if (live.name if live else None) != expected_live or (live is not None and rebuild.forgets in live.lesson_ids):
                raise StaleVersionError(expected_live, live.name if live else None)
            complete(session, rebuild, self._now(), version=expected_live, metrics=metrics)
            ended = _record(rebuild)
        self._database.scrub()
        return ended

    @staticmethod
    def _record(row: Rebuild) -> RebuildRecord:
        return _record(row)


def complete(session: Session, rebuild: Rebuild, now: datetime, *, version: str | None, metrics: RebuildMetrics) -> None:
    """End a locked rebuild as live with that version; what it forgets is erased, and the versions that knew it are marked."""
    removed: list[int] = []
    if rebuild.lesson is not None:
        knew = session.scalars(select(Adapter).where(Adapter.user_id == rebuild.user_id, Adapter.removed_at.is_(None)).order_by(Adapter.id))
        for adapter in knew:
            if rebuild.forgets in adapter.lesson_ids:
                adapter.removed_at = now
                removed.append(adapter.number)
        erase(session, rebuild.lesson, now)
    end(rebuild, "live", now, version=version, metrics=replace(metrics, removed=tuple(removed)))


def _known(session: Session, user: User) -> set[int]:
    """Ids of the lessons that the live version knows and that are not forgotten."""
    live = session.get(Adapter, user.live_adapter_id) if user.live_adapter_id is not None else None
    known = (Lesson.id.in_(live.lesson_ids if live else ()), Lesson.state == "live")
    return set(session.scalars(select(Lesson.id).where(*known)))


def _metrics(stored: dict[str, Any]) -> RebuildMetrics:
    return RebuildMetrics(**{**stored, "removed": tuple(stored["removed"])})


def _record(row: Rebuild) -> RebuildRecord:
    metrics = _metrics(row.metrics) if row.metrics is not None else None
    return copied(RebuildRecord, row, metrics=metrics, number=row.lesson.number if row.lesson is not None else None)
