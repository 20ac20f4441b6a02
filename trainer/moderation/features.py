"""Text to features: windows of a few sentences, spelling undone, words and their classes, characters without spaces."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.feature_extraction import FeatureHasher

BUCKETS = 1 << 17
"""Hash buckets of each of the two blocks, words and characters; two blocks of three float16 weights are 1.6 MB."""

WINDOW = 220
"""Characters of a window of sentences. The data sets' texts are mostly one such window, so windows look like what was trained on."""

SQUEEZED = (3, 4, 5)
"""Lengths of the character n-grams."""

MARKS = frozenset('?"')
"""Marks that count as words: questions and quotations change what a sentence says."""

MARKED = frozenset({"group", "slur", "insult", "dehuman", "violence", "expel", "hatred", "praise", "good", "bad", "you", "self", "condemn", "says", "thing"})
"""Word classes whose pairs within a window are features; pairs of all classes would only add noise."""

_FOREIGN = re.compile(r"https?://\S+|(?<!\w)@\w+|(?<!\w)RT(?=\s)")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+|\n+")
_TOKEN = re.compile(r"(?:[^\W_]|[@$*])(?:[\w@$!|*+']*[^\W_*]|\*+)?|[?\"]")
_SPELLED = re.compile(r"(?<!\w)(?:\w[ .\-_*]){2,}\w(?!\w)")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_QUOTES = str.maketrans("’‘“”„«»", "''\"\"\"\"\"")
_LEET = str.maketrans("4301578@$!|+", "aeoistbasiit")


def windows(text: str) -> list[str]:
    """The text in overlapping windows of whole sentences, at most about WINDOW characters each; one window for a short text.

    A sentence longer than a window is cut at spaces. Each sentence shares a window with the one before it where both fit.
    """
    if len(text) <= WINDOW:
        return [text]
    found: list[str] = []
    current = previous = ""
    for sentence in _sentences(text):
        if current and len(current) + len(sentence) >= WINDOW:
            found.append(current)
            current = previous if len(previous) + len(sentence) < WINDOW else ""
        current = f"{current} {sentence}" if current else sentence
        previous = sentence
    return [*found, current] if current else found or [text[:WINDOW]]


def featurize(texts: Sequence[str], classes: Mapping[str, tuple[str, ...]]) -> scipy.sparse.csr_matrix:
    """Features of texts, one row each, 2 x BUCKETS columns (words, characters); each block of a row has length 1 at most.

    ``classes`` maps a word in lower case to its classes (words.txt).
    """
    tokens = [tuple(normalize(text)) for text in texts]
    blocks = [_hashed([_word_features(row, classes) for row in tokens]), _hashed([_character_features(row) for row in tokens])]
    return scipy.sparse.hstack(blocks, format="csr", dtype=np.float32)


def normalize(text: str) -> list[str]:
    """The words of a text in lower case, without accents, addresses, stretched letters, 1337 spelling and s p e l l i n g."""
    text = _FOREIGN.sub(" ", html.unescape(text) if "&" in text else text)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_QUOTES))
        text = "".join(mark for mark in text if not unicodedata.combining(mark))
    text = _SPELLED.sub(lambda spelled: re.sub(r"[^\w]|_", "", spelled[0]), text.lower())
    return [_plain(token) for token in _TOKEN.findall(text)]


@lru_cache(maxsize=50_000)
def _plain(token: str) -> str:
    if not token.isalpha():
        token = token.replace("'", "")
        if any(letter.isalpha() for letter in token) and not token.isalpha():
            token = token.translate(_LEET)
    return _STRETCHED.sub(r"\1", token)


def _sentences(text: str) -> Iterator[str]:
    for sentence in _SENTENCE.split(text):
        rest = sentence.strip()
        while len(rest) > WINDOW:
            cut = rest.rfind(" ", WINDOW // 2, WINDOW)
            cut = cut if cut > 0 else WINDOW
            yield rest[:cut]
            rest = rest[cut:].lstrip()
        if rest:
            yield rest


def _word_features(tokens: Sequence[str], classes: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Words, pairs and triples of them, the same with classes for words, and ordered pairs of marked classes in one window."""
    found = list(tokens)
    found += [f"{a} {b}" for a, b in zip(tokens, tokens[1:], strict=False)]
    canonical = ["^"]
    marked: list[str] = []
    negated = 0
    for token in tokens:
        kinds = classes.get(token)
        if kinds is None:
            canonical.append(token)
        else:
            canonical.append(f"<{kinds[0]}>")
            found += [f"<{kind}>" for kind in kinds]
            marked += [f"~{kind}" if negated else kind for kind in kinds if kind in MARKED]
            if "negation" in kinds:
                negated = 4
        negated -= negated > 0
    canonical.append("$")
    found += [f"{a}_{b}" for a, b in zip(canonical, canonical[1:], strict=False)]
    found += [f"{a}_{b}_{c}" for a, b, c in zip(canonical, canonical[1:], canonical[2:], strict=False)]
    found += [f"{a}_*_{c}" for a, c in zip(canonical, canonical[2:], strict=False)]
    found += [f"{a}>{b}" for index, a in enumerate(marked[:12]) for b in marked[index + 1 : 12]]
    return list(dict.fromkeys(found))


def _character_features(tokens: Sequence[str]) -> list[str]:
    """N-grams over the letters without spaces, so that words run together or torn apart still look like themselves."""
    squeezed = "".join(token for token in tokens if token not in MARKS)
    return list({squeezed[start : start + size] for size in SQUEEZED for start in range(max(1, len(squeezed) - size + 1))})


def _hashed(rows: list[list[str]]) -> scipy.sparse.csr_matrix:
    """Binary features; a row is divided by the root of their number, but of no fewer than 16, or one word alone would decide."""
    hashed = FeatureHasher(BUCKETS, input_type="string", dtype=np.float32, alternate_sign=False).transform(rows)
    counts = np.maximum(np.diff(hashed.indptr), 16)
    scale: NDArray[np.float32] = (1 / np.sqrt(counts)).astype(np.float32)
    return scipy.sparse.diags(scale) @ hashed
