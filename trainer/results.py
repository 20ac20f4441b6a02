"""Where a measurement's figures go, as files: looked at before the minutes of measuring, written after them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from trainer.errors import TrainerError

PICTURES = (".png", ".svg", ".pdf")


def require_places(options: argparse.Namespace, refused: type[TrainerError]) -> None:
    """Raise `refused` for a place (json, plot) that the results cannot be written to."""
    plot: Path | None = getattr(options, "plot", None)
    for out in (options.json, plot):
        if out and not Path(out).resolve().parent.is_dir():
            raise refused(f"The figures cannot be written to {out}: there is no such folder.")
    if plot and plot.suffix not in PICTURES:
        raise refused(f"A picture cannot be written to {plot}: end its name in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}.")


def write_json(report: dict[str, Any], path: Path | None) -> None:
    """The figures, for programs; nothing where nobody asked for them."""
    if path is not None:
        Path(path).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
