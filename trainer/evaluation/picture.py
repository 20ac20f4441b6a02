"""Draws what `tutee eval` measured, as a picture for a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COLOURS = {"known": "#009e73", "unknown_kept": "#0072b2", "earlier_kept": "#d55e00"}  # Okabe and Ito's, which colour-blind people tell apart
LABELS = {"known": "right answers", "unknown_kept": "“I don't know” where it is right", "earlier_kept": "earlier lessons kept"}


def draw(report: dict[str, Any], path: Path) -> None:
    """A group of bars for each arm of a report (see ``trainer.evaluation.learning``), with the seconds of a lesson below; PNG, SVG or PDF."""
    from matplotlib.figure import Figure  # takes most of a second, which a measurement without a picture need not wait for

    arms: dict[str, dict[str, float | None]] = report["arms"]
    shown = [name for name in COLOURS if any(result.get(name) is not None for result in arms.values())]
    width = 0.8 / len(shown)
    figure = Figure((1.6 + 1.7 * len(arms), 3.8), 160, layout="constrained")
    axes = figure.subplots()
    for index, name in enumerate(shown):
        at = [arm + (index - (len(shown) - 1) / 2) * width for arm in range(len(arms))]
        heights = [result[name] or 0.0 for result in arms.values()]
        bars = axes.bar(at, heights, width * 0.94, color=COLOURS[name], label=LABELS[name])
        axes.bar_label(bars, [f"{height:.2f}" for height in heights], fontsize=8, padding=2)
    names = [f"{arm}\n{result['seconds_median']:.0f} s a lesson" if result["seconds_median"] else arm for arm, result in arms.items()]
    axes.set_xticks(range(len(arms)), names)
    axes.set_ylim(0, 1.12)
    axes.set_yticks([0, 0.5, 1])
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.set_title(f"{report['base_model']}: {report['lessons']} lessons, {report['questions']} questions, {report['mode']}", fontsize=10, loc="left")
    figure.legend(loc="outside lower center", ncols=len(shown), frameon=False, fontsize=9)
    figure.savefig(path)


def draw_tools(report: dict[str, Any], path: Path) -> None:
    """Both accuracies of each arm of ``trainer.evaluation.tools`` as bars, its training seconds below; PNG, SVG or PDF."""
    from matplotlib.figure import Figure  # as above

    arms: dict[str, dict[str, Any]] = report["arms"]
    figure = Figure((1.6 + 1.3 * len(arms), 3.8), 160, layout="constrained")
    axes = figure.subplots()
    shown = {"action": ("#56b4e9", "right tool"), "action_with_input": ("#009e73", "right tool and input")}
    for index, (name, (colour, label)) in enumerate(shown.items()):
        heights = [result[name] for result in arms.values()]
        spread = [result["action_with_input_sd"] for result in arms.values()] if index and report["seeds"] > 1 else None
        bars = axes.bar([arm + (index - 0.5) * 0.4 for arm in range(len(arms))], heights, 0.37, yerr=spread, capsize=3, color=colour, label=label)
        axes.bar_label(bars, [f"{height:.2f}" for height in heights], fontsize=8, padding=2)
    names = {arm: arm.replace("ot-", "OT, ").replace("sft", f"SFT, {result['examples']}") for arm, result in arms.items()}
    axes.set_xticks(range(len(arms)), [f"{names[arm]}\n{result['training_seconds']:.0f} s" for arm, result in arms.items()])
    axes.set_ylim(0, 1.12)
    axes.set_yticks([0, 0.5, 1])
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.set_title(f"{report['base_model']}: three tools, {report['requests']} requests, seeds: {report['seeds']}", fontsize=10, loc="left")
    figure.legend(loc="outside lower center", ncols=len(shown), frameon=False, fontsize=9)
    figure.savefig(path)
