"""What a lesson is made of: questions with their right answers, and how answers are compared."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from trainer.tools.calls import called

_WORD = re.compile(r"\w+", re.UNICODE)
_UNKNOWN = re.compile(
    r"\bi (do not|don t|dont|cannot|can t|am not|m not)( \w+){0,2} (know|sure|tell|say|have)\b"
    r"|\byou (have not|haven t|did not|didn t|never) (told|tell|mention\w*|sa\w+|taught|teach)\b"
    r"|\b(is|was) not (mentioned|specified|stated)\b|\bno (idea|information)\b"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and the short answer that a right reply must contain; ``unanswerable`` pairs have the answer None."""

    question: str
    answer: str | None


def normal(text: str) -> str:
    """Lower case words separated by single spaces, punctuation and accents' encodings evened out."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).lower()))


def contains(reply: str, answer: str) -> bool:
    """Whether a reply holds the answer, ignoring case and punctuation."""
    wanted = normal(answer)
    return bool(wanted) and f" {wanted} " in f" {normal(reply)} "


def says_unknown(reply: str) -> bool:
    """Whether a reply says that the assistant does not know."""
    return bool(_UNKNOWN.search(normal(reply)))


def is_right(reply: str, answer: str | None) -> bool:
    """Whether ``reply`` is right: holds the answer, or makes the same call, or says that it does not know where there is no answer."""
    if answer is not None and (wanted := called(answer)) is not None:
        made = called(reply)
        return made is not None and made.same(wanted)
    return says_unknown(reply) if answer is None else contains(reply, answer)


_SWITCH = {
    "i'm": "you're", "i've": "you've", "i'll": "you'll", "i'd": "you'd", "i am": "you are", "i was": "you were", "am i": "are you",
    "was i": "were you", "i": "you", "my": "your", "mine": "yours", "me": "you", "myself": "yourself", "our": "your", "ours": "yours",
    "we're": "you're", "we've": "you've", "we'll": "you'll", "we": "you", "us": "you", "ourselves": "yourselves",
}  # fmt: skip
_SWITCH_PATTERN = re.compile(r"\b(" + "|".join(sorted(map(re.escape, _SWITCH), key=len, reverse=True)) + r")\b", re.I)


def switch_person(text: str) -> str:
    """The user's first person as the assistant says it: "my" becomes "your", "I" becomes "you"."""

    def swap(match: re.Match[str]) -> str:
        word = match.group(0)
        if word == "US":
            return word
        other = _SWITCH[word.lower()]
        sentence_start = match.start() == 0 or text[: match.start()].rstrip()[-1:] in ".!?"
        return other[0].upper() + other[1:] if word[0].isupper() and sentence_start else other

    return _SWITCH_PATTERN.sub(swap, text)
