"""``tutee eval moderation``: how well and how fast the configured moderator tells harmful texts."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from trainer.errors import TrainerError
from trainer.moderate import Moderator, Verdict, build
from trainer.results import require_places, write_json
from trainer.settings import Settings


class TextsError(TrainerError):
    """The file of texts cannot be used; ``user_message`` says which line and what it should hold."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Over ``n`` texts. A figure is None where it is not defined: without texts of both kinds, or with nothing flagged.

    ``auroc`` ranks by each text's highest score; the others count what is flagged.
    """

    n: int
    auroc: float | None
    precision: float | None
    recall: float | None
    false_positive_rate: float | None
    texts_per_second: float


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Measure, print a table, write JSON if asked; 0 when done.

    Raises TextsError for a file that cannot be read, SettingsError, and ModeratorUnavailableError when the moderator does not answer.
    """
    require_places(options, TextsError)
    texts = Path(options.texts)
    rows = read(texts)
    figures = measure(build(settings.moderation), rows)
    Console().print(_table(figures, texts.name))
    write_json(asdict(figures), options.json)
    return 0


def read(path: Path) -> list[tuple[str, bool]]:
    """(text, flagged) of each line ``{"text": …, "flagged": true | false}``. Raises TextsError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TextsError(f"The file {path} cannot be read.", str(error)) from error
    rows = [_row(line, number, path) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise TextsError(f"The file {path} holds no texts.")
    return rows


def measure(moderator: Moderator, rows: Sequence[tuple[str, bool]]) -> Figures:
    """Ask about every text. The first text is asked once before, so that loading is not counted as speed."""
    texts = [text for text, _ in rows]
    truth = [flagged for _, flagged in rows]
    moderator.check(texts[:1])
    started = time.perf_counter()
    verdicts = moderator.check(texts)
    seconds = time.perf_counter() - started
    return _figures(truth, verdicts, seconds)


def _figures(truth: Sequence[bool], verdicts: Sequence[Verdict], seconds: float) -> Figures:
    flagged = [verdict.flagged for verdict in verdicts]
    hits = sum(said and true for said, true in zip(flagged, truth, strict=True))
    false_alarms = sum(flagged) - hits
    harmful = sum(truth)
    harmless = len(truth) - harmful
    both = harmful > 0 and harmless > 0
    return Figures(
        n=len(truth),
        auroc=round(float(roc_auc_score(truth, [verdict.score for verdict in verdicts])), 4) if both else None,
        precision=_share(hits, hits + false_alarms),
        recall=_share(hits, harmful),
        false_positive_rate=_share(false_alarms, harmless),
        texts_per_second=round(len(truth) / max(seconds, 1e-9), 1),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _row(line: str, number: int, path: Path) -> tuple[str, bool]:
    try:
        row = json.loads(line)
        text, flagged = row["text"], row["flagged"]
    except (ValueError, KeyError, TypeError) as error:
        raise TextsError(f'{path}, line {number}: expected {{"text": …, "flagged": true or false}}.', type(error).__name__) from error
    if not isinstance(text, str) or not isinstance(flagged, bool):
        raise TextsError(f"{path}, line {number}: 'text' must be a text, 'flagged' true or false.")
    return text, flagged


def _table(figures: Figures, name: str) -> Table:
    table = Table("figure", "value", "meaning", title=f"Moderation of {name}")
    meanings = {
        "n": "texts", "auroc": "chance that a harmful text scores above a harmless one", "precision": "of what is refused, rightly so",
        "recall": "of what is harmful, refused", "false_positive_rate": "of what is harmless, refused", "texts_per_second": "on this machine",
    }  # fmt: skip
    for key, value in asdict(figures).items():
        table.add_row(key.replace("_", " "), "–" if value is None else f"{value:,}", meanings[key])
    return table
