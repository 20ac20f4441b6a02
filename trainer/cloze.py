"""Plain questions from a text's own words: a part of it is left out and asked for (cloze translation, Lewis et al. 2019).

They are terse ("When rent collected?"), as people type them, and certain: the question word fits what was left out. They teach an adapter
to answer whatever shares the lesson's words, and they do not depend on how well the base model writes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from trainer.examples import normal
from trainer.kinds import NO_TOPIC, holds

_TIME = (
    r"(?:every |each |on |by |until |since |before |after |at )*(?:the )?(?:\d{1,2}(?:st|nd|rd|th)?(?: of)? )?"
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|\d{1,2}:\d\d|\d{1,2} ?[ap]m|noon|midnight)(?: \d+(?:st|nd|rd|th)?)?"
)
_UNIT = "euros?|dollars?|pounds?|percent|kilos|grams|metres|km|minutes|hours|days|weeks|months|years|people"
_NUMBER = rf"(?:[$€£] ?)?\d[\d.,:]*(?:st|nd|rd|th|%)?(?: (?:{_UNIT}))?"
_NAME = r"(?:Mr\. |Mrs\. |Ms\. |Dr\. )?[A-Z][\w'-]+(?: [A-Z][\w'-]+)*"
_FORMS = {
    "time": ("When {}?", "On which day {}?", "What time {}?", "When is {}?"),
    "number": ("How many {}?", "How much {}?", "What number {}?", "How much is {}?"),
    "colour": ("What colour {}?", "What colour is {}?"),
    "person": ("Who {}?", "Who is {}?", "What is the name of {}?", "What is {} called?", "Which {}?"),
    "place": ("Where {}?", "Where is {}?", "In which place {}?", "Which city {}?"),
    "thing": ("What {}?", "What is {}?", "Which {}?", "What about {}?", "What does {}?"),
}


def cloze_questions(passage: str, answers: Sequence[str], stop_words: frozenset[str], rng: Random, count: int) -> list[tuple[str, str]]:
    """Up to ``count`` (question, answer) pairs on the parts of ``passage``: those in ``answers`` and those that its spelling shows."""
    parts = [part for part in dict.fromkeys([*_parts(passage), *answers]) if 0 < len(part.split()) <= 6]
    found: dict[str, tuple[str, str]] = {}
    for turn in range(4 * count):
        if not parts or len(found) >= count:
            break
        part = parts[turn % len(parts)]
        left = [w for w in re.findall(r"[\w'-]+", passage.replace(part, " ")) if normal(w) not in stop_words]
        if left:
            kept = set(rng.sample(range(len(left)), min(len(left), rng.choice((1, 2, 2, 3)))))
            rest = " ".join(word for i, word in enumerate(left) if i in kept)
            if re.search(r"\b(my|our)\b", passage, re.I) and rng.random() < 0.5:
                rest = f"{'my' if re.search(r'my', passage, re.I) else 'our'} {rest}"
            question = rng.choice(_FORMS[_kind(part, passage)]).format(rest)
            found.setdefault(normal(question), (question, part))
    return list(found.values())


def _parts(passage: str) -> list[str]:
    """Times, numbers and names."""
    found = [match.strip(" .,:") for pattern in (_TIME, _NUMBER, _NAME) for match in re.findall(pattern, passage)]
    return [part for part in found if part and not NO_TOPIC.fullmatch(part)]


def _kind(part: str, passage: str) -> str:
    if re.fullmatch(_TIME, part):
        return "time"
    if holds(part, "colour") and not re.search(r"\d", part):
        return "colour"
    if re.search(r"\d", part):
        return "number"
    if re.search(rf"\b(in|at|to|from|near|under|behind|inside|by) (the )?{re.escape(part)}", passage):
        return "place"
    return "person" if part[:1].isupper() else "thing"
