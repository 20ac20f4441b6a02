"""What a moderator does, the verdict it gives, and one that plays back verdicts in tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one text. ``categories`` are those that apply, the surest first, named as by OpenAI's moderation endpoint.

    ``scores`` go from 0 to 1 and hold every category that the moderator can tell, also those that do not apply.
    """

    flagged: bool
    categories: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", MappingProxyType(dict(self.scores)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Verdict, (self.flagged, self.categories, dict(self.scores))

    @property
    def score(self) -> float:
        """The highest score, 0 where nothing was scored."""
        return max(self.scores.values(), default=0.0)


class Moderator(Protocol):
    """Says which texts must not be taught."""

    def check(self, texts: Sequence[str]) -> list[Verdict]:
        """One verdict per text, in order; texts of any length. Raises ModeratorUnavailableError when it cannot tell: then nothing has passed."""
        ...


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict from several about the same text or its parts: flagged when any is, each category by its highest score."""
    scores: dict[str, float] = {}
    for verdict in verdicts:
        for name, score in verdict.scores.items():
            scores[name] = max(score, scores.get(name, 0.0))
    applying = {name for verdict in verdicts for name in verdict.categories}
    ordered = tuple(sorted(applying, key=lambda name: (-scores.get(name, 0.0), name)))
    return Verdict(any(verdict.flagged for verdict in verdicts), ordered, scores)


def in_pieces(texts: Sequence[str], size: int) -> list[tuple[int, str]]:
    """What to ask of a service: each text cut into pieces of ``size`` characters, with the text's index; blank pieces are left out."""
    pieces = [(index, text[start : start + size]) for index, text in enumerate(texts) for start in range(0, len(text), size)]
    return [(index, piece) for index, piece in pieces if piece.strip()]


class RecordingModerator:
    """A Moderator for tests: flags what ``harmful`` says, keeps every text it was asked about, or raises ``error``."""

    def __init__(self, harmful: Callable[[str], bool] | None = None, error: Exception | None = None) -> None:
        self.harmful = harmful
        self.error = error
        self.seen: list[str] = []

    def check(self, texts: Sequence[str]) -> list[Verdict]:
        """As Moderator.check; the category is always "harassment"."""
        self.seen += texts
        if self.error is not None:
            raise self.error
        return [_played(self.harmful is not None and self.harmful(text)) for text in texts]


def _played(flagged: bool) -> Verdict:
    return Verdict(flagged, ("harassment",) if flagged else (), {"harassment": float(flagged)})
