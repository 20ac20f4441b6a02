"""What all repositories share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from storage.errors import UnknownUserError
from storage.models import User
from storage.session import Database

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


class Repository:
    """A database and a clock."""

    def __init__(self, database: Database, now: Clock = utc_now) -> None:
        self._database = database
        self._now = now


def lock_user(session: Session, user_id: int) -> User:
    """The user, locked until the session ends, so that events of one user are dealt with one after the other.

    Raises UnknownUserError.
    """
    user = session.get(User, user_id, with_for_update=True)
    if user is None:
        raise UnknownUserError(user_id)
    return user
