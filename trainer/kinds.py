"""What kind of answer an English question expects, told by its words, and whether a text holds anything of that kind.

It keeps a small teacher honest: a "when" is not answered by a name, and a text without a number does not say how old anybody is.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from random import Random
from typing import Literal, cast

from trainer.examples import normal

Kind = Literal["number", "time", "colour", "person", "reason"]

_CLOSE = Path(__file__).parent / "close_questions.txt"
NO_TOPIC = re.compile(
    r"I|I'm|I've|We|My|Our|The|On|In|At|It|He|She|They|This|That|If|When|Since|For|After|Before|Every|Each|No|Don't|Please|Always|Never|Mr|Ms|Mrs|Dr"
    r"|(Since |On |In )?((Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
    r"|January|February|March|April|May|June|July|August|September|October|November|December)( I\S*)?"
)
_ASKS: dict[Kind, str] = {
    "time": r"^(and |so )?when\b|\b(what|which) (time|day|days|date|month|year|weekday|season)\b|\bsince when\b|\bhow (long|soon)\b",
    "number": r"\bhow (old|many|much|tall|heavy|far|big|large|high|deep|often|fast|wide|expensive)\b|\b(what|which) (price|age|number|code)\b",
    "colour": r"\b(what|which) colou?rs?\b",
    "person": r"^(who|whose|whom)\b|\b(by|with|to|from|for) whom\b",
    "reason": r"^why\b|\bfor what reason\b",
}
_HOLDS: dict[Kind, str] = {
    "number": r"\d|\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen"
    r"|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|dozen|half|once|twice|both|every|each|no|never|always"
    r"|daily|weekly|monthly|yearly|free|first|second|third|single|pair|couple|several|few)\b",
    "time": r"\d|\b(\w+ven|one|two|three|four|five|six|eight|nine|ten|twelve"
    r"|january|february|march|april|may|june|july|august|september|october|november"
    r"|december|\w+days?|noon|midnight|mornings?|evenings?|nights?|afternoon|today|tomorrow|yesterday|week|weeks|weekend|weekends|month|months|year|years|hour|hours|minute|minutes"
    r"|spring|summer|autumn|fall|winter|easter|christmas|holiday|holidays|dawn|dusk|sunset|lunch|dinner|breakfast|daily|weekly|ago|before|after|until"
    r"|since|when|whenever|every|decade|century|moment|seconds?)\b",
    "colour": r"\b(red|blue|green|yellow|black|white|gr[ae]y|brown|purple|orange|pink|turquoise|navy|cream|silver|gold|golden|beige"
    r"|crimson|teal|maroon|violet|colou?r\w*|striped|dark|pale|bright|blond\w*)\b",
    "person": r"\b[A-Z]\w+|\b(i|me|my|we|our|you|your|mother|father|mum|mom|dad|sister|brother|aunt|uncle|cousin|niece|nephew|grand\w+|wife|husband"
    r"|son|daughter|friend|neighbour|neighbor|boss|manager|teacher|team|doctor|dentist|nobody|everyone|everybody|anyone|people|children|kids|parents"
    r"|landlord|colleague|\w+er|\w+or|\w+ist)\b",
    "reason": r"\b(because|since|as|so|due|thanks|after|for|to|that is why|otherwise|if|unless|cause\w*)\b",
}


def expects(question: str) -> Kind | None:
    """The kind of answer that a question asks for; None where its words do not tell."""
    return next((kind for kind, words in _ASKS.items() if re.search(words, question, re.I)), None)


def holds(text: str, kind: Kind) -> bool:
    """Whether a text has anything of that kind in it."""
    return bool(re.search(_HOLDS[kind], text, 0 if kind == "person" else re.I))


def fits(question: str, answer: str) -> bool:
    """Whether an answer can be one to that question."""
    kind = expects(question)
    return kind is None or kind == "reason" or holds(answer, kind)


def close_questions(passage: str, rng: Random, count: int) -> list[str]:
    """Up to ``count`` questions about things that a passage names, of kinds that it certainly does not answer."""
    things, words = topics(passage), set(normal(passage).split())
    forms = [form for form, kind, answered in _close() if not words & answered and (kind is None or not holds(passage, kind))]
    rng.shuffle(forms)
    forms = forms if things else [form for form in forms if "{}" not in form]
    return [form.format(things[i % len(things)] if things else "") for i, form in enumerate(forms[:count])]


def topics(passage: str) -> list[str]:
    """What a passage speaks of: names, and words behind my, our, the, a."""
    names = [name for name in re.findall(r"\b[A-Z][\w-]+(?: [A-Z][\w-]+)*", passage) if not NO_TOPIC.fullmatch(name)]
    adjective = "(?:(?:best|old|new|older|younger|big|small|little|first|last|next) )?"
    things = re.findall(rf"\b(?:my|our|the|his|her|their) {adjective}[a-z][\w-]+", passage, re.I)
    return list(dict.fromkeys([*(thing[:1].lower() + thing[1:] for thing in things), *names]))


@functools.cache
def _close() -> list[tuple[str, Kind | None, frozenset[str]]]:
    """Each form of a close question, the kind of its answer, and words of a passage that may answer it."""
    rows = [line.split(" | ") for line in _CLOSE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [(form, cast("Kind", kind) if kind else None, frozenset(words.split())) for form, kind, words in rows]
