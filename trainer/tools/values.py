"""Values for the arguments of a tool: what kind of thing an argument's name and description ask for, and many different ones of it.

Named things and invented words alternate: a small model learns to copy from a request only what it cannot have seen before.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from trainer.pocket.words import LISTS, word
from trainer.tools.description import Argument

INVENTED = 0.35  # share of open values that are invented words
_FILE = Path(__file__).parent / "values.txt"
_DRAWN = {
    "place": ("city", "village", "country"), "person": ("first", "full", "last"), "time": ("time",), "date": ("date", "weekday"),
    "code": ("code",), "address": ("street",), "company": ("company",), "title": ("title",), "email": ("email",), "duration": ("duration",),
    "thing": ("product", "title", "company", "project"),
}  # fmt: skip
_WORDS: dict[str, str] = {
    "address": r"\b(?:address|street|destination|pick ?up|drop ?off)\b",
    "email": r"\be-?mail\b",
    "place": r"\b(?:city|cities|town|place|location|area|where|country|region"
    r"|origin|destination|airport|station|state|from|to|start|departure|arrival)\b",
    "time": r"\btime\b|\bhour\b|\bo.clock\b",
    "date": r"\b(?:date|day|when|weekday|check ?in|check ?out)\b",
    "duration": r"\b(?:duration|how long|length|minutes|hours)\b",
    "cuisine": r"\b(?:cuisine|food|dish|meal|recipe|ingredient)\b",
    "genre": r"\b(?:genre|kind of (?:movie|film|music)|music|style)\b",
    "language": r"\blanguage\b",
    "currency": r"\bcurrenc(?:y|ies)\b",
    "colour": r"\bcolou?r\b",
    "subject": r"\b(?:topic|subject|query|keyword|category|search|about)\b",
    "code": r"\b(?:code|id|identifier|number|symbol|ticker|reference|sku)\b",
    "company": r"\b(?:company|business|shop|store|brand|airline|restaurant|hotel|provider)\b",
    "person": r"\b(?:person|name|who|whom|recipient|contact|artist|singer|director|directed|actor|actress|author|friend|receiver|doctor|by)\b",
    "title": r"\b(?:title|book|movie|film|song|album|show|event)\b",
}


def sort_of(argument: Argument) -> str:
    """What an argument is, by its name, and else by its description: place, person, date, …, "thing" where nothing tells."""
    for text in (argument.label, argument.description.lower()):
        for sort, words in _WORDS.items():
            if re.search(words, text):
                return sort
    return "thing"


def value(argument: Argument, rng: Random) -> Any:
    """One value that the argument can have, of its JSON type."""
    if argument.kind == "boolean":
        return rng.random() < 0.7
    if argument.kind in ("integer", "number"):
        return _number(argument, rng)
    if argument.values:
        return rng.choice(argument.values)
    if re.search(r"\bnumber of\b|\bhow many\b", f"{argument.label} {argument.description.lower()}"):
        return str(rng.randint(1, 9))
    if rng.random() < INVENTED and sort_of(argument) not in ("date", "time", "duration", "code", "email"):
        return _invented(sort_of(argument), rng)
    return _named(argument, rng)


def _named(argument: Argument, rng: Random) -> str:
    examples = re.search(r"(?:e\.g\.?|for example|for instance|such as),?:? ([^.;)]+)", argument.description)
    if examples and rng.random() < 0.3:
        return rng.choice([each.strip(" '\"") for each in re.split(r",| or | and |etc", examples.group(1)) if each.strip(" '\"")] or ["x"])
    sort = sort_of(argument)
    listed = _listed().get(sort)
    if listed and (sort not in _DRAWN or rng.random() < 0.5):
        return rng.choice(listed)
    drawn = [name for name in _DRAWN.get(sort, _DRAWN["thing"]) if name in LISTS]
    return LISTS[rng.choice(drawn)](rng, "")


def _invented(sort: str, rng: Random) -> str:
    count = 2 if sort in ("person", "title") and rng.random() < 0.7 else rng.choice((1, 1, 1, 2))
    return " ".join(word(rng, "").capitalize() for _ in range(count))


def _number(argument: Argument, rng: Random) -> int | float:
    small = re.search(
        r"\b(?:number of|people|guests|persons|beds?|rooms?|nights?|days|seats|tickets|count|how many)\b", f"{argument.label} {argument.description}"
    )
    if small:
        return rng.randint(1, 12)
    if argument.kind == "number" and rng.random() < 0.4:
        return round(rng.uniform(0.5, 500), rng.choice((1, 2)))
    return rng.choice((rng.randint(1, 20), rng.randint(1, 100), rng.randint(100, 5000)))


@cache
def _listed() -> dict[str, tuple[str, ...]]:
    rows = (line.partition(": ") for line in _FILE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return {sort: tuple(each.strip() for each in values.split(",")) for sort, _, values in rows}
