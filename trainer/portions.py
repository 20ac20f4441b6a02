"""What of a document's many examples is trained on and what is asked: every passage has its share, plain questions come first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from storage.records import ExampleRecord
from trainer import prompts
from trainer.examples import normal, says_unknown, switch_person
from trainer.generate import STOP_WORDS, passage_of

ABOUT = 2  # questions of the plainest form ("Tell me about …") per passage: they would fill the budget, one for every word
_ABOUT = re.compile("|".join(re.escape(prompts.about("\0", form)).replace("\0", ".+") for form in range(4)))
_ASKS = re.compile(
    r"^(?:(?:in|on|at|from|to|by|for|with|under) )?(?:who|whose|whom|what|which|when|where|why|how)\b.*"
    r"\b(?:is|are|was|were|does|do|did|has|have|had|can|could|will|would|should|must|\w{2,}ed)\b",
    re.I,
)
_JOINS = re.compile(r"\b(?:the|a|an|of|in|on|at|to|for|by|with|from|my|our|your|his|her|its|their)\b", re.I)


def shared_out(examples: Sequence[ExampleRecord], passages: Sequence[str], budget: int, rng: Random) -> list[ExampleRecord]:
    """Up to ``budget`` of the examples to train on, the passages taking turns, each with its plainest questions first."""
    of_passage: dict[str, list[ExampleRecord]] = {}
    for example in examples:
        of_passage.setdefault(passage_of(_text(example), passages), []).append(example)
    queues = [_ordered(each, rng) for each in of_passage.values()]
    turns = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(turns) for queue in queues if turn < len(queue)][:budget]


def asked(quiz: Sequence[ExampleRecord], count: int, rng: Random) -> list[ExampleRecord]:
    """Up to ``count`` of the questions that were kept from training: those that a person would ask, while there are any."""
    return sorted(rng.sample(list(quiz), len(quiz)), key=lambda example: -plainness(example.question))[:count]


def mended(example: ExampleRecord, passages: Sequence[str]) -> ExampleRecord:
    """The example with its passage as the answer where its own is a copy of the passage with a piece missing in the middle.

    A small model that copies a sentence jumps from a word to the same word further on, and says what nobody wrote.
    """
    if says_unknown(example.answer):
        return example
    passage = switch_person(passage_of(_text(example), passages))
    said, told = normal(example.answer).split(), normal(passage).split()
    copied = set(said) <= set(told)
    runs = set(zip(told, told[1:], told[2:], strict=False))
    jumps = any(run not in runs for run in zip(said, said[1:], said[2:], strict=False))
    return replace(example, answer=passage) if copied and jumps else example


def plainness(question: str) -> int:
    """2 for a question as a person asks it, 1 for terse words with a question mark, 0 for "Tell me about …" and what goes in circles."""
    words = [word for word in normal(question).split() if word not in STOP_WORDS]
    if _ABOUT.fullmatch(question) or len(set(words)) < len(words):
        return 0
    return 2 if _ASKS.search(question) and _JOINS.search(question) else 1


def _ordered(examples: Sequence[ExampleRecord], rng: Random) -> list[ExampleRecord]:
    ranked = sorted(rng.sample(list(examples), len(examples)), key=lambda example: -plainness(example.question))
    about = [example for example in ranked if _ABOUT.fullmatch(example.question)]
    plain = [example for example in ranked if not _ABOUT.fullmatch(example.question)]
    return [*plain[:1], *about[:1], *plain[1:3], *about[1:ABOUT], *plain[3:]]


def _text(example: ExampleRecord) -> str:
    return f"{example.question} {switch_person(example.answer)}"
