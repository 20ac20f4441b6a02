"""What all repositories share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.orm import Session

from storage.errors import UnknownUserError
from storage.models import User
from storage.session import Database

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")
Clock = Callable[[], datetime]

LONGEST_UNTOLD = 300.0  # seconds; a lesson may have waited much longer for its user or a moderator before it was cancelled


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


def worked(metrics: Mapping[str, Any] | None, began: datetime | None, ended: datetime | None) -> float:
    """Seconds that a lesson or rebuild took. Of one that ended without results it is only known when it began, and it may have waited."""
    if metrics is not None and metrics.get("seconds") is not None:
        return float(metrics["seconds"])
    if began is None or ended is None:
        return 0.0
    return min((ended - began).total_seconds(), LONGEST_UNTOLD)


def copied(kind: type[Record], row: object, **other: Any) -> Record:
    """A record with the row's values of the same names, and with `other` ones."""
    same = {each.name: getattr(row, each.name) for each in fields(kind) if each.name not in other}
    return kind(**same, **other)
