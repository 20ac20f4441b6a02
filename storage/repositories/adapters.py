"""Adapters: the versions of each user's model and which of them is live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from storage.errors import StaleVersionError, UnknownVersionError
from storage.models import Adapter, User
from storage.records import AdapterRecord
from storage.repositories.base import Repository, lock_user


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

    def publish(self, adapter_id: int, expected_live: str | None) -> AdapterRecord:
        """Make the version live, if `expected_live` (None: the base model) still is; doing it again changes nothing.

        Raises StaleVersionError where another version went live meanwhile, UnknownVersionError where the row is gone.
        """
        with self._database.session() as session:
            adapter = session.get(Adapter, adapter_id)
            if adapter is None:
                raise UnknownVersionError(adapter_id)
            user = lock_user(session, adapter.user_id)
            live = _live_name(session, user)
            if live not in (expected_live, adapter.name):
                raise StaleVersionError(expected_live, live)
            user.live_adapter_id = adapter.id
            adapter.published_at = adapter.published_at or self._now()
            return _record(adapter)

    def live(self, user_id: int) -> AdapterRecord | None:
        """The version that answers the user; None for the base model."""
        with self._database.reading() as session:
            query = select(Adapter).join(User, User.live_adapter_id == Adapter.id).where(User.id == user_id)
            adapter = session.scalar(query)
            return None if adapter is None else _record(adapter)

    def roll_back(self, user_id: int, number: int) -> AdapterRecord | None:
        """Make an earlier (or later) version live again; number 0 is the base model, and gives None.

        Raises UnknownUserError, or UnknownVersionError where no such version ever went live.
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
            user.live_adapter_id = adapter.id
            return _record(adapter)

    def by_name(self, name: str) -> AdapterRecord | None:
        """The version of that name, or None."""
        versions = self._all(Adapter.name == name)
        return versions[0] if versions else None

    def of_user(self, user_id: int) -> tuple[AdapterRecord, ...]:
        """All versions of a user by number, those that never went live included."""
        return self._all(Adapter.user_id == user_id)

    def names(self) -> tuple[str, ...]:
        """The names of all versions of everybody: files under any other name belong to nobody."""
        with self._database.reading() as session:
            return tuple(session.scalars(select(Adapter.name).order_by(Adapter.id)))

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
    return AdapterRecord(
        id=row.id,
        user_id=row.user_id,
        number=row.number,
        name=row.name,
        parent=row.parent,
        cause=row.cause,
        lesson_ids=tuple(row.lesson_ids),
        base_model=row.base_model,
        metrics=dict(row.metrics),
        created_at=row.created_at,
        published_at=row.published_at,
    )
