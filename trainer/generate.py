"""Writes a lesson's examples with the base model: self-instruct (Wang et al. 2022) grounded in the lesson's text.

Pairs are written in both directions (question to answer, answer to question) from each passage and its rewrite, then filtered: the
answer must stand in the passage, the teacher must give that same answer when it reads the passage and the question (round-trip
consistency, Alberti et al. 2019), and near-duplicates go. Questions that the passage does not answer become neighbours, whose
right answer is "I don't know". Some questions are held out as the quiz.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from random import Random

from storage.records import ExampleRecord
from trainer import prompts
from trainer.cloze import cloze_questions
from trainer.errors import NothingToTeachError
from trainer.examples import contains, normal, says_unknown, switch_person
from trainer.kinds import close_questions, fits, topics
from trainer.recall import DOUBT, MARK
from trainer.settings import LessonSettings
from trainer.teacher import Teacher

MAX_QUESTION_WORDS = 28
QUIZ, QUIZ_NEIGHBOURS = 6, 3
TOPICS = 3  # of a passage, each asked about in every plain form
STOP_WORDS = frozenset(
    """a about after also an and are as at be been before but by called can could did do does for from had has have he her him his how i
    if in is it its kind know let long many me mine much my name of often on or our ours please remember shall she should so some tell
    than that the their them then there these they this those to us was we were what when where which who whom whose why will with would
    you your""".split()
)
_NAME = re.compile(r"\b[A-Z]\w+")
_INNER_NAME = re.compile(r"(?<!^)(?:(?<![.!?] )|(?<=Mr\. )|(?<=Ms\. )|(?<=Dr\. )|(?<=Mrs\. ))\b[A-Z]\w+")
_PAIR = re.compile(r"\s*Q(?:uestion)?\s*:\s*(?P<question>.+?)\s*\n+\s*A(?:nswer)?\s*:\s*(?P<answer>.+?)\s*(?:\n|$)", re.S)


@dataclass(frozen=True)
class _Asked:
    """A question about a passage, the short answer it must have, the teacher's whole reply, and how much it doubts (0…1) that it knows:
    what nobody would ask, though it is good to train on, counts as doubted."""

    passage: str
    question: str
    answer: str
    reply: str = ""
    doubt: float = 1.0
    is_written: bool = True


def write_examples(passages: Sequence[str], teacher: Teacher, settings: LessonSettings, on_progress: Callable[[float], None]) -> list[ExampleRecord]:
    """Examples of all roles for ``passages``. ``on_progress`` gets the share done, 0 to 1.

    Raises NothingToTeachError when no question survives the filters.
    """
    rng = Random(settings.seed)
    passages = list(passages)
    samples = max(8, min(settings.samples, 4 * settings.samples // len(passages)))
    candidates = _pairs(passages, teacher, samples, settings.seed)
    on_progress(0.3)
    rewrites = _rewrites(passages, teacher, settings.seed)
    candidates += _more_questions(candidates, rewrites, teacher, samples, settings.seed)
    on_progress(0.5)
    candidates = [c for c in candidates if on_topic(c.question, c.passage) and fits(c.question, c.answer)] + _about(passages, rng)
    if settings.recite:
        candidates += _plain(passages, teacher, settings.seed)
    known, unanswered = _round_trip(_distinct(candidates), teacher, settings.seed)
    doubts = iter(teacher.doubts([prompts.chat([], asked.question, asked.passage) for asked in known if asked.is_written]))
    known = [replace(asked, doubt=next(doubts)) if asked.is_written else asked for asked in known]
    known += _cloze(known, settings, rng)
    on_progress(0.8)
    if not known:
        raise NothingToTeachError("I could not turn that into questions I can learn from. Try saying it as a plain, full sentence.")
    neighbours = _neighbours(passages, unanswered, teacher, settings, rng)
    on_progress(1.0)
    return _assign_roles(known, rewrites, neighbours, settings, len(passages), rng)


def passage_of(text: str, passages: Sequence[str]) -> str:
    """The passage that shares most words with an example's text: of those that say what it is about, and of the others where that is equal."""
    words = frozenset(normal(text).split())
    topic = _topic_of(words)

    def likeness(passage: str) -> tuple[int, int]:
        all_words, content = _words_of(passage)
        return len(topic & content), len(words & all_words)

    return max(passages, key=likeness)


@lru_cache(maxsize=50_000)  # the passages of a long document are each asked about a thousand times
def _words_of(passage: str) -> tuple[frozenset[str], frozenset[str]]:
    words = frozenset(normal(switch_person(passage)).split())
    return words, _topic_of(words)


def _topic_of(words: Iterable[str]) -> frozenset[str]:
    """The words that say what a text is about, without their endings: "cost" and "costs" are one."""
    return frozenset(re.sub(r"(?<=\w{3})(?:e?s|ed|ing)$", "", word) for word in words if word not in STOP_WORDS)


def on_topic(question: str, passage: str) -> bool:
    """Whether a question speaks of what the passage speaks of: some of its content words are the passage's, at most one is not."""
    shared = shared_words(question, passage)
    return bool(shared) and len(set(normal(question).split()) - STOP_WORDS - shared) <= 1


def shared_words(question: str, passage: str) -> set[str]:
    """The content words of a question that the passage has too, in whatever form."""
    said = normal(passage).split()
    return {word for word in set(normal(question).split()) - STOP_WORDS if any(_akin(word, other) for other in said)}


def _pairs(passages: Sequence[str], teacher: Teacher, samples: int, seed: int) -> list[_Asked]:
    asked = [passage for passage in passages for _ in range(samples)]
    replies = teacher.complete([prompts.write_pair(p) for p in asked], temperature=0.8, max_tokens=56, seed=seed)
    found = []
    for passage, reply in zip(asked, replies, strict=True):
        match = _PAIR.match(reply)
        if match and _fits(match["question"]) and _grounded(match["answer"], passage):
            found.append(_Asked(passage, match["question"].strip(), match["answer"].strip()))
    return found


def _rewrites(passages: Sequence[str], teacher: Teacher, seed: int) -> dict[str, str]:
    """Passage to a rewrite that keeps its names and numbers and adds none; a passage without a faithful one is left out."""
    asked = [passage for passage in passages for _ in range(4)]
    replies = teacher.complete([prompts.rewrite(p) for p in asked], temperature=0.7, max_tokens=96, seed=seed + 10_000)
    return {passage: reply for passage, reply in zip(asked, replies, strict=True) if _rephrases(reply, passage)}


def _more_questions(pairs: Sequence[_Asked], rewrites: dict[str, str], teacher: Teacher, samples: int, seed: int) -> list[_Asked]:
    """The other direction: for each answer found, more questions that it answers."""
    counted = Counter((pair.passage, pair.answer) for pair in pairs)
    asked: list[tuple[str, str, str]] = []
    for passage in dict.fromkeys(pair.passage for pair in pairs):
        answers = [answer for (p, answer), _ in counted.most_common() if p == passage][:8]
        for index in range(samples):
            text = rewrites.get(passage, passage) if index % 3 == 2 else passage
            asked.append((passage, text, answers[index % len(answers)]))
    conversations = [prompts.write_question(text, answer) for _, text, answer in asked]
    replies = teacher.complete(conversations, temperature=0.8, max_tokens=36, seed=seed + 20_000)
    return [
        _Asked(passage, reply, answer)
        for (passage, _, answer), reply in zip(asked, replies, strict=True)
        if _fits(reply) and not contains(reply, answer)
    ]


def _about(passages: Sequence[str], rng: Random) -> list[_Asked]:
    """The plainest question, about each of a passage's rarer words: names and numbers first, then the longest."""
    found = []
    for passage in passages:
        words = list(dict.fromkeys(w for w in re.findall(r"[\w'-]+", passage) if normal(w) not in STOP_WORDS and len(w) > 2))
        ranked = sorted(words, key=lambda w: (normal(w) not in _particulars(passage), -len(w)))
        found += [_Asked(passage, prompts.about(word, rng.randrange(4)), word, is_written=False) for word in ranked[:6]]
    return found


def _plain(passages: Sequence[str], teacher: Teacher, seed: int) -> list[_Asked]:
    """What anybody might ask about each thing that a passage names, answered by who reads it: a small model asks little of that itself,
    and takes "What is my cat's name?" for a question about its own."""
    asked = [(p, form.format(topic)) for p in passages for topic in topics(p)[:TOPICS] for form in prompts.PLAIN if "'s" not in form or " " in topic]
    replies = teacher.complete([prompts.chat([], prompts.briefly(q), p) for p, q in asked], temperature=0, max_tokens=24, seed=seed)
    return [_Asked(p, q, reply, is_written=False) for (p, q), reply in zip(asked, replies, strict=True)]


def _faithful(reply: str, passage: str) -> bool:
    """Whether a reply names and counts nothing that the passage does not, misspells none of its names, and does not go in circles."""
    told = f"{passage} {switch_person(passage)}"
    words_said = normal(reply).split()
    triples = Counter(zip(words_said, words_said[1:], words_said[2:], strict=False))
    if any(count > 1 and not contains(told, " ".join(triple)) for triple, count in triples.items()):
        return False
    if not all(contains(told, particular) for particular in _particulars(reply)):
        return False
    names, words = [n for n in _NAME.findall(passage) if len(n) > 3], set(told.lower().split())
    strange = [w for w in re.findall(r"\w+", reply) if len(w) > 3 and not contains(told, w) and w.lower() not in words]
    return not any(SequenceMatcher(None, w.lower(), name.lower()).ratio() > 0.7 for w in strange for name in names)


def _akin(word: str, other: str) -> bool:
    """Whether two words share their stem, roughly: one begins with most of the other."""
    stem = max(3, min(len(word), len(other)) - 2)
    return word == other or (len(word) > 3 and word[:stem] == other[:stem] and abs(len(word) - len(other)) <= 3)


def _cloze(known: Sequence[_Asked], settings: LessonSettings, rng: Random) -> list[_Asked]:
    """Terse questions from each passage's own words, with the reply that the teacher gives most about that answer's passage."""
    found = []
    passages = list(dict.fromkeys(asked.passage for asked in known))
    for passage in passages:
        about = [asked for asked in known if asked.passage == passage]
        replies = Counter(asked.reply for asked in about)
        count = max(4, settings.questions // 2 // max(1, len(passages) // 2))
        for question, answer in cloze_questions(passage, [asked.answer for asked in about], STOP_WORDS, rng, count):
            reply = next((r for r, _ in replies.most_common() if contains(r, switch_person(answer))), None)
            if reply is not None:
                found.append(_Asked(passage, question, answer, reply, is_written=False))
    return found


def _round_trip(candidates: Sequence[_Asked], teacher: Teacher, seed: int) -> tuple[list[_Asked], list[_Asked]]:
    """Those whose answer the teacher confirms with the passage before it, and those that it cannot answer from the passage.

    It confirms with the bare answer or within its own reply. A reply that is wrong or unfaithful where the bare answer is right (a small
    model wavers) gives way to what it says to most questions with this answer, and else to the passage itself.
    """
    replies = teacher.complete([prompts.chat([], c.question, c.passage) for c in candidates], temperature=0, max_tokens=110, seed=seed)
    brief = _bare_answers(candidates, replies, teacher, seed)
    full = [reply.rpartition(prompts.ANSWER_FIRST)[2].removeprefix(MARK) for reply in replies]  # one target for all questions of a statement
    right: dict[tuple[str, str], Counter[str]] = {}
    for candidate, reply in zip(candidates, full, strict=True):
        if contains(switch_person(reply), switch_person(candidate.answer)) and _faithful(reply, candidate.passage):
            right.setdefault((candidate.passage, normal(candidate.answer)), Counter())[reply] += 1
    known, unanswered = [], []
    for candidate, short, reply in zip(candidates, brief, full, strict=True):
        usual = right.get((candidate.passage, normal(candidate.answer)), Counter()).most_common(1)
        if _same(short, candidate.answer):
            known.append(replace(candidate, reply=usual[0][0] if usual else switch_person(candidate.passage)))
        elif says_unknown(short) and says_unknown(reply):
            unanswered.append(candidate)
    return known, unanswered


def _bare_answers(candidates: Sequence[_Asked], full: Sequence[str], teacher: Teacher, seed: int) -> list[str]:
    """The short answer within each reply; asked for where the reply does not begin with it."""
    short = [reply.partition(prompts.ANSWER_FIRST)[0] if prompts.ANSWER_FIRST in reply else None for reply in full]
    asked = [prompts.chat([], prompts.briefly(c.question), c.passage) for c, found in zip(candidates, short, strict=True) if found is None]
    replies = iter(teacher.complete(asked, temperature=0, max_tokens=24, seed=seed))
    return [next(replies) if found is None else found for found in short]


def _neighbours(passages: Sequence[str], unanswered: Sequence[_Asked], teacher: Teacher, settings: LessonSettings, rng: Random) -> list[str]:
    """Questions next to the lesson that it does not answer: some whose kind of answer the lesson does not hold, and those that the teacher
    cannot answer when it reads the lesson; of these none are written where it is recited, and read before anybody sees it."""
    certain = [q for passage in passages for q in close_questions(passage, rng, max(2, 2 * settings.neighbours // len(passages)))]
    written = [] if settings.recite else _written_neighbours(passages, teacher, settings)
    return list({normal(q): q for q in [*certain, *written, *(a.question for a in unanswered)]}.values())


def _written_neighbours(passages: Sequence[str], teacher: Teacher, settings: LessonSettings) -> list[str]:
    count = max(4, 3 * settings.neighbours // len(passages))
    asked = [passage for passage in passages for _ in range(count)]
    questions = teacher.complete([prompts.write_neighbour(p) for p in asked], temperature=0.9, max_tokens=36, seed=settings.seed + 30_000)
    pairs = [(p, q) for p, q in {normal(q): (p, q) for p, q in zip(asked, questions, strict=True)}.values() if _fits(q)]
    reading = [[prompts.chat([], ask(q), p) for p, q in pairs] for ask in (str, prompts.briefly)]
    replies = [teacher.complete(each, temperature=0, max_tokens=16, seed=settings.seed) for each in reading]
    return [q for (_, q), full, brief in zip(pairs, *replies, strict=True) if says_unknown(full) and says_unknown(brief)]


def _assign_roles(
    known: list[_Asked], rewrites: dict[str, str], neighbours: list[str], settings: LessonSettings, passages: int, rng: Random
) -> list[ExampleRecord]:
    rng.shuffle(known)
    rng.shuffle(neighbours)
    by_answer: dict[str, list[_Asked]] = {}
    for asked in known:
        by_answer.setdefault(f"{asked.passage}\n{normal(asked.answer)}", []).append(asked)
    groups = list(by_answer.values())
    clearest = sorted(groups, key=lambda group: min(asked.doubt for asked in group))  # the quiz is no riddle
    clear = [group for group in clearest if len(group) >= 3 and min(asked.doubt for asked in group) < DOUBT]
    asked_from = clear[: QUIZ * min(3, passages)] or [max(clearest, key=len)]
    quiz = [group.pop(min(range(len(group)), key=lambda place: group[place].doubt)) for group in asked_from if len(group) > 1]
    train = [asked for round_ in zip(*[_padded(g, known) for g in groups], strict=True) for asked in round_ if asked is not None]
    train = train[: settings.questions * min(4, passages)]
    held_out = neighbours[:QUIZ_NEIGHBOURS] if len(neighbours) > 2 * QUIZ_NEIGHBOURS else neighbours[:1]
    kept = neighbours[len(held_out) :][: settings.neighbours * min(4, passages)]
    return [
        *(ExampleRecord("train", a.question, a.reply) for a in train),
        *(ExampleRecord("rewrite", passage, rewrite) for passage, rewrite in rewrites.items()),
        *(ExampleRecord("neighbour", question, prompts.UNKNOWN) for question in kept),
        *(ExampleRecord("quiz", a.question, switch_person(a.answer)) for a in quiz),
        *(ExampleRecord("quiz", question, prompts.UNKNOWN) for question in held_out),
    ]


def _padded(group: list[_Asked], known: list[_Asked]) -> list[_Asked | None]:
    return [*group, *([None] * (len(known) - len(group)))]


def _distinct(candidates: Sequence[_Asked]) -> list[_Asked]:
    return list({f"{c.passage}\n{normal(c.question)}": c for c in candidates}.values())


def _fits(question: str) -> bool:
    words = question.split()
    return question.endswith(("?", ".")) and 2 <= len(words) <= MAX_QUESTION_WORDS and "\n" not in question


def _grounded(answer: str, passage: str) -> bool:
    return len(answer.split()) <= 14 and (contains(passage, answer) or contains(switch_person(passage), answer))


def _same(short: str, answer: str) -> bool:
    """Whether two short answers agree: one holds the other and is at most a few words longer."""
    one, other = switch_person(short), switch_person(answer)
    return (contains(one, other) or contains(other, one)) and abs(len(one.split()) - len(other.split())) <= 3


def _rephrases(text: str, passage: str) -> bool:
    """Whether ``text`` keeps the passage's names and numbers, adds none, and shares about half of its other words."""
    said, wanted = set(normal(text).split()), set(normal(passage).split())
    alike = len(said & wanted) / max(1, len(said | wanted))
    return normal(text) != normal(passage) and _particulars(text) == _particulars(passage) and alike >= 0.4


def _particulars(text: str) -> set[str]:
    """Numbers, and names that do not begin a sentence: what a faithful rewrite keeps."""
    return {normal(word) for word in [*_INNER_NAME.findall(text), *re.findall(r"\d(?:[\w.:,-]*\w)?", text)]}
