"""Tables of sources: what a lesson reads, and the parts that it is learned in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base, ForeignText


class Source(Base):
    """A file, a link or a page found on the web; the bytes of a file only until it has been read."""

    __tablename__ = "sources"
    __table_args__ = (UniqueConstraint("lesson_id", "number"), {"sqlite_autoincrement": True})

    lesson_id: Mapped[int] = mapped_column(ForeignKey("lessons.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    name: Mapped[str] = mapped_column(ForeignText)
    address: Mapped[str | None] = mapped_column(ForeignText)
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    digest: Mapped[str | None] = mapped_column(index=True)
    title: Mapped[str | None] = mapped_column(ForeignText)
    author: Mapped[str | None] = mapped_column(ForeignText)
    published: Mapped[str | None]
    language: Mapped[str | None]
    pages: Mapped[int | None]
    words: Mapped[int | None]
    skipped: Mapped[list[str]] = mapped_column(JSON)
    read_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class Part(Base):
    """A piece of a source that examples are written from at once; `written_at` once they are there."""

    __tablename__ = "parts"
    __table_args__ = ({"sqlite_autoincrement": True},)

    lesson_id: Mapped[int] = mapped_column(ForeignKey("lessons.id", ondelete="CASCADE"), index=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("sources.id", ondelete="CASCADE"), index=True)
    heading: Mapped[str | None] = mapped_column(ForeignText)
    passages: Mapped[list[str]] = mapped_column(JSON)
    refused_category: Mapped[str | None]
    written_at: Mapped[datetime | None]
