"""Packs: lessons that their user gives to others, with what was prepared from them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from storage.models import Example, Lesson, Pack, Part, Source, User
from storage.records import LessonRecord, PackRecord
from storage.repositories.base import Repository, copied, lock_user
from storage.repositories.lessons import record

_OF_LESSON = ("kind", "text")
_OF_SOURCE = ("number", "name", "address", "digest", "title", "author", "published", "language", "pages", "words", "skipped", "read_at", "expires_at")
_OF_PART = ("heading", "passages", "refused_category", "written_at")
_OF_EXAMPLE = ("role", "question", "answer")


class Packs(Repository):
    """Whoever knows a pack's code may take it: they get lessons of their own, with the examples that were written for the first owner."""

    def share(self, user_id: int, lesson_ids: Sequence[int], code: str) -> PackRecord:
        """Give these lessons under that code, which must be new. Raises UnknownUserError."""
        with self._database.session() as session:
            lock_user(session, user_id)
            pack = Pack(user_id=user_id, code=code, lesson_ids=list(lesson_ids), created_at=self._now())
            session.add(pack)
            session.flush()
            return _record(pack)

    def by_code(self, code: str) -> PackRecord | None:
        """The pack, or None: also once it was withdrawn, or its user deleted everything."""
        with self._database.reading() as session:
            pack = session.scalar(select(Pack).where(Pack.code == code))
            return None if pack is None else _record(pack)

    def of_user(self, user_id: int) -> tuple[PackRecord, ...]:
        """What a user gives, oldest first."""
        with self._database.reading() as session:
            return tuple(map(_record, session.scalars(select(Pack).where(Pack.user_id == user_id).order_by(Pack.id))))

    def withdraw(self, user_id: int, code: str) -> bool:
        """Nobody can take it any more, and what was taken stays; False where the user has no such pack."""
        with self._database.session() as session:
            found = session.scalar(select(Pack.id).where(Pack.user_id == user_id, Pack.code == code))
            session.execute(delete(Pack).where(Pack.id == found))
            return found is not None

    def lessons(self, pack: PackRecord) -> tuple[LessonRecord, ...]:
        """What is in it, but for what its user had forgotten since."""
        with self._database.reading() as session:
            return tuple(map(record, _lessons(session, pack)))

    def take(self, pack: PackRecord, user_id: int, *, source: str, platform: str, channel: str, dedupe_key: str) -> tuple[LessonRecord, ...]:
        """Queue copies of the pack's lessons for a user, written and moderated as they are; again gives the same ones.

        `source` says where they come from. Raises UnknownUserError.
        """
        with self._database.session() as session:
            user = lock_user(session, user_id)
            taken = [self._copy(session, lesson, user, source, platform, channel, f"{dedupe_key}:{lesson.id}") for lesson in _lessons(session, pack)]
            session.flush()
            return tuple(map(record, taken))

    def _copy(self, session: Session, lesson: Lesson, user: User, source: str, platform: str, channel: str, dedupe_key: str) -> Lesson:
        there = session.scalar(select(Lesson).where(Lesson.user_id == user.id, Lesson.dedupe_key == dedupe_key))
        if there is not None:
            return there
        user.lessons_numbered += 1
        mine = Lesson(
            **_values(lesson, _OF_LESSON),
            user_id=user.id, number=user.lessons_numbered, source=source, dedupe_key=dedupe_key, platform=platform, channel=channel,
            created_at=self._now(), approved_at=self._now(),
        )  # fmt: skip
        if mine.kind == "correction":
            mine.kind = "instruction"  # the answer that it corrected was its first owner's
        session.add(mine)
        session.flush()
        parts: dict[int | None, int | None] = {None: None}
        for old in session.scalars(select(Source).where(Source.lesson_id == lesson.id).order_by(Source.id)):
            new = Source(lesson_id=mine.id, **_values(old, _OF_SOURCE))
            session.add(new)
            session.flush()
            for part in session.scalars(select(Part).where(Part.source_id == old.id).order_by(Part.id)):
                copy = Part(lesson_id=mine.id, source_id=new.id, **_values(part, _OF_PART))
                session.add(copy)
                session.flush()
                parts[part.id] = copy.id
        passed = select(Example).where(Example.lesson_id == lesson.id, Example.refused_category.is_(None), Example.role != "rejected")
        for example in session.scalars(passed.order_by(Example.id)):
            session.add(Example(lesson_id=mine.id, part_id=parts[example.part_id], **_values(example, _OF_EXAMPLE)))
        session.flush()
        session.refresh(mine)
        return mine


def _lessons(session: Session, pack: PackRecord) -> list[Lesson]:
    given = (Lesson.id.in_(pack.lesson_ids), Lesson.user_id == pack.user_id, Lesson.state == "live")
    return list(session.scalars(select(Lesson).where(*given).order_by(Lesson.number)))


def _values(row: object, names: Sequence[str]) -> dict[str, object]:
    return {name: getattr(row, name) for name in names}


def _record(row: Pack) -> PackRecord:
    return copied(PackRecord, row, lesson_ids=tuple(row.lesson_ids))
