"""Draws what `tutee bench engine` measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COLOURS = {  # Okabe and Ito's, which colour-blind people tell apart; the alternatives are grey, told apart by their place
    "tutee": "#009e73", "tutee-http": "#0072b2", "base": "#d55e00",
}  # fmt: skip
GREYS = ("#4d4d4d", "#6e6e6e", "#8f8f8f", "#a8a8a8", "#bdbdbd", "#d2d2d2")


def draw(report: dict[str, Any], path: Path) -> None:
    """A group of bars for each number of users: tokens per second of every arm; PNG, SVG or PDF."""
    from matplotlib.figure import Figure  # takes most of a second, which a measurement without a picture need not wait for

    rows = [row for row in report["rows"] if "skipped" not in row]
    users = sorted({row["users"] for row in rows})
    arms = list(dict.fromkeys(row["engine"] for row in rows))
    speeds = {(row["engine"], row["users"]): row["tokens_per_second"] for row in rows}
    greys = iter(GREYS)
    colours = {arm: COLOURS.get(arm) or next(greys) for arm in arms}
    width = 0.84 / len(arms)
    figure = Figure((2 + 2.2 * len(users), 4), 160, layout="constrained")
    axes = figure.subplots()
    for index, arm in enumerate(arms):
        at = [place + (index - (len(arms) - 1) / 2) * width for place in range(len(users))]
        axes.bar(at, [speeds.get((arm, count), 0.0) for count in users], width * 0.94, color=colours[arm], label=arm)
    axes.set_xticks(range(len(users)), [f"{count} user{'s' if count > 1 else ''}" for count in users])
    axes.set_ylabel("tokens per second")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.set_title(f"{report['base_model']}, {report['threads']} threads, an adapter for every user", fontsize=10, loc="left")
    figure.legend(loc="outside lower center", ncols=min(5, len(arms)), frameon=False, fontsize=9)
    figure.savefig(path)
