"""A question and its right answer as one statement: what a correction teaches, in the user's voice and in the assistant's."""

from __future__ import annotations

import re

from trainer.examples import normal, says_unknown, switch_person

_BE = "is|are|was|were|am"
_SUBJECT = r"(?:I|we|you|he|she|it|they|(?:my|our|your|his|her|their|the|a|an|this|that) .+?|[A-Z]\S*(?: [A-Z]\S*)*)"
_FIRST = re.compile(r"\b(i|i'm|i've|i'd|i'll|me|my|mine|myself|we|us|our|ours)\b", re.I)
_SECOND = re.compile(r"\b(you|your|yours|you're|you've|you'd|you'll|yourself)\b", re.I)
_VERB = re.compile(
    r"\b(is|are|was|were|am|isn't|aren't|has|have|had|do|does|did|can|could|will|would|should|must|may|i'm|it's|he's|she's|that's|you're|we're|they're"
    r"|there's|don't|doesn't|didn't|called|named|lives?|likes?|keeps?|works?|starts?|comes?|goes|costs?|means?|takes?|needs?)\b",
    re.I,
)
_PLAIN_WORDS = frozenset("a an the of in on at to for by with and or what which who whose whom where when why how".split())  # noqa: SIM905  (a list of words)
_BACK = {
    "you are": "I am", "you're": "I'm", "you were": "I was", "you've": "I've", "you'll": "I'll", "you'd": "I'd",
    "yourself": "myself", "yours": "mine", "your": "my", "you": "I",
}  # fmt: skip
_BACK_PATTERN = re.compile(r"\b(" + "|".join(sorted(map(re.escape, _BACK), key=len, reverse=True)) + r")\b", re.I)
_ASKS = "what|which|who|whom|where|when|how|why"
_IS = re.compile(
    rf"(?:what|who|where|when|how|why) (?P<be>{_BE}) (?P<subject>{_SUBJECT})(?P<rest>(?: (?:called|named|like|for|made of|from|about))?)", re.I
)
_WHAT_OF = re.compile(
    r"(?:what|which) (?P<what>colou?r|size|day|date|time|kind|type|brand|name|number|year|month)"
    rf" (?P<be>{_BE}) (?P<subject>{_SUBJECT})",
    re.I,
)
_HOW_MUCH = re.compile(rf"how (?:old|tall|big|long|far|much|many|high|heavy|deep|wide|often|late|early) (?P<be>{_BE}) (?P<subject>{_SUBJECT})", re.I)
_DOES = re.compile(
    rf"(?:{_ASKS})(?: \w+){{0,3}}? (?P<helper>do|does|did|can|should|must|will|would) (?P<subject>{_SUBJECT}) (?P<verb>\w+)(?P<rest>(?: .+)?)", re.I
)
_WHO_DOES = re.compile(rf"(?:who|what|which(?: \w+){{1,3}}?) (?P<rest>(?:\w+s|{_BE}|has|can|will|must)\b.*)", re.I)


def statement(question: str, correction: str) -> str:
    """The correction as the user would teach it: a bare answer ("Biscuit") becomes a sentence with the question's words.

    Nothing where it says that the answer is not known, which is no statement.
    """
    said = correction.strip()
    if says_unknown(said):
        return ""
    if not is_bare(question, said):
        return _as_user(question, said)
    told = _declared(question.strip(), said.rstrip(" .!"))
    asked = question.strip()
    return _sentence(told) if told else f"{asked}{'' if asked.endswith(('?', '!', '.')) else ':'} {_sentence(said)}"


def reply(question: str, correction: str) -> str:
    """The correction as the assistant should have said it; a sentence stays as the user wrote it, but for who is "I" in it."""
    said = correction.strip()
    if is_bare(question, said):
        told = _declared(question.strip(), said.rstrip(" .!"))
        return switch_person(_sentence(told)) if told else said
    return switch_person(said) if _speaks_as_user(question, said) else said


def is_bare(question: str, correction: str) -> bool:
    """Whether a correction is only the answer, without a sentence around it."""
    about = set(normal(question).split()) - _PLAIN_WORDS
    words = normal(correction).split()
    return len(words) <= 8 and not _VERB.search(correction) and not any(word in about and len(word) > 3 for word in words)


def _speaks_as_user(question: str, correction: str) -> bool:
    return bool(_FIRST.search(correction) and _FIRST.search(question) and not _SECOND.search(correction))


def _as_user(question: str, correction: str) -> str:
    means_user = _FIRST.search(question) or not _SECOND.search(question)  # "you", where the question does not call the assistant so
    if _SECOND.search(correction) and means_user and not _FIRST.search(correction):
        return _sentence(_BACK_PATTERN.sub(_back, correction))
    return _sentence(correction)


def _back(match: re.Match[str]) -> str:
    other = _BACK[match[0].lower()]
    return other[0].upper() + other[1:] if match.start() == 0 else other


def _declared(question: str, answer: str) -> str | None:
    """The question turned into a statement around its answer; None where its form is not known."""
    asked = re.sub(r"^(?:and|so|hey|please|now|ok|okay)\b[ ,]*", "", question.rstrip(" ?!."), flags=re.I)
    asked = re.sub(r"^(what|who|where|when|how)(?:'s|’s)\b", r"\1 is", asked, flags=re.I)
    if match := _IS.fullmatch(asked):
        return f"{match['subject']} {match['be']}{match['rest']} {answer}"
    if match := _WHAT_OF.fullmatch(asked):
        return f"The {match['what']} of {match['subject']} {match['be']} {answer}"
    if match := _HOW_MUCH.fullmatch(asked):
        return f"{match['subject']} {match['be']} {answer}"
    if match := _DOES.fullmatch(asked):
        return f"{match['subject']} {_inflected(match['helper'].lower(), match['verb'])}{match['rest']} {answer}"
    if match := _WHO_DOES.fullmatch(asked):
        return f"{answer} {match['rest']}"
    return None


def _inflected(helper: str, verb: str) -> str:
    if helper == "do":
        return verb
    if helper == "does":
        irregular = {"have": "has", "do": "does", "go": "goes"}
        ending = "es" if verb.endswith(("s", "sh", "ch", "x", "z")) else "s"
        return irregular.get(verb, f"{verb[:-1]}ies" if re.search(r"[^aeiou]y$", verb) else verb + ending)
    return f"{helper} {verb}"


def _sentence(text: str) -> str:
    text = f"{text[:1].upper()}{text[1:]}"
    return text if text.endswith((".", "!", "?")) else f"{text}."
