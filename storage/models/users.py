"""Tables of users: who they are, where they come from, what they agreed to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base, ForeignText


class User(Base):
    """A person. The live pointer makes a swap of models one small update."""

    __tablename__ = "users"
    __table_args__ = ({"sqlite_autoincrement": True},)

    name: Mapped[str] = mapped_column(ForeignText)
    # The two tables refer to each other, so this key is added once both exist.
    live_adapter_id: Mapped[int | None] = mapped_column(ForeignKey("adapters.id", ondelete="SET NULL", use_alter=True))
    # Highest numbers given out; counting rows instead would reuse the number of a deleted adapter.
    lessons_numbered: Mapped[int] = mapped_column(default=0)
    adapters_numbered: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]


class Identity(Base):
    """An account on a platform."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("platform", "external_id"), {"sqlite_autoincrement": True})

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    platform: Mapped[str]
    external_id: Mapped[str]
    created_at: Mapped[datetime]


class Consent(Base):
    """That a user agreed to one version of the consent text."""

    __tablename__ = "consents"
    __table_args__ = (UniqueConstraint("user_id", "version"), {"sqlite_autoincrement": True})

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    version: Mapped[str]
    given_at: Mapped[datetime]
