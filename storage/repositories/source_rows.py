"""Rows of sources inside a session that others have opened."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from storage.models import Part, Source
from storage.records import NewSource, SourceRecord
from storage.repositories.base import copied


def add_sources(session: Session, lesson_id: int, sources: Sequence[NewSource], after: int = 0) -> None:
    """Add rows, numbered behind those that are there."""
    for number, each in enumerate(sources, after + 1):
        session.add(Source(lesson_id=lesson_id, number=number, name=each.name, address=each.address, content=each.content, skipped=[]))


def sources_of(session: Session, lesson_id: int) -> tuple[SourceRecord, ...]:
    """The lesson's sources by number."""
    return tuple(map(source_record, session.scalars(select(Source).where(Source.lesson_id == lesson_id).order_by(Source.number))))


def erase_sources(session: Session, lesson_id: int) -> None:
    """Everything that the lesson read."""
    session.execute(delete(Part).where(Part.lesson_id == lesson_id))
    session.execute(delete(Source).where(Source.lesson_id == lesson_id))


def passages_of(session: Session, lesson_id: int) -> tuple[str, ...]:
    """What the lesson's parts say, less those that moderation refused."""
    passed = (Part.lesson_id == lesson_id, Part.refused_category.is_(None))
    return tuple(passage for passages in session.scalars(select(Part.passages).where(*passed).order_by(Part.id)) for passage in passages)


def source_record(row: Source) -> SourceRecord:
    return copied(SourceRecord, row, skipped=tuple(row.skipped))
