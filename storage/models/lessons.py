"""Tables of lessons: what was taught, how far it got, the examples written from it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from storage.models.base import Base, ForeignText, one_of, to_show
from storage.models.sources import Source
from storage.records import ExampleRole, LessonKind, LessonState


class Lesson(Base):
    """One lesson of one user; the log from which a model can always be rebuilt."""

    __tablename__ = "lessons"
    __table_args__ = (
        UniqueConstraint("user_id", "number"),
        UniqueConstraint("user_id", "dedupe_key"),
        one_of("kind", LessonKind),
        one_of("state", LessonState),
        to_show(),
        {"sqlite_autoincrement": True},
    )

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    number: Mapped[int]
    kind: Mapped[str]
    text: Mapped[str] = mapped_column(ForeignText)
    source: Mapped[str | None] = mapped_column(ForeignText)
    state: Mapped[str] = mapped_column(default="queued", index=True)
    stage: Mapped[str | None]
    reason: Mapped[str | None] = mapped_column(ForeignText)
    attempts: Mapped[int] = mapped_column(default=0)
    dedupe_key: Mapped[str]
    version: Mapped[str | None]
    metrics: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversations.id", ondelete="SET NULL"), index=True)
    platform: Mapped[str]
    channel: Mapped[str]
    progress_message_id: Mapped[str | None] = mapped_column(default="")
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    begins_at: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    refreshes: Mapped[int | None]
    brought: Mapped[int] = mapped_column(default=0, server_default="0")  # bytes of its words and files; what it read is not kept

    sources: Mapped[list[Source]] = relationship(lazy="selectin", order_by=Source.number, viewonly=True)


class Example(Base):
    """One question and answer written from a lesson."""

    __tablename__ = "examples"
    __table_args__ = (one_of("role", ExampleRole), {"sqlite_autoincrement": True})

    lesson_id: Mapped[int] = mapped_column(ForeignKey("lessons.id", ondelete="CASCADE"), index=True)
    role: Mapped[str]
    question: Mapped[str] = mapped_column(ForeignText)
    answer: Mapped[str] = mapped_column(ForeignText)
    refused_category: Mapped[str | None]
    part_id: Mapped[int | None] = mapped_column(ForeignKey("parts.id", ondelete="CASCADE"), index=True)
