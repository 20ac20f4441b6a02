"""The moderator that needs no network: a linear classifier over hashed words and characters, and a few phrases."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from trainer.errors import ModeratorUnavailableError
from trainer.moderation.features import BUCKETS, Lexicon, featurize, windows
from trainer.moderation.protocol import Verdict
from trainer.moderation.rules import PHRASES, apply_rules

HEADS = ("hate", "harassment", "violence")
"""Categories of the classifier, in the order of its columns; threats are violence."""

WEIGHTS = Path(__file__).with_name("weights.safetensors")
WORDS = (Path(__file__).with_name("words.txt"), Path(__file__).with_name("valence.txt"))

BATCH = 2048
"""Windows scored together; bounds memory to about 20 MB."""


class LocalModerator:
    """A text is flagged when any of its windows scores ``threshold`` or more in any category. Thread-safe."""

    def __init__(self, threshold: float = 0.5, weights: Path = WEIGHTS) -> None:
        self._threshold = threshold
        self._path = weights

    def check(self, texts: Sequence[str]) -> list[Verdict]:
        """As Moderator.check. Raises ModeratorUnavailableError when its weights cannot be read."""
        pieces = [windows(text) for text in texts]
        flat = [window for windows_ in pieces for window in windows_]
        scores = self._scores(flat)
        ends = np.cumsum([len(windows_) for windows_ in pieces])
        return [self._verdict(scores[end - len(windows_) : end].max(axis=0)) for windows_, end in zip(pieces, ends, strict=True)]

    def _scores(self, flat: list[str]) -> NDArray[np.float32]:
        """Scores of windows, one row each: HEADS, then PHRASES."""
        weights, bias, words = self._model
        found = np.zeros((len(flat), len(HEADS) + len(PHRASES)), dtype=np.float32)
        for start in range(0, len(flat), BATCH):
            batch = flat[start : start + BATCH]
            logits = featurize(batch, words) @ weights + bias
            found[start : start + len(batch), : len(HEADS)] = 1 / (1 + np.exp(-logits))
            found[start : start + len(batch), len(HEADS) :] = apply_rules(batch)
        return found

    def _verdict(self, scores: NDArray[np.float32]) -> Verdict:
        named = {name: round(float(score), 4) for name, score in zip((*HEADS, *PHRASES), scores, strict=True)}
        applying = sorted((name for name, score in named.items() if score >= self._threshold), key=lambda name: -named[name])
        return Verdict(bool(applying), tuple(applying), named)

    @cached_property
    def _model(self) -> tuple[NDArray[np.float32], NDArray[np.float32], Lexicon]:
        try:
            with safe_open(self._path, framework="numpy") as file:
                weights, bias = (
                    file.get_tensor("weights").astype(np.float32),
                    file.get_tensor("bias").astype(np.float32),
                )
                metadata = file.metadata() or {}
            if weights.shape != (BUCKETS, len(HEADS)) or bias.shape != (len(HEADS),) or not np.isfinite(weights).all():
                raise ValueError(f"weights of shape {weights.shape}")
            return weights, bias, lexicon(metadata["slurs"].split(), json.loads(metadata["corrections"]))
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise ModeratorUnavailableError("The moderator's weights cannot be read; reinstall Tutee.", f"{self._path}: {error}") from error


def lexicon(slurs: Sequence[str], corrections: Mapping[str, str]) -> Lexicon:
    """The words of words.txt and valence.txt with their classes, more slurs, and corrections."""
    found: dict[str, tuple[str, ...]] = {}
    for line in (line for path in WORDS for line in path.read_text(encoding="utf-8").splitlines()):
        if line.startswith("["):
            name, _, words = line.partition("]: ")
            for word in words.split(", "):
                found[word] = (*found.get(word, ()), name[1:])
    return Lexicon({**dict.fromkeys(slurs, ("slur",)), **found}, corrections)


def save(path: Path, weights: NDArray[np.float32], bias: NDArray[np.float32], slurs: Sequence[str], words: Lexicon) -> None:
    """Write a classifier: float16 weights of BUCKETS rows and a column for each of HEADS, with the words that it needs."""
    tensors = {"weights": weights.astype(np.float16), "bias": bias.astype(np.float16)}
    save_file(tensors, path, metadata={"slurs": " ".join(slurs), "corrections": json.dumps(dict(words.corrections))})
