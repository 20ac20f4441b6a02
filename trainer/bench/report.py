"""How a bench is run and told: arms in turns, medians of the repeats, ratios, a table, a file of figures."""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from trainer.bench.world import BenchError

log = logging.getLogger(__name__)

FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")

Figures = dict[str, float]
Row = dict[str, Any]


def interleave(runs: Mapping[str, Callable[[], Figures]], repeats: int = 3) -> dict[str, Figures]:
    """The median of every figure over `repeats` turns, in each of which every run has one go: what slows the machine for a while slows
    all of them. One more turn before warms up and does not count."""
    told: dict[str, list[Figures]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            say(f"{name}: {'warming up' if turn == 0 else f'{turn} of {repeats}'}")
            figures = run()
            if turn:
                told[name].append(figures)
    say("")
    return {name: {key: median(each[key] for each in all_) for key in all_[0]} for name, all_ in told.items()}


class Stopwatch:
    """Time between entering and leaving: by the clock, and of processors that this process has had."""

    seconds = 0.0
    processor_seconds = 0.0

    def __enter__(self) -> Stopwatch:
        self._started, self._had = _now(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.processor_seconds = _now() - self._started, time.process_time() - self._had

    def speed(self, tokens: int) -> Figures:
        """By both times. On a machine that others use, too, the second says more."""
        return {"tokens_per_second": tokens / self.seconds, "tokens_per_processor_second": tokens / self.processor_seconds}


def say(what: str) -> None:
    """What is being done now: where a person is watching on one line that moves, and in the log (``--log-level info``)."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{what}")
        sys.stderr.flush()
    elif what:
        log.info("bench, now=%s", what)


def machine() -> str:
    """This machine in a line: processor with what it can multiply, cores, graphics card, versions."""
    cpu = platform.processor() or platform.machine()
    with suppress(OSError):  # not a Linux
        told = (line.split(":", 1) for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if ":" in line)
        facts = {name.strip(): value.strip() for name, value in told}
        cpu = facts.get("model name", cpu)
        if features := [each for each in FEATURES if each in facts.get("flags", "").split()]:
            cpu += f" ({', '.join(features)})"
    card = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{cpu}, {os.cpu_count()} cores{card}, torch {version('torch')}, transformers {version('transformers')}, peft {version('peft')}"


def numbers(text: str) -> list[int]:
    """The whole numbers of a list such as `1,4,16`. Raises BenchError."""
    try:
        found = [int(one) for one in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise BenchError(f"'{text}' is no list of numbers of users. Write it as in 1,4,16.")
    return found


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def show(title: str, columns: Mapping[str, Callable[[Any], str]], rows: Sequence[Row], notes: Iterable[str] = ()) -> None:
    """A table for people: `columns` by key, each with how its values are written; a row that was skipped says why."""
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="left" if name == next(iter(columns)) else "right")
    skipped = {str(row["engine"]): row["skipped"] for row in rows if "skipped" in row}
    for row in rows:
        if "skipped" not in row:
            table.add_row(*("–" if row.get(name) is None else write(row[name]) for name, write in columns.items()))
    console = Console()
    console.print(table)
    for name, reason in skipped.items():
        console.print(f"{name}: {reason}")
    for note in notes:
        console.print(note)
