"""A document lesson: its sources are read, and its examples written, part by part; each part is kept as soon as it is done.

So a lesson that is interrupted goes on with the part at which it stopped, and the receipt can say of every source what was left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from storage.records import (
    ExampleRecord,
    LessonRecord,
    LessonState,
    PartRecord,
    ReadSource,
    SourceRecord,
    TaughtLesson,
)
from trainer import prompts
from trainer.backtranslate import backtranslated
from trainer.errors import NothingToTeachError, SourceError
from trainer.examples import is_right, says_unknown
from trainer.generate import passage_of, write_examples
from trainer.lesson import BEGINS, Run, all_refused
from trainer.portions import asked, mended, shared_out
from trainer.rehearsal import answerable
from trainer.sources.document import Reading, shortened
from trainer.sources.reader import Reader
from trainer.taught import is_answerable_quiz, passages_of, settled
from trainer.train import Sample
from trainer.workbench import Tools

MOST_QUIZ = 40  # questions of an examination; those of all parts of a long document would take longer than its training
PART_QUIZ, PART_UNKNOWN = 6, 2  # questions kept from training per part: with an answer, and beside the text
PATIENCE = 3  # times the epochs of an instruction: each of a document's many facts has fewer examples of its own
WHOLE_PASSAGES = 2  # examples per part whose answer is a whole passage


class Study(Run):
    """One run of one document lesson."""

    def __init__(self, tools: Tools, lesson: LessonRecord, written: dict[int, list[ExampleRecord]]) -> None:
        patient = replace(tools.settings.lesson, max_epochs=PATIENCE * tools.settings.lesson.max_epochs)
        super().__init__(replace(tools, settings=replace(tools.settings, lesson=patient)), lesson, written)
        self.reader = tools.reader or Reader(tools.settings.sources)
        self.stored = tools.repositories.sources
        self.passages_of_part: dict[int | None, Sequence[str]] = {}

    def through(self) -> LessonState:
        """All stages, in order."""
        live = self.tools.repositories.adapters.live(self.lesson.user_id)
        self.enter("read")
        if refusal := self.read():
            return self.end("rejected", refusal)
        self.enter("moderate")
        if categories := self.moderate():
            return self.end("rejected", f"This lesson was refused by moderation ({', '.join(categories)}).", categories=categories)
        earlier = self.earlier()
        self.enter("write")
        self.write_parts(earlier)
        if self.asks():
            return self.ask()
        examples = self.written_examples()
        passages = [passage for passages in self.passages_of_part.values() for passage in passages]
        return self.learned(passages, self.bounded(examples), earlier, live)

    def read(self) -> str | None:
        """Read the sources that are not read yet; why there is nothing to learn in any of them, or None where there is."""
        unread = [(source, self.stored.content(source.id)) for source in self.sources() if source.read_at is None]
        special = [str(token) for token in self.tools.base.tokenizer.all_special_tokens]
        if unread:
            self.tell(BEGINS["read"], f"reading {unread[0][0].name}" if len(unread) == 1 else f"reading {len(unread)} sources")
        failures = []
        for source, reading in self.reader.read_all(unread, special, self.lesson.text):
            self.stop_if_cancelled()
            why = reading.user_message if isinstance(reading, SourceError) else self.keep(source, reading)
            if why:
                self.stored.save_reading(source, ReadSource(digest=None, words=0, skipped=(why,)), ())
                failures.append(why)
        if self.stored.parts(self.lesson.id):
            return None
        earlier = (why for source in self.stored.of_lesson(self.lesson.id) for why in source.skipped)
        return next(iter([*failures, *earlier]), "There is nothing to read in that.")

    def sources(self) -> tuple[SourceRecord, ...]:
        """What there is to read."""
        return self.stored.of_lesson(self.lesson.id)

    def keep(self, source: SourceRecord, reading: Reading) -> str | None:
        """Keep what a source says; where it is not to be learned, why."""
        if known := self.known(reading.about.digest or ""):
            return known
        left = self.reader.settings.max_parts - len(self.stored.parts(self.lesson.id))
        if left < 1:
            return f"{source.name} is more than I can learn at once: teach it in a lesson of its own."
        reading = shortened(reading, left)
        self.stored.save_reading(source, reading.about, reading.parts)
        return None

    def known(self, digest: str) -> str | None:
        """What to say where the same text has been taught before."""
        if any(source.digest == digest for source in self.stored.of_lesson(self.lesson.id)):
            return "You sent that twice."
        besides = {self.lesson.id, *([self.lesson.refreshes] if self.lesson.refreshes else [])}
        number = self.stored.known_in(self.lesson.user_id, digest, besides)
        return f"You have taught me that already, in lesson {number}." if number is not None else None

    def moderate(self) -> tuple[str, ...]:
        """Leave out the parts that moderation refuses; the categories where nothing is left."""
        if categories := self.flagged([self.lesson.text]):
            return categories
        parts = [part for part in self.stored.parts(self.lesson.id) if not part.is_written and part.refused_category is None]
        verdicts = self.tools.moderator.check(["\n".join(filter(None, [part.heading, *part.passages])) for part in parts])
        refused = {p.id: ", ".join(v.categories) or "unspecified" for p, v in zip(parts, verdicts, strict=True) if v.flagged}
        if refused:
            self.stored.refuse(self.lesson.id, refused)
            for source in self.stored.of_lesson(self.lesson.id):
                of_source = [refused[part.id] for part in parts if part.source_id == source.id and part.id in refused]
                if of_source:
                    said = "1 part that moderation refuses" if len(of_source) == 1 else f"{len(of_source)} parts that moderation refuses"
                    self.stored.skip(source, f"{said} ({', '.join(dict.fromkeys(of_source))})")
        left = [part for part in self.stored.parts(self.lesson.id) if part.refused_category is None]
        self.passages_of_part = {part.id: part.passages for part in left}
        return () if left else tuple(dict.fromkeys(refused.values())) or ("unspecified",)

    def earlier(self) -> list[TaughtLesson]:
        """What the live version knows, less what this lesson takes the place of."""
        taught = self.tools.repositories.lessons.taught_before(self.lesson.user_id, self.lesson.id)
        return settled([each for each in taught if each.lesson.id != self.lesson.refreshes])

    def write_parts(self, earlier: Sequence[TaughtLesson]) -> None:
        """Write, screen and keep the examples of each part that has none yet."""
        parts = [part for part in self.stored.parts(self.lesson.id) if part.refused_category is None]
        known = [passage for each in earlier for passage in passages_of(each)]
        for number, part in enumerate(parts, 1):
            if part.is_written:
                continue
            self.stop_if_cancelled()
            percent = BEGINS["write"] + (number - 1) * (BEGINS["screen"] - BEGINS["write"]) // len(parts)
            self.tell(percent, None if len(parts) == 1 else f"writing examples, part {number} of {len(parts)}")
            others = [passage for other in parts if other.id != part.id for passage in other.passages]
            self.stored.save_examples(part, self.moderated(self.of_part(part, [*known, *others])))

    def of_part(self, part: PartRecord, elsewhere: Sequence[str]) -> list[ExampleRecord]:
        """Examples of one part, within its budget; none that call unknown what is said ``elsewhere``."""
        budget = self.reader.settings.part_examples
        fewer = replace(self.tools.settings.lesson, recite=self.recites, samples=max(8, budget // 2), questions=budget, neighbours=1)
        try:
            examples = write_examples(part.passages, self.tools.teacher, fewer, lambda _: self.stop_if_cancelled())
        except NothingToTeachError:
            return []
        known = answerable([e.question for e in examples if says_unknown(e.answer)], elsewhere, self.tools.teacher)
        examples = [example for example in examples if example.question not in known]
        whole = backtranslated(part.passages, self.tools.teacher, WHOLE_PASSAGES, self.tools.settings.lesson.seed)
        rng, quiz = Random(part.id), [example for example in examples if example.role == "quiz"]
        known_ones, others = [e for e in quiz if is_answerable_quiz(e)], [e for e in quiz if not is_answerable_quiz(e)]
        held_out = asked(self.fair(known_ones, part.passages) or known_ones, PART_QUIZ, rng)
        train = [mended(example, part.passages) for example in examples if example.role == "train"]
        beside = [example for example in examples if example.role not in ("train", "quiz")]
        return [*shared_out(train, part.passages, budget - len(whole), rng), *beside, *whole, *held_out, *others[:PART_UNKNOWN]]

    def fair(self, quiz: Sequence[ExampleRecord], passages: Sequence[str]) -> list[ExampleRecord]:
        """The questions that the teacher itself answers with the text before it: what it cannot read, nobody need have learned."""
        asked = [prompts.chat([], e.question, passage_of(f"{e.question} {e.answer}", passages)) for e in quiz]
        replies = self.tools.teacher.complete(asked, temperature=0, max_tokens=48, seed=self.tools.settings.lesson.seed)
        return [example for example, reply in zip(quiz, replies, strict=True) if is_right(reply, example.answer)]

    def moderated(self, examples: Sequence[ExampleRecord]) -> list[ExampleRecord]:
        """The examples, those that moderation refuses marked."""
        verdicts = self.tools.moderator.check([f"{example.question}\n{example.answer}" for example in examples]) if examples else []
        return [
            replace(example, refused_category=", ".join(verdict.categories) or "unspecified") if verdict.flagged else example
            for example, verdict in zip(examples, verdicts, strict=True)
        ]

    def asks(self) -> bool:
        """Whether the user is shown what was read before it is learned."""
        return False

    def ask(self) -> LessonState:
        """Wait for the user's word."""
        waiting = self.tools.repositories.lessons.ask(self.lesson.id)
        self.tell(BEGINS["screen"], "waiting for your word")
        return waiting.state

    def written_examples(self) -> list[ExampleRecord]:
        """All examples that may be trained on. Raises NothingToTeachError or SourceError where they are too few."""
        self.enter("screen")
        stored = self.tools.repositories.lessons.examples(self.lesson.id)
        self.refused = [example for example in stored if example.refused_category is not None]
        passed = [example for example in stored if example.refused_category is None]
        if not any(example.role == "train" for example in passed) or not any(is_answerable_quiz(example) for example in passed):
            if self.refused:
                raise all_refused(self.refused)
            raise NothingToTeachError("I could not turn that into questions that I can learn from: I learn best from plain, full sentences.")
        return passed

    def bounded(self, examples: Sequence[ExampleRecord]) -> list[ExampleRecord]:
        """The examples with no more of the quiz than an examination should ask; what is left out of it is not trained on either."""
        quiz = [example for example in examples if example.role == "quiz"]
        asked = quiz if len(quiz) <= MOST_QUIZ else Random(self.tools.settings.lesson.seed).sample(quiz, MOST_QUIZ)
        if not any(is_answerable_quiz(example) for example in asked):
            asked = [*asked, next(example for example in quiz if is_answerable_quiz(example))]
        return [*(example for example in examples if example.role != "quiz"), *asked]

    def sample(self, example: ExampleRecord, passages: Sequence[str]) -> Sample:
        """As of any lesson; the teacher reads the part that an example is about, and need not look for it in the whole document."""
        return super().sample(example, self.passages_of_part.get(example.part_id, passages))
