"""Finds what a new lesson says otherwise than earlier ones: the newer wins, and the receipt names the older."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from storage.records import ExampleRecord, TaughtLesson
from trainer import prompts
from trainer.examples import contains, normal, says_unknown, switch_person
from trainer.generate import STOP_WORDS, passage_of, shared_words
from trainer.kinds import expects, fits
from trainer.taught import is_answerable_quiz, passages_of
from trainer.teacher import Teacher

ASKED, OF_EACH = 40, 8  # questions of earlier lessons at most, the newest lessons' first, and of one lesson
FORMS = (0, 2, 4)  # ways of asking on which the teacher must agree: a small one wavers
_NAMING = frozenset("called named name names".split())  # noqa: SIM905  (a list of words)
_NAME = re.compile(r"\b[A-Z]\w+")
_CHANGE = re.compile(
    r"\b(now|no longer|not anymore|any ?more|instead|moved|changed|postponed|new|renamed|replaced|switched|from now on|since|used to|became)\b", re.I
)


def contradictions(passages: Sequence[str], earlier: Sequence[TaughtLesson], teacher: Teacher) -> list[ExampleRecord]:
    """Questions of earlier lessons to which ``passages`` now give another answer: each with the new one, to train on, and with the old
    one in the role ``rejected``.

    Only where one answer can be right: the question asks for a number, a time, a colour or a name, or the passage itself speaks of a change.
    """
    asked = [(old, passage_of(old.question, passages)) for each in reversed(earlier) for old in _answered(each, passages, teacher)][:ASKED]
    forms = [prompts.chat([], prompts.asked_again(old.question, form), passage) for old, passage in asked for form in FORMS]
    full = teacher.complete(forms, temperature=0, max_tokens=96, seed=0)
    found: list[ExampleRecord] = []
    for index, ((old, passage), short) in enumerate(zip(asked, _bare(asked, teacher), strict=True)):
        replies = full[index * len(FORMS) : (index + 1) * len(FORMS)]
        if all(_says(reply, short) for reply in replies) and _is_other(short, old, passage):
            said = replies[0].rpartition(prompts.ANSWER_FIRST)[2]
            found += [ExampleRecord("train", prompts.asked_again(old.question, form), said) for form in FORMS]
            found.append(ExampleRecord("rejected", old.question, old.answer))
    return found


def _answered(taught: TaughtLesson, passages: Sequence[str], teacher: Teacher) -> list[ExampleRecord]:
    """Some of an earlier lesson's questions that the new passages may answer otherwise, each with the bare answer that the lesson gives."""
    own = passages_of(taught)
    quiz = [each for each in taught.examples if is_answerable_quiz(each)]
    train = [each for each in taught.examples if each.role == "train" and not says_unknown(each.answer)]
    chosen = [each for each in (*quiz, *train) if _may_differ(each.question, passage_of(each.question, passages))][:OF_EACH]
    reading = [(each, passage_of(f"{each.question} {switch_person(each.answer)}", own)) for each in chosen if own]
    answers = _bare(reading, teacher)
    return [
        replace(each, answer=answer)
        for (each, passage), answer in zip(reading, answers, strict=True)
        if contains(switch_person(passage), switch_person(answer)) and _is_about_same(passage, answer, passage_of(each.question, passages))
    ]


def _is_about_same(old: str, answer: str, new: str) -> bool:
    """Whether a new passage names whatever an old one does, save the answer, which it does not: Tom's birthday is not Ruth's."""
    names = set(normal(" ".join(_NAME.findall(old))).split()) - STOP_WORDS - set(normal(answer).split())
    return names <= set(normal(new).split()) and not contains(switch_person(new), answer)


def _bare(asked: Sequence[tuple[ExampleRecord, str]], teacher: Teacher) -> list[str]:
    """The bare answer to each question from the passage beside it."""
    conversations = [prompts.chat([], prompts.briefly(example.question), passage) for example, passage in asked]
    return teacher.complete(conversations, temperature=0, max_tokens=24, seed=0)


def _may_differ(question: str, passage: str) -> bool:
    """Whether the passage speaks of all that a question names, and only one answer can be right."""
    words = set(normal(question).split())
    foreign = words - STOP_WORDS - shared_words(question, passage) - _NAMING
    return not foreign and (expects(question) in ("number", "time", "colour") or bool(words & _NAMING) or bool(_CHANGE.search(passage)))


def _says(reply: str, short: str) -> bool:
    return not says_unknown(short) and contains(switch_person(reply), switch_person(short))


def _is_other(short: str, old: ExampleRecord, passage: str) -> bool:
    """Whether a bare answer stands in the passage, is of the kind that the question asks for, and tells more than the question."""
    said, before, asked = (set(normal(switch_person(text)).split()) for text in (short, old.answer, old.question))
    return contains(switch_person(passage), switch_person(short)) and fits(old.question, short) and bool(said - before - asked - STOP_WORDS)
