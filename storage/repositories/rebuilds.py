"""Rebuilds: models trained afresh from the lesson log, and lessons forgotten by one."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from storage.errors import RebuildFinishedError, StaleVersionError, UnknownLessonError, UnknownRebuildError
from storage.models import Adapter, Lesson, Rebuild, User
from storage.records import UNFINISHED, RebuildMetrics, RebuildOutcome, RebuildRecord, RebuildState
from storage.repositories.base import Repository, lock_user
from storage.repositories.lessons import erase


class Rebuilds(Repository):
    """Work on models as a whole. A rebuild that has ended stays as it is."""

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
            return _record(rebuild), True

    def get(self, rebuild_id: int) -> RebuildRecord | None:
        """The rebuild, or None."""
        found = self._all(Rebuild.id == rebuild_id)
        return found[0] if found else None

    def of_user(self, user_id: int) -> tuple[RebuildRecord, ...]:
        """All rebuilds of a user, oldest first."""
        return self._all(Rebuild.user_id == user_id)

    def unfinished(self) -> tuple[RebuildRecord, ...]:
        """All queued and running rebuilds of everybody, oldest first."""
        return self._all(Rebuild.state.in_(UNFINISHED))

    def unfinished_of_user(self, user_id: int) -> tuple[RebuildRecord, ...]:
        """The user's queued and running rebuilds, oldest first."""
        return self._all(Rebuild.user_id == user_id, Rebuild.state.in_(UNFINISHED))

    def start(self, rebuild_id: int) -> RebuildRecord:
        """Begin the rebuild, or begin it again after a crash; counts the attempt.

        Raises UnknownRebuildError, or RebuildFinishedError where it ended (was cancelled, say) in the meantime.
        """
        with self._database.session() as session:
            rebuild = lock_unfinished(session, rebuild_id)
            rebuild.state = "running"
            rebuild.stage = None
            rebuild.attempts += 1
            rebuild.started_at = rebuild.started_at or self._now()
            return _record(rebuild)

    def not_counted(self, rebuild_id: int) -> None:
        """Take the last attempt back: what ended it was not the rebuild's fault. Nothing happens where the rebuild is gone."""
        with self._database.session() as session:
            begun = (Rebuild.id == rebuild_id, Rebuild.attempts > 0)
            session.execute(update(Rebuild).where(*begun).values(attempts=Rebuild.attempts - 1))

    def enter_stage(self, rebuild_id: int, stage: str) -> None:
        """Note the stage that begins; raises like `start`, so a cancelled rebuild stops at its next stage."""
        with self._database.session() as session:
            lock_unfinished(session, rebuild_id).stage = stage

    def finish(self, rebuild_id: int, state: RebuildOutcome, *, reason: str | None = None, metrics: RebuildMetrics | None = None) -> bool:
        """End the rebuild without a new version; False if it had ended already. Raises UnknownRebuildError."""
        with self._database.session() as session:
            rebuild = session.get(Rebuild, rebuild_id, with_for_update={"of": Rebuild})
            if rebuild is None:
                raise UnknownRebuildError(rebuild_id)
            if rebuild.state not in UNFINISHED:
                return False
            _end(rebuild, state, self._now(), reason=reason, metrics=metrics)
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
            rebuild = lock_unfinished(session, rebuild_id)
            live = session.get(Adapter, user.live_adapter_id) if user.live_adapter_id is not None else None
            if (live.name if live else None) != expected_live or (live is not None and rebuild.forgets in live.lesson_ids):
                raise StaleVersionError(expected_live, live.name if live else None)
            complete(session, rebuild, self._now(), version=expected_live, metrics=metrics)
            ended = _record(rebuild)
        self._database.scrub()
        return ended

    def set_progress_message(self, rebuild_id: int, message_id: str) -> None:
        """Remember which message shows the progress, until `receipt_shown`. Nothing happens where the rebuild is gone."""
        with self._database.session() as session:
            session.execute(update(Rebuild).where(Rebuild.id == rebuild_id).values(progress_message_id=message_id))

    def receipt_shown(self, rebuild_id: int) -> None:
        """The message that showed the progress has become the receipt. Nothing happens where the rebuild is gone."""
        with self._database.session() as session:
            session.execute(update(Rebuild).where(Rebuild.id == rebuild_id).values(progress_message_id=None))

    def without_receipt(self) -> tuple[RebuildRecord, ...]:
        """Rebuilds of everybody whose progress was shown, but not how they ended, oldest first."""
        return self._all(Rebuild.state.not_in(UNFINISHED), Rebuild.progress_message_id.is_not(None))

    def _all(self, *conditions: ColumnElement[bool]) -> tuple[RebuildRecord, ...]:
        with self._database.reading() as session:
            return tuple(map(_record, session.scalars(select(Rebuild).where(*conditions).order_by(Rebuild.id))))


def lock_unfinished(session: Session, rebuild_id: int) -> Rebuild:
    """The rebuild, locked until the session ends. Raises UnknownRebuildError or RebuildFinishedError."""
    rebuild = session.get(Rebuild, rebuild_id, with_for_update={"of": Rebuild}, populate_existing=True)
    if rebuild is None:
        raise UnknownRebuildError(rebuild_id)
    if rebuild.state not in UNFINISHED:
        raise RebuildFinishedError(rebuild_id, rebuild.state)
    return rebuild


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
    _end(rebuild, "live", now, version=version, metrics=replace(metrics, removed=tuple(removed)))


def _known(session: Session, user: User) -> set[int]:
    """Ids of the lessons that the live version knows and that are not forgotten."""
    live = session.get(Adapter, user.live_adapter_id) if user.live_adapter_id is not None else None
    known = (Lesson.id.in_(live.lesson_ids if live else ()), Lesson.state == "live")
    return set(session.scalars(select(Lesson.id).where(*known)))


def _end(
    rebuild: Rebuild,
    state: RebuildOutcome,
    now: datetime,
    *,
    reason: str | None = None,
    version: str | None = None,
    metrics: RebuildMetrics | None = None,
) -> None:
    rebuild.state = state
    rebuild.reason = reason
    rebuild.version = version
    rebuild.metrics = asdict(metrics) if metrics is not None else None
    rebuild.finished_at = now


def _metrics(stored: dict[str, Any]) -> RebuildMetrics:
    return RebuildMetrics(**{**stored, "removed": tuple(stored["removed"])})


def _record(row: Rebuild) -> RebuildRecord:
    return RebuildRecord(
        id=row.id,
        user_id=row.user_id,
        forgets=row.forgets,
        number=row.lesson.number if row.lesson is not None else None,
        state=cast(RebuildState, row.state),
        stage=row.stage,
        reason=row.reason,
        attempts=row.attempts,
        version=row.version,
        metrics=_metrics(row.metrics) if row.metrics is not None else None,
        platform=row.platform,
        channel=row.channel,
        progress_message_id=row.progress_message_id,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
