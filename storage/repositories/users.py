"""Users: who is writing, what they agreed to, deleting everything."""

from __future__ import annotations

from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage.models import Adapter, Consent, Identity, User
from storage.records import ConsentRecord, IdentityRecord, UserRecord
from storage.repositories.base import Repository, lock_user


class Users(Repository):
    """The people who teach."""

    def identify(self, platform: str, external_id: str, name: str) -> UserRecord:
        """The user behind an account, created on first sight; keeps the newest `name`."""
        user = self.find(platform, external_id)
        if user is None:
            try:
                return self._create(platform, external_id, name)
            except IntegrityError:  # another process saw the same newcomer first
                user = self.find(platform, external_id)
                if user is None:
                    raise
        return user if user.name == name else self._rename(user.id, name)

    def find(self, platform: str, external_id: str) -> UserRecord | None:
        """The user behind an account, if they were seen before."""
        identity = (Identity.platform == platform, Identity.external_id == external_id)
        with self._database.reading() as session:
            return _one(session, _users().join(Identity, Identity.user_id == User.id).where(*identity))

    def get(self, user_id: int) -> UserRecord | None:
        """The user, or None."""
        with self._database.reading() as session:
            return _one(session, _users().where(User.id == user_id))

    def ids(self) -> tuple[int, ...]:
        """Everybody's ids."""
        with self._database.reading() as session:
            return tuple(session.scalars(select(User.id).order_by(User.id)))

    def count(self) -> int:
        """How many people there are."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(User)) or 0

    def identities(self, user_id: int) -> tuple[IdentityRecord, ...]:
        """The accounts of a user, first seen first."""
        with self._database.reading() as session:
            rows = session.scalars(select(Identity).where(Identity.user_id == user_id).order_by(Identity.id))
            return tuple(IdentityRecord(row.user_id, row.platform, row.external_id) for row in rows)

    def record_consent(self, user_id: int, version: str) -> None:
        """Note that the user agreed to this version of the consent text; again is the same as once."""
        with self._database.session() as session:
            lock_user(session, user_id)
            if session.scalar(_consent(user_id, version)) is None:
                session.add(Consent(user_id=user_id, version=version, given_at=self._now()))

    def has_consent(self, user_id: int, version: str) -> bool:
        """Whether the user agreed to exactly this version of the consent text."""
        with self._database.reading() as session:
            return session.scalar(_consent(user_id, version)) is not None

    def consents(self, user_id: int) -> tuple[ConsentRecord, ...]:
        """All that the user agreed to, oldest first."""
        with self._database.reading() as session:
            rows = session.scalars(select(Consent).where(Consent.user_id == user_id).order_by(Consent.id))
            return tuple(ConsentRecord(row.version, row.given_at) for row in rows)

    def delete(self, user_id: int) -> tuple[str, ...]:
        """Remove the user and every row about them; returns the names of the adapters whose files must go, too."""
        with self._database.session() as session:
            session.get(User, user_id, with_for_update=True)
            names = tuple(session.scalars(select(Adapter.name).where(Adapter.user_id == user_id).order_by(Adapter.id)))
            session.execute(delete(User).where(User.id == user_id))
        self._database.scrub()
        return names

    def _create(self, platform: str, external_id: str, name: str) -> UserRecord:
        with self._database.session() as session:
            user = User(name=name, created_at=self._now())
            session.add(user)
            session.flush()
            session.add(Identity(user_id=user.id, platform=platform, external_id=external_id, created_at=user.created_at))
            session.flush()
            return _record(user, None)

    def _rename(self, user_id: int, name: str) -> UserRecord:
        with self._database.session() as session:
            user = lock_user(session, user_id)
            user.name = name
            live = session.get(Adapter, user.live_adapter_id) if user.live_adapter_id is not None else None
            return _record(user, live.name if live else None)


def _users() -> Select[User, str | None]:
    return select(User, Adapter.name).outerjoin(Adapter, Adapter.id == User.live_adapter_id)


def _one(session: Session, query: Select[User, str | None]) -> UserRecord | None:
    row = session.execute(query).one_or_none()
    return None if row is None else _record(row[0], row[1])


def _consent(user_id: int, version: str) -> Select[int]:
    return select(Consent.id).where(Consent.user_id == user_id, Consent.version == version)


def _record(user: User, live_version: str | None) -> UserRecord:
    return UserRecord(id=user.id, name=user.name, live_version=live_version, created_at=user.created_at)
