"""The instruction itself as source: what the user wrote after ``[Learn]``."""

from __future__ import annotations

import re
import unicodedata

from trainer.errors import SourceError

PASSAGE_WORDS, PASSAGE_CHARACTERS = 60, 480
MAX_PASSAGES = 60
_LEAD_IN = re.compile(
    r"^\s*(please\s+)?(\[learn\]|remember(\s+that)?|note(\s+that)?|keep in mind(\s+that)?|you should know(\s+that)?|learn(\s+that)?)\s*[:,]?\s+",
    re.I,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(]?\w)|(?<=[。！？])")


def read(text: str) -> list[str]:
    """The lesson as passages of at most about ``PASSAGE_WORDS`` words, whole sentences each, control characters removed.

    Raises SourceError when nothing readable is left, and when it is more than can be learned at once.
    """
    visible = "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs") or c in "\u200d\u200c" else " " for c in text)
    stated = _LEAD_IN.sub("", unicodedata.normalize("NFC", visible)).strip()
    if not re.search(r"\w", stated):
        raise SourceError("There is nothing to learn in that message: write the fact in words after [Learn].")
    passages: list[str] = []
    for paragraph in re.split(r"\n\s*\n", stated):
        for sentence in _SENTENCE_END.split(re.sub(r"\s+", " ", paragraph).strip()):
            for piece in _pieces(sentence):
                joined = f"{passages[-1]} {piece}" if passages else piece
                if passages and len(joined.split()) <= PASSAGE_WORDS and len(joined) <= PASSAGE_CHARACTERS:
                    passages[-1] = joined
                else:
                    passages.append(piece)
    if len(passages) > MAX_PASSAGES:
        raise SourceError(
            f"That is more than I can learn in one lesson ({len(passages)} passages, at most {MAX_PASSAGES}): teach it in several parts."
        )
    return [f"{passage[:1].upper()}{passage[1:]}" for passage in passages if re.search(r"\w", passage)]


def _pieces(sentence: str) -> list[str]:
    """A sentence that is too long by itself, cut."""
    words = sentence.split()
    parts = [" ".join(words[i : i + PASSAGE_WORDS]) for i in range(0, len(words), PASSAGE_WORDS)]
    return [part[i : i + PASSAGE_CHARACTERS] for part in parts for i in range(0, len(part), PASSAGE_CHARACTERS)]
