"""An English question in its parts, and from them: the statement that answers it, and other ways to ask the same.

Words decide, no model: what a user corrects is certain, and so must be what is made of it. A question of another form has no parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BE = "is|are|was|were|am"
_HELPERS = f"{_BE}|do|does|did|can|could|should|must|will|would"
_PRONOUNS = "I|we|you|he|she|it|they"
_PREPOSITIONS = "to|with|of|from|for|about|at|in|on|by|like|under|behind|into|after|near|beside|next to|between"
_HEAD = re.compile(
    rf"(?P<word>(?:what|which|whose|how (?:many|much))(?: [\w'-]+){{0,3}}?|how \w+|who|whom|where|when|why|how) (?P<helper>{_HELPERS}) (?P<tail>.+)",
    re.I,
)
_PAST = "wrote|made|gave|got|took|won|built|sent|bought|told|sold|ran|came|went|said|knew|saw|found|left|lost|held|paid|taught|drew|led|met|has|had"
_WHO = re.compile(
    rf"(?P<word>who|what|(?:what|which|how many)(?: [\w'-]+){{1,2}}?) (?P<verb>[\w'-]*(?:[^\Ws]s|ed)|{_PAST}|can|will|must|should)(?P<rest>(?: .+)?)",
    re.I,
)
_NOUNS = "shed|bed|seed|speed|weed|feed|sled|reed|breed|moped"  # that end like a participle
_ADJECTIVES = "allergic|afraid|scared|good|bad|famous|known|responsible|proud|fond|full|close|next|married|related|due|made|kept|hung|hidden|worn"
_STATE = re.compile(
    rf"(?P<subject>.+?) (?P<rest>(?!(?:{_NOUNS})$)(?:(?:\w{{2,}}ed|{_ADJECTIVES})(?: (?:{_PREPOSITIONS}))?|(?:{_PREPOSITIONS})))", re.I
)  # fmt: skip
_VERBS = frozenset(
    """arrive ask begin belong bring buy call carry change charge clean close collect come contain cook cost cover cut deliver do drink
    drive eat end fall feed find finish fix fly get give go grow happen hate have hear help hold keep know last lead learn leave lie like
    listen live look lose love make mean meet move need open own park pay plan play prefer produce put reach read rehearse repair ride run
    sail say see sell send serve show sing sit sleep speak spend stand start stay stop store study support swim take talk teach tell think
    train travel try use visit wait walk want wash watch wear win work write""".split()  # noqa: SIM905  (a list of words)
)
_OFTEN = frozenset(("never", "always", "usually", "often", "sometimes", "still", "normally"))
_ATTRIBUTES = "colou?r|size|day|date|time|kind|type|brand|name|number|year|month|price|age|height|length|weight"


@dataclass(frozen=True, slots=True)
class Question:
    """``word`` asks ("which bus"), ``helper`` is a form of be, do or a modal verb, ``subject`` is spoken of (nothing where it is asked for),
    ``verb`` is what it does (nothing beside be), ``rest`` follows."""

    word: str
    helper: str
    subject: str
    verb: str
    rest: str

    @property
    def is_state(self) -> bool:
        """Whether it asks what something is, not what it does."""
        return bool(re.fullmatch(_BE, self.helper, re.I)) and bool(self.subject)

    @property
    def counted(self) -> str:
        """What "how many" counts, and nothing for other questions."""
        match = re.match(r"how (?:many|much) (.+)", self.word, re.I)
        return match[1] if match else ""


def parts(text: str) -> Question | None:
    """The parts of a question; None where its form is not known."""
    asked = re.sub(r"\s+", " ", text.replace("\u2019", "'").strip().rstrip(" ?!."))
    asked = re.sub(r"^(?:and|so|hey|please|now|ok|okay|tell me)\b[ ,:]*", "", asked, flags=re.I)
    asked = re.sub(r"^(what|who|where|when|how)'s\b", r"\1 is", asked, flags=re.I)
    if match := _HEAD.fullmatch(asked):
        word, helper, tail = match["word"], match["helper"], match["tail"]
        if re.fullmatch(_BE, helper, re.I):
            return _of_state(word, helper, tail)
        return _of_deed(word, helper, tail.split())
    if match := _WHO.fullmatch(asked):
        return Question(match["word"], "", "", match["verb"], match["rest"].strip())
    return None


def declared(question: Question, answer: str) -> str | None:
    """The question turned into a statement around its bare answer, without a full stop; None where that is not sure to be a sentence."""
    q, answer = question, _placed(question, answer)
    if not q.subject:
        if q.counted and q.helper:
            return f"There {q.helper} {answer} {q.rest}"
        return " ".join(filter(None, (answer, q.helper or q.verb, q.rest)))
    if q.is_state:
        if match := re.fullmatch(rf"(?:what|which) ({_ATTRIBUTES})", q.word, re.I):
            return f"The {match[1].lower()} of {q.subject} {q.helper} {answer}" if not q.rest else f"{q.subject} {q.helper} {q.rest} {answer}"
        if re.match(r"(?:what|which|whose) ", q.word, re.I) and not q.rest:
            return None
        return " ".join(filter(None, (q.subject, q.helper, q.rest, answer)))
    verb = inflected(q.helper.lower(), q.verb)
    ends = re.match(r"where|when|why|how$", q.word, re.I) or re.fullmatch(rf"(?:{_PREPOSITIONS})", q.rest, re.I)
    return " ".join(filter(None, (q.subject, verb, q.rest, answer) if ends else (q.subject, verb, answer, q.rest)))


def inflected(helper: str, verb: str) -> str:
    """The verb as it is in a statement, where the question had it behind a form of do."""
    if helper == "do":
        return verb
    if helper == "does":
        often, _, verb = verb.rpartition(" ")
        irregular = {"have": "has", "do": "does", "go": "goes"}
        ending = "es" if verb.endswith(("s", "sh", "ch", "x", "z")) else "s"
        does = irregular.get(verb, f"{verb[:-1]}ies" if re.search(r"[^aeiou]y$", verb) else verb + ending)
        return f"{often} {does}".strip()
    return f"{helper} {verb}"


def _of_state(word: str, helper: str, tail: str) -> Question:
    if match := re.fullmatch(rf"(?P<subject>{_PRONOUNS})(?: (?P<rest>.+))?", tail, re.I):
        return Question(word, helper, match["subject"], "", match["rest"] or "")
    if re.match(rf"(?:{_PREPOSITIONS}|there) ", tail, re.I):
        return Question(word, helper, "", "", tail.removeprefix("there "))
    if (match := _STATE.fullmatch(tail)) and re.search(r" |^[A-Z]", match["subject"]):
        return Question(word, helper, match["subject"], "", match["rest"])
    return Question(word, helper, tail, "", "")


def _of_deed(word: str, helper: str, tail: list[str]) -> Question | None:
    if len(tail) < 2:
        return None
    if re.fullmatch(_PRONOUNS, tail[0], re.I):
        at = 1
    else:
        first = 2 if re.fullmatch(r"my|our|your|his|her|its|their|the|a|an|this|that", tail[0], re.I) else 1
        known = [place for place in range(first, len(tail)) if tail[place].lower() in _VERBS | _OFTEN]
        last = len(tail) - (2 if re.fullmatch(_PREPOSITIONS, tail[-1], re.I) and len(tail) > 2 else 1)
        at = known[0] if known else last
    verb = 2 if tail[at].lower() in _OFTEN and at + 1 < len(tail) else 1
    return Question(word, helper, " ".join(tail[:at]), " ".join(tail[at : at + verb]), " ".join(tail[at + verb :]))


def _placed(question: Question, answer: str) -> str:
    """A bare answer with the word that it needs beside it: three bikes, at 10:00, on Friday."""
    if question.counted and re.fullmatch(r"\d[\d.,]*|\w+", answer) and not re.search(r"\b(none|many)\b", answer, re.I):
        return f"{answer} {question.counted}"
    asks_time = re.match(r"when\b|(?:what|which) (?:time|day)\b" if not question.is_state else r"when\b", question.word, re.I)
    if asks_time and re.fullmatch(r"\d{1,2}(?:[:.]\d\d)?(?: ?[ap]\.?m\.?)?|noon|midnight", answer, re.I):
        return f"at {answer}"
    if asks_time and re.fullmatch(r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?", answer, re.I):
        return f"on {answer}"
    return answer
