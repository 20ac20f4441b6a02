"""A web lesson: pages are searched for, read side by side and learned as dated knowledge, once the user has seen what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from storage.records import ExampleRecord, PartRecord, SourceRecord
from trainer import prompts
from trainer.errors import SearchError
from trainer.lesson import BEGINS
from trainer.sources.document import Reading
from trainer.sources.web import found_on, is_copy, is_trusted, lead_in, queries_of, relevant, site_of
from trainer.study import Study

UNRELATED = "What it says has nothing to do with what you asked."
COPY = "It says what another page says word for word."


class WebSearch(Study):
    """One run of one web lesson."""

    queries: Sequence[str] = ()

    def sources(self) -> tuple[SourceRecord, ...]:
        """The pages that were found; searched for where that has not been done yet."""
        self.queries = self.queries or self.searches()
        found = self.stored.of_lesson(self.lesson.id)
        if found:
            return found
        self.tell(BEGINS["read"], f"searching the web for {self.queries[0]}")
        pages = found_on(self.queries, self.reader.search, self.reader.settings.search_results)
        return self.stored.add(self.lesson.id, pages)

    def searches(self) -> list[str]:
        """The queries: written by the model where it can, else the user's own words. Raises SearchError where moderation refuses them."""
        if categories := self.flagged([self.lesson.text]):  # asked before anybody outside is
            raise SearchError(f"I do not search for that: moderation refuses it ({', '.join(categories)}).")
        asked = [prompts.search_queries(self.lesson.text)]
        (reply,) = self.tools.teacher.complete(asked, temperature=0, max_tokens=60, seed=self.tools.settings.lesson.seed)
        return queries_of(self.lesson.text, reply)

    def keep(self, source: SourceRecord, reading: Reading) -> str | None:
        """Keep of a page what has to do with the search, until it runs out."""
        chosen = relevant(reading, self.queries)
        if chosen is None:
            return f"{source.name}: {UNRELATED}"
        kept: dict[int, list[str]] = {}
        for part in self.stored.parts(self.lesson.id):
            kept.setdefault(part.source_id, []).extend(part.passages)
        if is_copy([passage for part in chosen.parts for passage in part.passages], kept.values()):
            return f"{source.name}: {COPY}"
        expires = self.reader.now() + timedelta(days=self.reader.settings.web_days)
        return super().keep(source, Reading(replace(chosen.about, expires_at=expires), chosen.parts))

    def of_part(self, part: PartRecord, elsewhere: Sequence[str]) -> list[ExampleRecord]:
        """As of any document, with when and where it was read in every answer."""
        said = self.said_of(part)
        examples = super().of_part(part, elsewhere)
        return [replace(each, answer=said + each.answer) if each.role == "train" else each for each in examples]

    def moderate(self) -> tuple[str, ...]:
        """As of any document; the teacher reads each passage with its source and date."""
        categories = super().moderate()
        said = {part.id: self.said_of(part) for part in self.stored.parts(self.lesson.id)}
        self.passages_of_part = {
            part_id: [said[part_id] + passage for passage in passages] if part_id is not None else passages
            for part_id, passages in self.passages_of_part.items()
        }
        return categories

    def said_of(self, part: PartRecord) -> str:
        """How what a part says begins."""
        source = next(each for each in self.stored.of_lesson(self.lesson.id) if each.id == part.source_id)
        return lead_in(site_of(source.address or "") or source.name, source.read_at or self.reader.now())

    def asks(self) -> bool:
        """The user is asked, unless they said yes or all of it comes from where the operator trusts."""
        if self.lesson.approved_at is not None:
            return False
        read = [each for each in self.stored.of_lesson(self.lesson.id) if each.digest]
        return not all(is_trusted(each.address or "", self.reader.settings.trusted) for each in read)
