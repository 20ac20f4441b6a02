"""Other ways to ask the same question, by its form: a correction is to hold however its user asks again."""

from __future__ import annotations

import re

from trainer.kinds import holds
from trainer.questions import Question, inflected, parts

_MEASURES = {
    "old": "age", "tall": "height", "high": "height", "long": "length", "heavy": "weight", "big": "size", "large": "size", "deep": "depth",
    "wide": "width", "far": "distance", "fast": "speed",
}  # fmt: skip


def other_ways(question: str, answer: str) -> list[str]:
    """Ways to ask the question that ``answer`` answers, without its own words; none where its form is not known. The likeliest first."""
    asked = parts(question)
    if asked is None:
        return []
    if not asked.subject:
        ways = _asking_who(asked)
    elif asked.is_state:
        ways = _asking_what_is(asked, answer)
    else:
        ways = _asking_what_does(asked, answer)
    found = {_plain(way): _sentence(way) for way in ways}
    found.pop(_plain(question), None)
    return list(found.values())


def _asking_who(q: Question) -> list[str]:
    """Who wrote the book; how many people are in the team."""
    if q.counted:
        what = f"{q.counted} {q.helper} {q.rest}" if q.helper else f"{q.counted} {q.verb} {q.rest}"
        return [f"what number of {what}?", f"what is the number of {q.counted} {q.rest}?", *_indirect(f"how many {what}"), f"how many {what} in all?"]
    deed = f"{q.helper or q.verb} {q.rest}".strip()
    who = ["who", "which person"] if q.word.lower() == "who" else [q.word, _other_word(q.word)]
    told = [f"{each} {deed}?" for each in who]
    return [*told, *_indirect(f"{q.word} {deed}"), f"{q.word} was it that {deed}?", f"{q.word} is it that {deed}?"]


def _asking_what_is(q: Question, answer: str) -> list[str]:
    """What is my cat called; where is the key; how old is my niece; what is my bicycle locked with."""
    word, thing, be = q.word.lower(), q.subject, q.helper
    indirect = _indirect(" ".join(filter(None, (q.word, thing, be, q.rest))))
    if word in ("what", "how") and q.rest in ("called", "named"):
        return _naming(thing)
    if word == "what" and not q.rest and (match := re.fullmatch(r"the name of (?P<of>.+)|(?P<whose>.+)'s name", thing, re.I)):
        return _naming(match["of"] or match["whose"])
    if q.rest:
        others = [f"{_other_word(word)} {be} {thing} {q.rest}?", f"{word} is it that {thing} {be} {q.rest}?"]
        state, _, preposition = q.rest.rpartition(" ")
        fronted = [f"{preposition} {word} {be} {thing} {state}?"] if preposition and word == "what" else []
        how = [f"how {be} {thing} {state or q.rest}?"] if (state or q.rest).endswith("ed") else []
        return [*others, *fronted, *how, *indirect]
    if word == "who":
        return [*_naming(thing), f"who {be} {thing}?", *indirect]
    if word == "where":
        found = [f"where {do} {thing}?" for do in ("do I find", "can I find", "do we have", "would I look for")]
        placed = [f"{place} {be} {thing}?" for place in _places()]
        return [*found, *placed, f"what place {be} {thing} in?", f"what is the place of {thing}?", *indirect]
    if word == "when":
        return [f"{time} {be} {thing}?" for time in _times(answer)] + [f"{time} does {thing} take place?" for time in _times(answer)[:2]] + indirect
    if word == "how much":
        said = (f"what {be} {thing}?", f"how high {be} {thing}?", f"what is the amount of {thing}?", f"what does {thing} come to?")
        return [*said, f"what do I pay for {thing}?", f"what does {thing} cost?", *indirect]
    if (match := re.fullmatch(r"how (\w+)", word)) and match[1] in _MEASURES:
        return [*_of(thing, _MEASURES[match[1]]), f"what {_MEASURES[match[1]]} {be} {thing}?", *indirect]
    if match := re.fullmatch(r"(?:what|which) ([\w' -]+)", word):
        return [f"{_other_word(word)} {be} {thing}?", *_of(thing, match[1]), *indirect]
    if match := re.fullmatch(r"(?P<who>.+)'s (?P<what>[^']+)|the (?P<noun>[\w -]+?) of (?P<of>.+)", thing, re.I):
        return [*_of(match["who"] or match["of"], match["what"] or match["noun"]), *_whats(thing), *indirect]
    return [*_whats(thing), *_owned(thing), *indirect]


def _asking_what_does(q: Question, answer: str) -> list[str]:
    """Where does my sister live; which bus do I take to school; how much does the ferry cost."""
    word = q.word.lower()
    said = " ".join(filter(None, (q.subject, inflected(q.helper.lower(), q.verb), q.rest)))
    asked = " ".join(filter(None, (q.helper, q.subject, q.verb, q.rest)))
    words = [word]
    if word == "where":
        words = ["where", *_places(), *(["in which town"] if q.verb in ("live", "grow", "study") else [])]
    elif word == "when" or re.match(r"(?:what|which) (?:time|day)$", word):
        words = _times(answer)
    elif re.match(r"how much$", word) and q.verb in ("cost", "pay"):
        words = ["what", "how much money"]
    elif q.counted:
        words = [f"what number of {q.counted}"]
    elif re.match(r"(?:what|which)\b", word):
        words = [_other_word(word)]
    ways = [f"{each} {asked}?" for each in words]
    if word == "how much" and q.verb == "cost":
        ways += [f"{price} {q.subject}?" for price in ("what is the price of", "how expensive is", "how much is", "what do I pay for")]
    if preposition := re.fullmatch(r"(?:(?P<more>.+) )?(?P<at>from|with|to|at|in|on|for|of|about|by)", q.rest):
        ways.append(" ".join(filter(None, (preposition["at"], word, q.helper, q.subject, q.verb, preposition["more"]))) + "?")
    return [*ways, f"{words[0]} is it that {said}?", *_indirect(f"{q.word} {said}")]


def _naming(thing: str) -> list[str]:
    return [
        f"what is the name of {thing}?", f"what is {thing}'s name?", f"which name does {thing} have?", f"what is {thing} called?",
        f"how is {thing} called?", f"what name does {thing} have?", *_owned(thing), f"tell me the name of {thing}.",
        f"what do we call {thing}?", f"do you know the name of {thing}?",
    ]  # fmt: skip


def _owned(thing: str) -> list[str]:
    """My dentist, our landlord: which one I have."""
    match = re.fullmatch(r"(?P<whose>my|our) (?P<what>[\w -]+)", thing, re.I)
    return [f"which {match['what']} do {'I' if match['whose'].lower() == 'my' else 'we'} have?"] if match else []


def _of(thing: str, what: str) -> list[str]:
    return [f"what is the {what} of {thing}?", f"what is {thing}'s {what}?", f"which {what} does {thing} have?", f"what {what} does {thing} have?",
            f"tell me the {what} of {thing}."]  # fmt: skip


def _whats(thing: str) -> list[str]:
    return [f"what is {thing}?", f"tell me {thing}.", f"do you know {thing}?", f"can you tell me {thing}?", f"which is {thing}?"]


def _places() -> list[str]:
    return ["in which place", "at what place", "in what place"]


def _times(answer: str) -> list[str]:
    if re.search(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b", answer, re.I):
        return ["on which day", "what day", "which day", "on what day", "when"]
    if re.search(r"\d[:.]\d\d|\d ?[ap]\.?m|\b(?:noon|midnight|o'clock)\b", answer, re.I):
        return ["at what time", "what time", "at which time", "when"]
    if holds(answer, "time"):
        return ["on what date", "on which day", "what day", "on what day", "when"]
    return ["when", "at what time", "on which day"]


def _other_word(word: str) -> str:
    """What for which, and the other way round."""
    first, _, noun = word.partition(" ")
    if not noun:
        return {"what": "which thing", "who": "which person", "where": "in which place"}.get(first.lower(), word)
    return f"{'which' if first.lower() == 'what' else 'what'} {noun}"


def _indirect(clause: str) -> list[str]:
    clause = f"{clause[:1].lower()}{clause[1:]}"
    return [f"do you know {clause}?", f"tell me {clause}.", f"can you remind me {clause}?"]


def _sentence(text: str) -> str:
    text = re.sub(r" +", " ", text).replace(" ?", "?").replace(" .", ".")
    return f"{text[:1].upper()}{text[1:]}"


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.lower()))
