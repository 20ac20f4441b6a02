"""Sources of lessons: what was read, the parts that it is learned in, and how far that has got."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import delete, insert, select, update

from storage.models import Adapter, Example, Lesson, Part, Source, User
from storage.records import ExampleRecord, NewPart, NewSource, PartRecord, ReadSource, SourceRecord
from storage.repositories.base import Repository, copied
from storage.repositories.source_rows import add_sources, sources_of
from storage.repositories.works import lock_unfinished


class Sources(Repository):
    """Rows of sources and parts. Whatever changes them raises like `Lessons.start` where the lesson has ended."""

    def of_lesson(self, lesson_id: int) -> tuple[SourceRecord, ...]:
        """The lesson's sources by number."""
        with self._database.reading() as session:
            return sources_of(session, lesson_id)

    def add(self, lesson_id: int, sources: Sequence[NewSource]) -> tuple[SourceRecord, ...]:
        """Add sources that were found while the lesson ran; all of the lesson's afterwards."""
        with self._database.session() as session:
            lock_unfinished(session, Lesson, lesson_id)
            add_sources(session, lesson_id, sources, len(sources_of(session, lesson_id)))
            return sources_of(session, lesson_id)

    def content(self, source_id: int) -> bytes | None:
        """The bytes of a file that has not been read yet."""
        with self._database.reading() as session:
            return session.scalar(select(Source.content).where(Source.id == source_id))

    def save_reading(self, source: SourceRecord, read: ReadSource, parts: Sequence[NewPart]) -> None:
        """Keep what was read, in place of the bytes; doing it again replaces the parts."""
        with self._database.session() as session:
            lock_unfinished(session, Lesson, source.lesson_id)
            session.execute(delete(Part).where(Part.source_id == source.id))
            values = {**asdict(read), "skipped": list(read.skipped), "content": None, "read_at": self._now()}
            session.execute(update(Source).where(Source.id == source.id).values(**values))
            rows = [{"lesson_id": source.lesson_id, "source_id": source.id, **asdict(part)} for part in parts]
            if rows:
                session.execute(insert(Part), [{**row, "passages": list(row["passages"])} for row in rows])

    def parts(self, lesson_id: int) -> tuple[PartRecord, ...]:
        """The lesson's parts in the order in which they are learned."""
        with self._database.reading() as session:
            ordered = select(Part).join(Source).where(Part.lesson_id == lesson_id).order_by(Source.number, Part.id)
            return tuple(map(_part, session.scalars(ordered)))

    def refuse(self, lesson_id: int, refused: Mapping[int, str]) -> None:
        """Leave parts out because of these moderation categories, by the part's id."""
        with self._database.session() as session:
            lock_unfinished(session, Lesson, lesson_id)
            for part_id, category in refused.items():
                session.execute(update(Part).where(Part.id == part_id).values(refused_category=category))

    def save_examples(self, part: PartRecord, examples: Sequence[ExampleRecord]) -> None:
        """Keep the part's examples: from here on it is written, whatever becomes of the process."""
        with self._database.session() as session:
            lock_unfinished(session, Lesson, part.lesson_id)
            session.execute(delete(Example).where(Example.part_id == part.id))
            if examples:
                rows = [{**asdict(each), "lesson_id": part.lesson_id, "part_id": part.id} for each in examples]
                session.execute(insert(Example), rows)
            session.execute(update(Part).where(Part.id == part.id).values(written_at=self._now()))

    def drop(self, lesson_id: int, number: int) -> bool:
        """Take a source out of a lesson, with all that was written from it; False where it has no such source."""
        with self._database.session() as session:
            lock_unfinished(session, Lesson, lesson_id)
            found = session.scalar(select(Source).where(Source.lesson_id == lesson_id, Source.number == number))
            if found is None:
                return False
            parts = select(Part.id).where(Part.source_id == found.id)
            session.execute(delete(Example).where(Example.part_id.in_(parts)))
            session.execute(delete(Part).where(Part.source_id == found.id))
            session.delete(found)
            return True

    def skip(self, source: SourceRecord, what: str) -> None:
        """Note something more that is left out of a source."""
        with self._database.session() as session:
            lock_unfinished(session, Lesson, source.lesson_id)
            row = session.get_one(Source, source.id)
            if what not in row.skipped:
                row.skipped = [*row.skipped, what]

    def known_in(self, user_id: int, digest: str, besides: Collection[int]) -> int | None:
        """The number of a lesson with the same content that the user's live version knows, besides some; None where there is none."""
        with self._database.reading() as session:
            live = select(Adapter.lesson_ids).join(User, User.live_adapter_id == Adapter.id).where(User.id == user_id)
            known = session.scalar(live) or []
            others = [lesson_id for lesson_id in known if lesson_id not in besides]
            same = (Source.digest == digest, Lesson.user_id == user_id, Lesson.id.in_(others), Lesson.state == "live")
            return session.scalar(select(Lesson.number).join(Source, Source.lesson_id == Lesson.id).where(*same).limit(1))


def _part(row: Part) -> PartRecord:
    return copied(PartRecord, row, passages=tuple(row.passages), is_written=row.written_at is not None)
