"""Table of rebuilds: models trained afresh from the lesson log, also to forget a lesson."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from storage.models.base import Base, ForeignText, one_of, to_show
from storage.models.lessons import Lesson
from storage.records import RebuildState


class Rebuild(Base):
    """One rebuild of one user's model; `forgets` is the lesson that it leaves out for good."""

    __tablename__ = "rebuilds"
    __table_args__ = (one_of("state", RebuildState), to_show(), {"sqlite_autoincrement": True})

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    forgets: Mapped[int | None] = mapped_column(ForeignKey("lessons.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(default="queued", index=True)
    stage: Mapped[str | None]
    reason: Mapped[str | None] = mapped_column(ForeignText)
    attempts: Mapped[int] = mapped_column(default=0)
    version: Mapped[str | None]
    metrics: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    platform: Mapped[str]
    channel: Mapped[str]
    progress_message_id: Mapped[str | None] = mapped_column(default="")
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    lesson: Mapped[Lesson | None] = relationship(lazy="joined")
