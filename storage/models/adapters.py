"""Table of adapters: the versions of each user's model."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base


class Adapter(Base):
    """One immutable version; its files lie in the artifact store under `name`."""

    __tablename__ = "adapters"
    __table_args__ = (
        UniqueConstraint("name"),
        UniqueConstraint("user_id", "number"),
        {"sqlite_autoincrement": True},
    )

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    number: Mapped[int]
    name: Mapped[str]
    parent: Mapped[str | None]
    cause: Mapped[str]
    lesson_ids: Mapped[list[int]] = mapped_column(JSON)
    base_model: Mapped[str]
    metrics: Mapped[dict[str, float]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
