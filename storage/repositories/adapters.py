"""Adapters: the versions of each user's model and which of them is live."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select, text, update
from sqlalchemy.orm import Session

from storage.errors import StaleVersionError, UnknownVersionError, VersionRemovedError
from storage.models import Adapter, Feedback, Lesson, Rebuild, User
from storage.records import AdapterRecord, LessonMetrics, RebuildMetrics
from storage.repositories.base import Repository, copied, lock_user
from storage.repositories.rebuilds import complete
from storage.repositories.works import end, lock_unfinished

NAME = re.compile(r"user-(\d+)-v(\d+)")
# The highest key that the table of users ever gave out: deleted users count.
_NEWEST_USER = {
    "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = 'users'",
    "postgresql": "SELECT last_value FROM users_id_seq WHERE is_called",
}


class Adapters(Repository):
    """Rows of adapters; their files are in the artifact store under the same names."""

    def propose(
        self,
        user_id: int,
        *,
        cause: str,
        lesson_ids: Sequence[int],
        parent: str | None,
        base_model: str,
        metrics: Mapping[str, float],
    ) -> AdapterRecord:
        """Give a new version its number and name; nobody is answered by it before `publish`.

        `lesson_ids` are all lessons that the version knows. Raises UnknownUserError.
        """
        with self._database.session() as session:
            user = lock_user(session, user_id)
            user.adapters_numbered += 1
            adapter = Adapter(
                user_id=user_id,
                number=user.adapters_numbered,
                name=f"user-{user_id}-v{user.adapters_numbered}",
                parent=parent,
                cause=cause,
                lesson_ids=list(lesson_ids),
                base_model=base_model,
                metrics=dict(metrics),
                created_at=self._now(),
            )
            session.add(adapter)
            session.flush()
            return _record(adapter)

    def publish(
        self,
        adapter_id: int,
        expected_live: str | None,
        *,
        lesson_id: int | None = None,
        metrics: LessonMetrics | None = None,
        rebuild_id: int | None = None,
        rebuild_metrics: RebuildMetrics | None = None,
    ) -> AdapterRecord:
        """Make the version live, if `expected_live` (None: the base model) still is; doing it again changes nothing.

        In the same step the lesson, if one is named, ends as live with this version and these metrics: whoever cancels it has
        either come first or comes too late. So does the rebuild, if one is named: what it forgets is erased, and the versions that
        knew it are marked as removed. Raises LessonFinishedError or RebuildFinishedError where it has ended already, StaleVersionError
        where another version went live meanwhile, UnknownVersionError, UnknownLessonError or UnknownRebuildError where the row is gone.
        """
        with self._database.session() as session:
            adapter = session.get(Adapter, adapter_id)
            if adapter is None:
                raise UnknownVersionError(adapter_id)
            user = lock_user(session, adapter.user_id)
            if user.live_adapter_id == adapter.id:
                return _record(adapter)
            lesson = lock_unfinished(session, Lesson, lesson_id) if lesson_id is not None else None
            rebuild = lock_unfinished(session, Rebuild, rebuild_id) if rebuild_id is not None else None
            live = _live_name(session, user)
            if live != expected_live:
                raise StaleVersionError(expected_live, live)
            user.live_adapter_id = adapter.id
            adapter.published_at = adapter.published_at or self._now()
            if lesson is not None:
                end(lesson, "live", self._now(), version=adapter.name, metrics=metrics)
                learned_from = (Feedback.lesson_id == lesson.id, Feedback.withdrawn_at.is_(None))
                session.execute(update(Feedback).where(*learned_from).values(used_in=adapter.name))
            if rebuild is not None and rebuild_metrics is not None:
                complete(session, rebuild, self._now(), version=adapter.name, metrics=rebuild_metrics)
            published = _record(adapter)
        if rebuild_id is not None:
            self._database.scrub()  # of what it forgot
        return published

    def discard(self, adapter_id: int) -> bool:
        """Delete a version that never went live. True: its row is gone, so its files can go; False: it did go live."""
        with self._database.session() as session:
            session.execute(delete(Adapter).where(Adapter.id == adapter_id, Adapter.published_at.is_(None)))
            return session.scalar(select(Adapter.id).where(Adapter.id == adapter_id)) is None

    def discard_unpublished(self, before: datetime) -> None:
        """Delete versions proposed before then that never went live: whoever was to publish them has died."""
        with self._database.session() as session:
            session.execute(delete(Adapter).where(Adapter.created_at < before, Adapter.published_at.is_(None)))

    def live(self, user_id: int) -> AdapterRecord | None:
        """The version that answers the user; None for the base model."""
        with self._database.reading() as session:
            query = select(Adapter).join(User, User.live_adapter_id == Adapter.id).where(User.id == user_id)
            adapter = session.scalar(query)
            return None if adapter is None else _record(adapter)

    def roll_back(self, user_id: int, number: int) -> AdapterRecord | None:
        """Make an earlier (or later) version live again; number 0 is the base model, and gives None.

        Raises UnknownUserError, UnknownVersionError where no such version ever went live, or VersionRemovedError where it knew a
        lesson that was forgotten.
        """
        with self._database.session() as session:
            user = lock_user(session, user_id)
            if number == 0:
                user.live_adapter_id = None
                return None
            version = (Adapter.user_id == user_id, Adapter.number == number, Adapter.published_at.is_not(None))
            adapter = session.scalar(select(Adapter).where(*version))
            if adapter is None:
                raise UnknownVersionError(user_id, number)
            if adapter.removed_at is not None:
                raise VersionRemovedError(user_id, number)
            user.live_adapter_id = adapter.id
            return _record(adapter)

    def by_name(self, name: str) -> AdapterRecord | None:
        """The version of that name, or None."""
        versions = self._all(Adapter.name == name)
        return versions[0] if versions else None

    def of_user(self, user_id: int) -> tuple[AdapterRecord, ...]:
        """All versions of a user by number, those that never went live included."""
        return self._all(Adapter.user_id == user_id)

    def removed(self, before: datetime) -> tuple[AdapterRecord, ...]:
        """Versions of everybody that were removed before then: their files are to be gone."""
        return self._all(Adapter.removed_at < before)

    def names(self) -> tuple[str, ...]:
        """The names of all versions of everybody."""
        with self._database.reading() as session:
            return tuple(session.scalars(select(Adapter.name).order_by(Adapter.id)))

    def deleted(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that this database gave out and whose version is gone: their files belong to nobody.

        A name that it never gave out is another database's (as after a slip in DATABASE_URL), and is not among them.
        """
        with self._database.reading() as session:
            there = set(session.scalars(select(Adapter.name)))
            numbered = {user.id: user.adapters_numbered for user in session.scalars(select(User))}
            newest = session.scalar(text(_NEWEST_USER[session.get_bind().dialect.name])) or 0
        gone = []
        for name in names:
            match = NAME.fullmatch(name)
            if match is None or name in there:
                continue
            user_id, number = int(match[1]), int(match[2])
            if number <= numbered[user_id] if user_id in numbered else user_id <= newest:
                gone.append(name)
        return tuple(gone)

    def remove(self, name: str) -> None:
        """Delete a version's row, if there is one; if it is live, the user falls back to the base model."""
        with self._database.session() as session:
            session.execute(delete(Adapter).where(Adapter.name == name))

    def _all(self, *conditions: ColumnElement[bool]) -> tuple[AdapterRecord, ...]:
        with self._database.reading() as session:
            return tuple(map(_record, session.scalars(select(Adapter).where(*conditions).order_by(Adapter.id))))


def _live_name(session: Session, user: User) -> str | None:
    return session.scalar(select(Adapter.name).where(Adapter.id == user.live_adapter_id))


def _record(row: Adapter) -> AdapterRecord:
    return copied(AdapterRecord, row, lesson_ids=tuple(row.lesson_ids), metrics=dict(row.metrics))
