"""A better answer than one that its user did not like: the model's own, found among several, moderated and judged.

Candidates are what the model says when it reads what its user taught it, what the user's version says when it is asked again, and what
the untaught model says. Which of them is better depends on what was bad; where nothing is, nothing is proposed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from storage.records import CaseRecord
from trainer import prompts
from trainer.examples import contains, normal, says_unknown, switch_person
from trainer.generate import STOP_WORDS, on_topic
from trainer.moderation.protocol import Moderator
from trainer.teacher import Teacher

READ = 3  # passages at most that the model reads again for one question
SAMPLES = 4  # answers at each, of which the first is the likeliest one
TEMPERATURE = 0.8
TOKENS = 110
SHORTER = 0.7  # of the words of an answer that was too long
MILDER = 0.5  # of the moderator's score of an answer that was rude or harmful


@dataclass(frozen=True)
class _Reading:
    """A passage that answers the question, with these bare words and these replies."""

    short: str
    replies: tuple[str, ...]


def ask_again(question: str, teacher: Teacher, seed: int, system: str = "") -> list[str]:
    """What a model says when it is asked once more, in a new conversation: the likeliest answer, then others."""
    asked = prompts.chat([], question, system=system)
    return [*_said(teacher, [asked], 0.0, seed), *_said(teacher, [asked] * (SAMPLES - 1), TEMPERATURE, seed)]


def better_answer(
    case: CaseRecord, taught: Sequence[str], own: Sequence[str], untaught: str, teacher: Teacher, moderator: Moderator, seed: int
) -> str | None:
    """The best answer that is better than the one rejected; None where there is none.

    `taught` are passages of what the user taught, the newest last; `own` is what their version says when it is asked again, `untaught` what
    the base model says. Raises TeacherUnavailableError or ModeratorUnavailableError.
    """
    near = _near(case.question, taught)
    readings = _readings(case.question, near, teacher, seed)
    said = [*(reply for reading in readings for reply in reading.replies), *own, untaught, *_parts(case, teacher, seed)]
    candidates = [each for each in said if each and normal(each) != normal(case.rejected)]
    bad, *verdicts = moderator.check([f"{case.question}\n{each}" for each in (case.rejected, *candidates)])
    passed = [each for each, verdict in zip(candidates, verdicts, strict=True) if not verdict.flagged]
    if case.reason == "long":
        return _shorter(case, passed, readings, teacher, seed)
    if case.reason in ("rude", "harmful"):
        scores = {each: verdict.score for each, verdict in zip(candidates, verdicts, strict=True)}
        milder = [each for each in passed if bad.flagged or scores[each] <= MILDER * bad.score]
        kept = _saying_the_same(case, milder, readings, teacher, seed)
        return kept or (prompts.UNKNOWN if case.reason == "harmful" and not says_unknown(case.rejected) else None)
    return _truer(case, passed, near, readings) if near else _surer(case, passed, untaught, teacher)


def _near(question: str, taught: Sequence[str]) -> list[str]:
    """The passages that speak of something in the question, the closest first and of those the newest."""
    words = _content(question)
    shared = [(len(words & _content(passage)), place, passage) for place, passage in enumerate(taught)]
    return [passage for count, _, passage in sorted(shared, reverse=True) if count]


def _readings(question: str, near: Sequence[str], teacher: Teacher, seed: int) -> list[_Reading]:
    """What the model finds in the passages that answer the question."""
    found = []
    for passage in [each for each in near if on_topic(question, each)][:READ]:
        (short,) = _said(teacher, [prompts.chat([], prompts.briefly(question), passage)], 0.0, seed)
        short = short.partition(prompts.ANSWER_FIRST)[0].rstrip(".")
        if says_unknown(short) or not (contains(passage, short) or contains(switch_person(passage), switch_person(short))):
            continue
        asked = prompts.chat([], question, passage)
        replies = [*_said(teacher, [asked], 0.0, seed), *_said(teacher, [asked] * (SAMPLES - 1), TEMPERATURE, seed)]
        whole = [reply.rpartition(prompts.ANSWER_FIRST)[2] for reply in replies]
        found.append(_Reading(short, tuple(each for each in whole if _says(each, short))))
    return found


def _truer(case: CaseRecord, candidates: Sequence[str], near: Sequence[str], readings: Sequence[_Reading]) -> str | None:
    """What the user taught, where the rejected answer said something else; most of the candidates that say so agree on it.

    A small model may not find in a passage what it has learned from it: then a candidate counts that only says what a passage says.
    """
    for reading in readings:
        supported = Counter(each for each in candidates if _says(each, reading.short))
        if supported and not _says(case.rejected, reading.short):
            return supported.most_common(1)[0][0]
    if readings or any(_restates(case.rejected, case.question, passage) for passage in near):
        return None
    restated = Counter(each for each in candidates if any(_restates(each, case.question, passage) for passage in near))
    return restated.most_common(1)[0][0] if restated else None


def _surer(case: CaseRecord, candidates: Sequence[str], untaught: str, teacher: Teacher) -> str | None:
    """Where nothing taught answers the question: that it does not know, if the untaught model says so, or what the model rates higher."""
    if says_unknown(case.rejected):
        return None
    if says_unknown(untaught):
        return prompts.UNKNOWN
    answers = list(dict.fromkeys(each for each in candidates if not says_unknown(each)))
    ratings = [_rating(reply) for reply in _said(teacher, [prompts.rate(case.question, each) for each in (case.rejected, *answers)], 0.0, 0)]
    best = max(zip(ratings[1:], answers, strict=True), key=lambda rated: rated[0], default=(0, ""))
    return best[1] if best[0] > ratings[0] > 0 else None


def _shorter(case: CaseRecord, candidates: Sequence[str], readings: Sequence[_Reading], teacher: Teacher, seed: int) -> str | None:
    """The fullest of the short answers that say the same."""
    gists = [each.short for each in readings if _says(case.rejected, each.short)] or [_gist(case, teacher, seed)]
    most = SHORTER * len(case.rejected.split())
    found = [each for each in candidates if len(each.split()) <= most and any(gist and _says(each, gist) for gist in gists)]
    return max(found, key=lambda each: len(each.split()), default=None)


def _saying_the_same(case: CaseRecord, candidates: Sequence[str], readings: Sequence[_Reading], teacher: Teacher, seed: int) -> str | None:
    """The first candidate that says what the rejected answer, or a lesson, said."""
    gists = [reading.short for reading in readings] or [_gist(case, teacher, seed)]
    return next((each for each in candidates if any(gist and _says(each, gist) for gist in gists)), None)


def _gist(case: CaseRecord, teacher: Teacher, seed: int) -> str:
    """The bare answer within the rejected one; nothing where the model does not find it there."""
    (short,) = _said(teacher, [prompts.chat([], prompts.briefly(case.question), case.rejected)], 0.0, seed)
    short = short.partition(prompts.ANSWER_FIRST)[0].rstrip(".")
    return short if not says_unknown(short) and contains(case.rejected, short) else ""


def _parts(case: CaseRecord, teacher: Teacher, seed: int) -> list[str]:
    """Of an answer that was too long, its sentences and the bare answer; of a rude one, other words for it."""
    if case.reason == "long":
        return [*re.split(r"(?<=[.!?])\s+", case.rejected.strip()), _gist(case, teacher, seed)]
    return _said(teacher, [prompts.rewrite(case.rejected)] * 2, TEMPERATURE, seed) if case.reason == "rude" else []


def _restates(reply: str, question: str, passage: str) -> bool:
    """Whether a reply says something of the passage, and nothing that neither the passage nor the question says."""
    said, asked = _content(reply), _content(question)
    return not says_unknown(reply) and bool(said - asked) and said <= asked | _content(passage)


def _content(text: str) -> frozenset[str]:
    return frozenset(normal(switch_person(text)).split()) - STOP_WORDS


def _says(reply: str, short: str) -> bool:
    return contains(switch_person(reply), switch_person(short)) or contains(reply, short)


def _rating(reply: str) -> int:
    found = re.search(r"[1-5]", reply)
    return int(found[0]) if found else 0


def _said(teacher: Teacher, conversations: Sequence[prompts.Messages], temperature: float, seed: int) -> list[str]:
    return teacher.complete(conversations, temperature=temperature, max_tokens=TOKENS, seed=seed)
