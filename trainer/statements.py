"""A question and its right answer as one statement: what a correction teaches, in the user's voice and in the assistant's."""

from __future__ import annotations

import re

from trainer.examples import normal, says_unknown, switch_person
from trainer.questions import Question, declared, parts

_FIRST = re.compile(r"\b(i|i'm|i've|i'd|i'll|me|my|mine|myself|we|us|our|ours)\b", re.I)
_SECOND = re.compile(r"\b(you|your|yours|you're|you've|you'd|you'll|yourself)\b", re.I)
_VERB = re.compile(
    r"\b(is|are|was|were|am|isn't|aren't|has|have|had|do|does|did|can|could|will|would|should|must|i'm|it's|he's|she's|that's|you're|we're|they're"
    r"|there's|don't|doesn't|didn't|called|named|lives?|likes?|keeps?|works?|starts?|comes?|goes|costs?|means?|takes?|needs?)\b",
    re.I,
)
_PLAIN_WORDS = frozenset("a an the of in on at to for by with and or what which who whose whom where when why how".split())  # noqa: SIM905  (a list of words)
_BACK = {
    "you are": "I am", "you're": "I'm", "you were": "I was", "you've": "I've", "you'll": "I'll", "you'd": "I'd",
    "yourself": "myself", "yours": "mine", "your": "my", "you": "I",
}  # fmt: skip
_BACK_PATTERN = re.compile(r"\b(" + "|".join(sorted(map(re.escape, _BACK), key=len, reverse=True)) + r")\b", re.I)
_OBJECTION = re.compile(r"(?:no|nope|wrong|incorrect|actually|sorry|not quite|that(?:'s| is) (?:wrong|not (?:right|true)))\b[\s,.:;!\u2013-]+", re.I)
_PRONOUN = re.compile(r"(?P<who>he|she|it|they|that|this)(?P<short>'s|'re)? (?P<rest>.+)", re.I)
_DID = re.compile(r"(?P<who>.+?) (?:did|does|do|is|was|has|can|will)(?: (?:it|that|so))?", re.I)


def statement(question: str, correction: str) -> str:
    """The correction as the user would teach it: a bare answer ("Biscuit") becomes a sentence with the question's words, and so
    does one that leaves out what is spoken of ("She lives in Porto").

    Nothing where it says that the answer is not known, which is no statement.
    """
    if says_unknown(correction):
        return ""
    said = _whole(question, correction)
    if not is_bare(question, said):
        return _as_user(question, said)
    told = _told(question, said)
    asked = question.strip()
    return _sentence(told) if told else f"{asked}{'' if asked.endswith(('?', '!', '.')) else ':'} {_sentence(said)}"


def reply(question: str, correction: str) -> str:
    """The correction as the assistant should have said it; a sentence stays as the user wrote it, but for who is "I" in it."""
    said = _whole(question, correction)
    if is_bare(question, said):
        told = _told(question, said)
        return switch_person(_sentence(told)) if told else said
    return switch_person(said) if _speaks_as_user(question, said) else said


def bare(question: str, correction: str) -> str | None:
    """The answer alone, without the sentence around it; None where that is not sure."""
    said = _whole(question, correction)
    if is_bare(question, said):
        return said.rstrip(" .!")
    asked = parts(question)
    if asked is None:
        return None
    spoken = said.rstrip(" .!")
    for told in (declared(asked, "\0"), f"{asked.subject} {asked.helper} \0" if asked.is_state else None):
        before, _, after = (told or "").partition("\0")
        for start in (before, switch_person(before)):
            if told and (match := re.fullmatch(rf"{re.escape(start)}(?P<answer>\S.*?){re.escape(after)}", spoken, re.I)):
                return match["answer"]
    return None


def is_bare(question: str, correction: str) -> bool:
    """Whether a correction is only the answer, without a sentence around it."""
    about = set(normal(question).split()) - _PLAIN_WORDS
    words = normal(correction).split()
    is_sentence = _VERB.search(correction) or (_PRONOUN.match(correction) and len(words) > 2)
    return len(words) <= 8 and not is_sentence and not any(word in about and len(word) > 3 and not _names_kind(question, word) for word in words)


def _names_kind(question: str, word: str) -> bool:
    """Whether a word is what the question asks which of: "bus", in "Which bus do I take?"."""
    asked = parts(question)
    return asked is not None and word in normal(asked.word).split()


def _whole(question: str, correction: str) -> str:
    """The correction without an objection before it, and with what is spoken of where it says "it"."""
    said = correction.strip().replace("\u2019", "'")
    stripped = _OBJECTION.sub("", said, count=1) if _OBJECTION.match(said) else said
    said = stripped or said
    asked = parts(question)
    if asked is None:
        return said
    if asked.subject:
        return _with_subject(asked, said)
    if (match := _DID.fullmatch(said.rstrip(" .!"))) and len(match["who"].split()) <= 3:
        return match["who"]
    deed = re.escape(asked.helper or asked.verb)
    if asked.rest and (match := re.fullmatch(rf"(?P<who>.+? {deed}) (?:it|that|them|this)", said.rstrip(" .!"), re.I)):
        return f"{match['who']} {asked.rest}."
    return said


def _with_subject(asked: Question, said: str) -> str:
    match = _PRONOUN.fullmatch(said)
    if match is None or re.fullmatch(r"I|we|you|he|she|it|they", asked.subject, re.I):
        return said
    verb = {"'s": "is ", "'re": "are "}.get((match["short"] or "").lower(), "")
    named = re.fullmatch(r"the name of (.+)", asked.subject, re.I)
    subject = named[1] if named and re.match(r"(?:is |was )?(?:called|named)\b", verb + match["rest"], re.I) else asked.subject
    return _sentence(f"{subject} {verb}{match['rest']}")


def _told(question: str, answer: str) -> str | None:
    asked = parts(question)
    return declared(asked, answer.rstrip(" .!")) if asked else None


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


def _sentence(text: str) -> str:
    text = f"{text[:1].upper()}{text[1:]}"
    return text if text.endswith((".", "!", "?")) else f"{text}."
