"""Instruction backtranslation (Li et al. 2023): a passage is the answer, the model writes what it answers, and rates each pair itself.

Where a model's rating is no number (a small one cannot rate), a pair counts by how much of the passage the model says when it reads the
passage and is given the instruction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from storage.records import ExampleRecord
from trainer import prompts
from trainer.examples import normal, switch_person
from trainer.generate import on_topic
from trainer.teacher import Teacher

TRIES = 2  # instructions written per passage, of which the best is kept
BEST_RATING = 5
GOOD_RATING = 4  # of five; the paper keeps the best grade only, from far more candidates
GOOD_SHARE = 0.6  # of the passage's words in the reply
SHORTEST, LONGEST = 3, 28  # words of an instruction


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A passage and what it may be the answer to."""

    passage: str
    instruction: str


def backtranslated(passages: Sequence[str], teacher: Teacher, count: int, seed: int) -> list[ExampleRecord]:
    """Up to ``count`` pairs whose answer is a whole passage, the best ones first."""
    asked = [passage for passage in passages for _ in range(TRIES)]
    written = teacher.complete([prompts.write_instruction(passage) for passage in asked], temperature=0.8, max_tokens=40, seed=seed + 40_000)
    found = {normal(reply): _Candidate(passage, reply) for passage, reply in zip(asked, written, strict=True) if _fits(reply, passage)}
    scored = _scores(list(found.values()), teacher, seed)
    best: dict[str, tuple[float, _Candidate]] = {}
    for candidate, score in scored:
        if score >= GOOD_RATING and score > best.get(candidate.passage, (0.0, candidate))[0]:
            best[candidate.passage] = (score, candidate)
    ranked = sorted(best.values(), key=lambda each: -each[0])[:count]
    return [ExampleRecord("train", candidate.instruction, switch_person(candidate.passage)) for _, candidate in ranked]


def _scores(candidates: Sequence[_Candidate], teacher: Teacher, seed: int) -> list[tuple[_Candidate, float]]:
    """Each with its rating, 1 to 5."""
    ratings = teacher.complete([prompts.rate(c.instruction, c.passage) for c in candidates], temperature=0, max_tokens=6, seed=seed)
    replies = teacher.complete([prompts.chat([], c.instruction, c.passage) for c in candidates], temperature=0, max_tokens=110, seed=seed)
    return [
        (candidate, _rating(rating) or _by_reply(reply, candidate.passage))
        for candidate, rating, reply in zip(candidates, ratings, replies, strict=True)
    ]


def _rating(reply: str) -> float | None:
    found = re.fullmatch(r"\D{0,12}([1-5])(?:\s*/\s*5|\s*out of 5)?\W*", reply)
    return float(found[1]) if found else None


def _by_reply(reply: str, passage: str) -> float:
    """A rating from what the model says with the passage before it."""
    said, wanted = set(normal(switch_person(reply)).split()), set(normal(switch_person(passage)).split())
    share = len(said & wanted) / max(1, len(wanted))
    return BEST_RATING * share / GOOD_SHARE * (GOOD_RATING / BEST_RATING) if share < GOOD_SHARE else GOOD_RATING + share - GOOD_SHARE


def _fits(instruction: str, passage: str) -> bool:
    one_line = "\n" not in instruction and instruction.endswith(("?", ".", "!"))
    new = normal(instruction) not in normal(passage)  # a sentence of the passage itself asks nothing
    return one_line and new and SHORTEST <= len(instruction.split()) <= LONGEST and on_topic(instruction, passage)
