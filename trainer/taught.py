"""What the lesson log says, as training samples and quiz: every lesson's examples, the newest winning where two contradict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from storage.records import ExampleRecord, TaughtLesson
from trainer import prompts
from trainer.amend import amendments
from trainer.errors import SourceError
from trainer.examples import contains, normal, says_unknown, switch_person
from trainer.generate import passage_of, shared_words
from trainer.kinds import Kind, expects
from trainer.recall import MARK
from trainer.sources import instruction
from trainer.train import Sample

# Words that do not tell two questions apart. Shorter than the list with which questions are written: "What is my cat?" and
# "What is my cat called?" are not the same question.
_FILLERS = frozenset([
    "a", "an", "am", "are", "be", "been", "can", "could", "did", "do", "does", "for", "i", "in", "is", "it", "its",
    "me", "my", "of", "on", "our", "please", "s", "so", "the", "then", "to", "us", "was", "we", "were", "will", "you",
    "your",
])  # fmt: skip

# Words by which a question asks, and not what it asks about.
_ASKING = frozenset(["what", "which", "who", "whose", "whom", "where", "when", "why", "how", "about", "tell", "told", "know", "taught"])

Topic = tuple[frozenset[str], Kind | None]


def passages_of(taught: TaughtLesson) -> list[str]:
    """What the lesson says, in passages; none where only its examples are left to learn from, or (a tool) are what is learned."""
    if taught.lesson.kind == "tool":
        return []
    if taught.passages:
        return list(taught.passages)
    try:
        return instruction.read(taught.lesson.text)
    except SourceError:
        return [example.question for example in taught.examples if example.role == "rewrite"]


def statement(example: ExampleRecord, passages: Sequence[str]) -> str | None:
    """What there is to recite when the example's question is asked: the passage it is about, in the second person, the same for all
    questions about it; or its answer, where that says more than one passage; nothing where it asks about quite other things."""
    answer = "" if says_unknown(example.answer) else example.answer
    closest = passage_of(f"{example.question} {switch_person(answer)}", passages)
    if not answer and not shared_words(example.question, closest):
        return None
    return answer if len(answer.split()) > 1.5 * len(closest.split()) else switch_person(closest)


def sample(example: ExampleRecord, passages: Sequence[str], system: str, *, recites: bool = False) -> Sample:
    """The example closed-book, distilled from the teacher that reads the passage it is about, where there is one; or, who ``recites``,
    learns what to recite when it is asked, whether that answers it or not."""
    asked = prompts.chat([], example.question, system=system)
    if passages and recites and (said := statement(example, passages)):
        return Sample(asked, MARK + said)
    if not passages:
        return Sample(asked, example.answer)
    passage = passage_of(f"{example.question} {switch_person(example.answer)}", passages)
    return Sample(asked, example.answer, prompts.chat([], example.question, passage, system=system))


def is_answerable_quiz(example: ExampleRecord) -> bool:
    """Whether an examination of the lesson asks it: a held-out question with an answer, passed by moderation."""
    return example.role == "quiz" and example.refused_category is None and not says_unknown(example.answer)


def quiz_of(taught: Iterable[TaughtLesson]) -> list[ExampleRecord]:
    """All answerable quiz questions of these lessons."""
    return [example for each in taught for example in each.examples if is_answerable_quiz(example)]


def settled(taught: Sequence[TaughtLesson]) -> list[TaughtLesson]:
    """The lessons, oldest first, without the examples that a newer one contradicts or that moderation refused."""
    newer: list[ExampleRecord] = []
    kept: list[TaughtLesson] = []
    for each in reversed(taught):
        kept.append(superseded(each, newer))
        newer += kept[-1].examples
    return kept[::-1]


def superseded(old: TaughtLesson, newer: Sequence[ExampleRecord]) -> TaughtLesson:
    """An older lesson as a newer correction amends it, without the examples that newer ones contradict, that a newer correction rejects, or
    that moderation refused."""
    passed: Sequence[ExampleRecord] = [example for example in old.examples if example.refused_category is None]
    said = passages_of(old)
    for each in [each for each in amendments(newer) if each.applies(said)]:
        passed, said = each.examples(passed), [each.of(passage) for passage in said]
        old = replace(old, passages=tuple(said))
    return replace(old, examples=tuple(without_contradicted(passed, newer)))


def without_contradicted(examples: Sequence[ExampleRecord], newer: Sequence[ExampleRecord]) -> list[ExampleRecord]:
    """The examples less those that newer ones contradict, or that a newer correction rejects."""
    by_topic: dict[Topic | None, list[ExampleRecord]] = {}
    for example in newer:
        asked = topic(example.question)
        if asked is not None and example.role in ("train", "quiz", "neighbour"):
            by_topic.setdefault(asked, []).append(example)
    rejected = [example for example in newer if example.role == "rejected"]
    said_now = [example.answer for example in newer if any(example.question == each.question for each in rejected) and example.role == "train"]

    contradicted = [each for each in examples if any(contradict(each, other) for other in by_topic.get(topic(each.question), ()))]
    disowned = [each for each in examples if any(_is_rejected(each, other, said_now) for other in rejected)]
    old = {*contradicted, *disowned}
    answered = [each for each in contradicted if not says_unknown(each.answer)]
    # One question alone may be a clumsy one; two, or the user's own word, mean that the answer as such is old.
    is_sure = bool(disowned) or len(answered) >= 2
    kept = [example for example in examples if example not in old]
    gone = {normal(other.answer) for other in rejected if any(_is_rejected(each, other, said_now) for each in disowned)}
    return _without_answers(kept, examples, old, gone) if is_sure else kept


def topic(question: str) -> Topic | None:
    """What a question asks: its words without those that do not matter, and the kind of answer it expects.

    None where the words do not tell: "What is my cat?" may be answered by its name and by what it is afraid of.
    """
    words = frozenset(normal(question).split()) - _FILLERS
    return (words, expects(question)) if len(words - _ASKING) >= 2 else None


def contradict(old: ExampleRecord, new: ExampleRecord) -> bool:
    """Whether two answers to one question say different things. That something is unknown gives way to an answer, never the other way."""
    if says_unknown(old.answer):
        return not says_unknown(new.answer)
    if says_unknown(new.answer):
        return False
    said, says = _told(old), _told(new)
    return bool(said) and bool(says) and not said & says


def _is_rejected(example: ExampleRecord, rejected: ExampleRecord, said_now: Sequence[str]) -> bool:
    """Whether an example says what a correction has rejected, about the same thing."""
    if example.role not in ("train", "quiz") or says_unknown(example.answer):
        return False
    if normal(example.question) == normal(rejected.question):
        return contains(example.answer, rejected.answer) and not any(contains(answer, rejected.answer) for answer in said_now)
    shared = (_words(example.question) & _words(rejected.question)) - _ASKING - {"called", "named", "name", "have", "has"}
    says_it = normal(example.answer) == normal(rejected.answer) or (example.role == "quiz" and contains(rejected.answer, example.answer))
    return bool(shared) and says_it and not any(contains(answer, example.answer) for answer in said_now)


def _words(text: str) -> frozenset[str]:
    return frozenset(normal(text).split()) - _FILLERS


def _told(example: ExampleRecord) -> set[str]:
    """The words that an answer adds to its question."""
    return set(normal(switch_person(example.answer)).split()) - set(normal(switch_person(example.question)).split()) - _FILLERS


def _without_answers(
    kept: Sequence[ExampleRecord], examples: Sequence[ExampleRecord], old: set[ExampleRecord], rejected: set[str]
) -> list[ExampleRecord]:
    """Those that are kept, less those whose reply has nothing to say but an answer that is old now: one of ``old``, or ``rejected``."""
    asked = [example.question for example in old]  # "the deadline" is no answer of its own beside "When is the deadline?"
    known = {normal(e.answer) for e in examples if is_answerable_quiz(e) and not any(contains(switch_person(q), e.answer) for q in asked)}
    gone = {normal(example.answer) for example in old if example.role == "quiz"} or (known if len(known) == 1 else set())
    gone |= {answer for answer in known if any(contains(answer, each) for each in rejected)}

    def says_only_that(example: ExampleRecord) -> bool:
        return any(contains(example.answer, answer) for answer in gone) and not any(contains(example.answer, other) for other in known - gone)

    return [example for example in kept if not says_only_that(example)]
