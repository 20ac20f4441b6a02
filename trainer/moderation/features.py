"""Text to features: windows of a few sentences, spelling undone, words and their classes, characters without spaces."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import mmh3
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

WORD_BUCKETS, SHAPE_BUCKETS, CHARACTER_BUCKETS = 1 << 17, 1 << 16, 1 << 17
BUCKETS = WORD_BUCKETS + SHAPE_BUCKETS + CHARACTER_BUCKETS
"""Columns of the features; three float16 weights for each are 2 MB."""

SHAPE_SCALE = 1.25
"""Shapes count more than words under the penalty, so that the model leans on what generalises."""

WINDOW = 220
"""Characters of a window of sentences. The data sets' texts are mostly one such window, so windows look like what was trained on."""

SQUEEZED = (3, 4, 5)
"""Lengths of the character n-grams."""

MARKS = frozenset('?"')
"""Marks that count as words: questions and quotations change what a sentence says."""

COARSE = {"insult": "bad", "dehuman": "bad", "praise": "good"}
"""Classes that shapes do not tell apart."""

LEXICAL = frozenset({"negation", "you", "they", "self", "all"})
"""Classes whose words stand for themselves in shapes."""

_FRAME_WORDS = (
    "is are was were be been being am do does did have has had will would should must can could ought may might a an the this that it "
    "he she him her his who which what why how when if and or but so too such just only really like as than then for of to in on at by "
    "with from out up about because let lets get go people person there here very even"
)
FRAME = frozenset(_FRAME_WORDS.split()) | MARKS
"""Words of no class that shapes keep, because they say who does what to whom."""

MARKED = frozenset(
    {
        "group",
        "colour",
        "slur",
        "bad",
        "good",
        "violence",
        "expel",
        "hatred",
        "profanity",
        "condemn",
        "says",
        "thing",
        "you",
        "self",
    }
)
"""Classes whose pairs within a window are features; pairs of all classes would only add noise."""

_FOREIGN = re.compile(r"https?://\S+|(?<!\w)@\w+|(?<!\w)RT(?=\s)")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+|\n+")
_TOKEN = re.compile(r"(?:[^\W_]|[@$*])(?:[\w@$!|*+']*[^\W_*]|\*+)?|[?\"]")
_SPELLED = re.compile(r"(?<!\w)(?:\w[ .\-_*]){2,}\w(?!\w)")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_INVISIBLE = frozenset({"Mn", "Cf"})  # accents after decomposition; zero-width and soft-hyphen marks
_QUOTES = str.maketrans("’‘“”„«»", '\'\'"""""')
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһкмтвнαοερνικτ", "aeopcyxijsdhkmtbhaoepvikt")
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


@dataclass(frozen=True, slots=True)
class Lexicon:
    """``classes``: word → its classes, the first counts in shapes. ``corrections``: a misspelt word of a class → the word."""

    classes: Mapping[str, tuple[str, ...]]
    corrections: Mapping[str, str]


def featurize(texts: Sequence[str], lexicon: Lexicon) -> scipy.sparse.csr_matrix:
    """Features of texts, one row each, BUCKETS columns: words, shapes, characters."""
    classes, corrections = lexicon.classes, lexicon.corrections
    tokens = [[corrections.get(word, word) for word in normalize(text)] for text in texts]
    blocks = (
        _hashed([_word_features(row, classes) for row in tokens], WORD_BUCKETS),
        _hashed([_shape_features(row, classes) for row in tokens], SHAPE_BUCKETS) * SHAPE_SCALE,
        _hashed([_character_features(row) for row in tokens], CHARACTER_BUCKETS),
    )
    return scipy.sparse.hstack(blocks, format="csr", dtype=np.float32)


def normalize(text: str) -> list[str]:
    """The words of a text in lower case, without accents, addresses, stretched letters, 1337 spelling and s p e l l i n g."""
    text = _FOREIGN.sub(" ", html.unescape(text) if "&" in text else text)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_QUOTES))
        text = "".join(mark for mark in text if unicodedata.category(mark) not in _INVISIBLE)
    text = _SPELLED.sub(lambda spelled: re.sub(r"[^\w]|_", "", spelled[0]), text.lower())
    return [_plain(token) for token in _TOKEN.findall(text)]


@lru_cache(maxsize=50_000)
def _plain(token: str) -> str:
    if not token.isalpha():
        token = token.replace("'", "")
        if any(letter.isalpha() for letter in token) and not token.isalpha():
            token = token.translate(_LEET)
    if not token.isascii() and any("a" <= letter <= "z" for letter in token):
        token = token.translate(_LOOKALIKES)  # Latin and Cyrillic or Greek in one word: a disguise
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
    """Words, pairs and triples of them, the same with classes for words."""
    canonical = ["^", *(f"<{classes[token][0]}>" if token in classes else token for token in tokens), "$"]
    found = list(tokens)
    found += [f"{a} {b}" for a, b in pairwise(tokens)]
    found += [f"{a}_{b}" for a, b in pairwise(canonical)]
    found += [f"{a}_{b}_{c}" for a, b, c in zip(canonical, canonical[1:], canonical[2:], strict=False)]
    return list(set(found))


def _shape_features(tokens: Sequence[str], classes: Mapping[str, tuple[str, ...]]) -> list[str]:
    """What carries over to words that were never seen: the sentence with classes for words and one star for all between that has none.

    Runs of up to five, and ordered pairs of classes in the window, marked where a negation stands up to four words before.
    """
    shape = ["^"]
    marked: list[str] = []
    negated = 0
    for token in tokens:
        kinds = classes.get(token, ())
        kind = COARSE.get(kinds[0], kinds[0]) if kinds else ""
        if kind and kind not in LEXICAL:
            shape.append(f"<{kind}>")
        elif kind or token in FRAME:
            shape.append(token)
        elif shape[-1] != "*":
            shape.append("*")
        if kind in MARKED:
            marked.append(f"~{kind}" if negated else kind)
        negated = 4 if kind == "negation" else max(0, negated - 1)
    shape.append("$")
    found = {"_".join(shape[start : start + size]) for size in range(1, 6) for start in range(len(shape) - size + 1)}
    found.update(f"{a}>{b}" for index, a in enumerate(marked[:12]) for b in marked[index + 1 : 12])
    return list(found)


def _character_features(tokens: Sequence[str]) -> list[str]:
    """N-grams over the letters without spaces, so that words run together or torn apart still look like themselves."""
    squeezed = "".join(token for token in tokens if token not in MARKS)
    return list({squeezed[start : start + size] for size in SQUEEZED for start in range(max(1, len(squeezed) - size + 1))})


def _hashed(rows: list[list[str]], buckets: int) -> scipy.sparse.csr_matrix:
    """Binary features; a row is divided by the root of their number, but of no fewer than 16, or one word alone would decide.

    In the columns of scikit-learn's FeatureHasher, which takes a worker a second to load.
    """
    columns = [abs(mmh3.hash(feature)) % buckets for row in rows for feature in row]
    ends = np.cumsum([0, *map(len, rows)])
    hashed = scipy.sparse.csr_matrix((np.ones(len(columns), dtype=np.float32), columns, ends), shape=(len(rows), buckets))
    hashed.sum_duplicates()
    counts = np.maximum(np.diff(hashed.indptr), 16)
    scale: NDArray[np.float32] = (1 / np.sqrt(counts)).astype(np.float32)
    return scipy.sparse.diags(scale) @ hashed
