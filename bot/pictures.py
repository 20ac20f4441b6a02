"""Pictures that a user sees, as PNG files."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot import texts
from storage.records import AdapterRecord, LessonRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 16  # versions in one picture: more cannot be told apart in a chat's column
INCHES, DOTS_PER_INCH = (6.4, 4.4), 160  # a chat shows about 550 points of the width; twice that is sharp on fine screens
LIVE, KNOWN, GONE = "#0072b2", "#9cc9e5", "#d5d5d5"  # Okabe and Ito's colours, which colour-blind people tell apart
RIGHT, KEPT, BEFORE = "#009e73", "#d55e00", "#aaaaaa"
_DRAWING = threading.Lock()  # matplotlib's caches of fonts are not made for threads


def progress_picture(versions: Sequence[AdapterRecord], lessons: Sequence[LessonRecord], live: str | None = None) -> bytes:
    """How a model came along: of each version (those that ever went live) what it knows, what its lesson brought and what it kept.

    `lessons` are the user's, `live` is the name of the version that answers. Only the newest versions are drawn. A PNG file.
    """
    with _DRAWING:
        return _drawn(list(versions)[-MOST:], {each.version: each.number for each in lessons if each.version}, live)


def _drawn(versions: Sequence[AdapterRecord], taught: dict[str, int], live: str | None) -> bytes:
    from matplotlib.figure import Figure  # takes most of a second, which those who never look need not wait for
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(INCHES, DOTS_PER_INCH, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12), facecolor="white")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _draw_known(above, versions, live)
    _draw_answers(below, versions)
    names = [texts.under_version(each.number, taught.get(each.name), short=len(versions) > MOST // 2) for each in versions]
    below.set_xticks(range(len(versions)), names, fontsize=8)
    below.set_xlim(-0.6, max(len(versions), 3) - 0.4)  # one or two versions would fill the picture otherwise
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0, pad=6)
    packed = io.BytesIO()
    figure.savefig(packed, format="png", metadata={"Software": None})
    return packed.getvalue()


def _draw_known(axes: Axes, versions: Sequence[AdapterRecord], live: str | None) -> None:
    """A bar for each version, as high as the lessons that it knows."""
    counts = [len(each.lesson_ids) for each in versions]
    colours = [GONE if each.removed_at else LIVE if each.name == live else KNOWN for each in versions]
    labels = [texts.IN_PICTURE_LIVE if each.name == live else texts.IN_PICTURE_DELETED if each.removed_at else "" for each in versions]
    bars = axes.bar(range(len(versions)), counts, 0.6, color=colours)
    axes.bar_label(bars, [f"{count}\n{label}" if label else f"{count}" for count, label in zip(counts, labels, strict=True)], fontsize=8, padding=2)
    axes.set_title(texts.IN_PICTURE_KNOWN, loc="left", fontsize=10)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.margins(y=0.25)  # room for the words on top of the highest bar


def _draw_answers(axes: Axes, versions: Sequence[AdapterRecord]) -> None:
    """Right answers to each lesson's own questions, before it and after; and to those of the lessons before it."""
    for place, version in enumerate(versions):
        before, after = version.metrics.get("before"), version.metrics.get("after")
        if before is not None and after is not None:
            axes.plot([place, place], [before, after], color=RIGHT, linewidth=2, alpha=0.4, zorder=1)
    for name, label, colour, marker, aside in (
        ("before", texts.IN_PICTURE_BEFORE, BEFORE, "o", 0.0),
        ("after", texts.IN_PICTURE_AFTER, RIGHT, "o", 0.0),
        ("kept", texts.IN_PICTURE_KEPT, KEPT, "D", 0.2),  # or the two would often hide each other
    ):
        found = [(place + aside, share) for place, version in enumerate(versions) if (share := _share(version, name)) is not None]
        if found:
            places, shares = zip(*found, strict=True)
            size = 36 if marker == "o" else 22
            axes.scatter(places, shares, s=size, color=colour, marker=marker, label=label, zorder=2, clip_on=False)
    axes.set_ylim(0, 1.08)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"], fontsize=8)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.set_title(texts.IN_PICTURE_ANSWERS, loc="left", fontsize=10, pad=20)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, fontsize=8, frameon=False, handletextpad=0.2, borderpad=0)


def _share(version: AdapterRecord, name: str) -> float | None:
    """One of the shares (0…1) that a version was examined for; None where there was nothing to ask."""
    if name != "kept":
        return version.metrics.get(name)
    if "kept" in version.metrics:  # a model trained anew
        return version.metrics["kept"]
    return version.metrics.get("earlier_kept") if len(version.lesson_ids) > 1 else None
