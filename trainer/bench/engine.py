"""`tutee bench engine`: tokens per second with an adapter for every user, beside what people would use instead.

Arms, all greedy, everyone asking at once: ``tutee``, our engine in this process; ``tutee-http``, in one of its own, streamed over HTTP;
``base``, our engine with nobody having an adapter (the ceiling); ``stacked``, a plain loop over stacked adapters; ``peft-mixed`` and
``peft-switch``, PEFT with everyone in one batch and one after the other; ``transformers``, its continuous batching, without adapters;
``vllm`` (asked over HTTP like ``tutee-http``) and ``llama.cpp`` (without adapters) where they are installed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch

from storage.artifacts import ArtifactStore
from trainer import loading
from trainer.bench import limit, servers
from trainer.bench.ours import Tutee, TuteeHttp
from trainer.bench.peers import Peft, Stacked, Transformers
from trainer.bench.picture import draw
from trainer.bench.report import Figures, Row, interleave, machine, numbers, say, show
from trainer.bench.world import BenchError, World, shape, synthetic
from trainer.model import BaseModel, load_base
from trainer.results import require_places, write_json
from trainer.settings import Settings

WITHOUT_ADAPTERS = ("base", "transformers")
ONE_FOR_ALL = ("llama.cpp",)
ARMS = ("tutee", "tutee-http", "base", "stacked", "peft-mixed", "peft-switch", "transformers", "vllm", "llama.cpp")
ACTIVE = 16
COLUMNS: dict[str, Callable[[Any], str]] = {
    "engine": str, "users": str, "adapters": str, "dtype": str, "tokens_per_second": "{:,.0f}".format,
    "tokens_per_processor_second": "{:,.0f}".format, "first_token_ms": "{:.0f}".format,
    "burst_first_token_ms": "{:.0f}".format, "limit_share": "{:.0%}".format, "of_ours": "{:.2f}".format, "of_ours_by_processor": "{:.2f}".format,
}  # fmt: skip


class Arm(Protocol):
    """One way of answering; `run` has all users ask once."""

    def run(self, users: int) -> Figures: ...

    def close(self) -> None: ...


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Measure with ``options`` (users, synthetic, json, plot; arms, repeats, new_tokens, stored, vllm) and show the table; 0 when done.

    Raises BenchError or ModelError.
    """
    users, arms = numbers(options.users), _arms(options.arms)
    require_places(options, BenchError)
    with tempfile.TemporaryDirectory(prefix="tutee-bench-") as folder:
        bench = Bench(settings, options.synthetic, Path(folder), options.new_tokens, options.vllm)
        rows = bench.measure(users, arms, options.repeats)
        growth = bench.growth(numbers(options.stored) if options.stored else [], options.repeats)
    report = {"machine": machine(), "threads": torch.get_num_threads(), "base_model": bench.base.name, "rows": rows, "growth": growth}
    _show(report)
    write_json(report, options.json)
    if options.plot:
        draw(report, options.plot)
    return 0


class Bench:
    """The base model that is measured, with adapters of random numbers in `folder`."""

    def __init__(self, settings: Settings, size: str | None, folder: Path, new_tokens: int, vllm: str | None = None) -> None:
        self.settings = settings.engine
        self._vllm = vllm
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        if size:
            self.base = synthetic(size, loading.POCKET, loading.compute(settings, shape(size)).dtype, self._device)
        else:
            self.base = loading.base_model(settings)
        self.dtype = self.base.model.dtype
        self._name = str(_save(self.base, folder / "base")) if size else settings.base_model
        self.world = World(self.base, ArtifactStore(folder / "adapters"), new_tokens)

    def measure(self, users: list[int], wanted: list[str], repeats: int) -> list[Row]:
        """A row for each arm and number of users, or for an arm that cannot be measured here, with the reason."""
        rows: list[Row] = []
        measured: list[tuple[str, int, Figures, dict[str, Figures]]] = []
        hardware = limit.measure(self.dtype, self._device)
        with ExitStack() as stack:
            arms: dict[str, Arm] = {}
            for name, make in self._arms(max(users)).items():
                if name in wanted:
                    say(f"{name}: starting")
                    try:
                        arms[name] = make()
                        stack.callback(arms[name].close)
                    except servers.Skipped as reason:
                        rows.append({"engine": name, "skipped": str(reason)})
            for count in users:
                figures = interleave({name: partial(arm.run, count) for name, arm in arms.items()}, repeats)
                slow = {name: partial(arm.first_tokens, count) for name, arm in arms.items() if isinstance(arm, Tutee)}
                firsts = interleave(slow, repeats) if slow else {}
                measured += [(name, count, {**one, **firsts.get(name, {})}, figures) for name, one in figures.items()]
                hardware = hardware.or_better(limit.measure(self.dtype, self._device))
        return [self._row(*one, hardware) for one in measured] + rows

    def growth(self, stored: list[int], repeats: int) -> list[Row]:
        """What an answer costs with more and more adapters in the store: for people who were there before, and for newcomers."""
        rows = []
        arm = Tutee(self.world, self.settings)
        try:
            for count in stored:
                say(f"{count} adapters in the store")
                names = self.world.stored(count)
                warm, step = names[:ACTIVE], max(1, count // (ACTIVE * (repeats + 1)))
                cold = iter(names[::step] * (ACTIVE * (repeats + 1)))

                def newcomers(cold: Any = cold) -> Figures:
                    return arm.ask([next(cold) for _ in range(ACTIVE)])

                figures = interleave({"known": partial(arm.ask, warm), "newcomers": newcomers}, repeats)
                for name, one in figures.items():
                    rows.append({"stored": count, "users": name, "answer_ms": round(1000 * self.world.new_tokens / one["tokens_per_second"], 2)})
        finally:
            arm.close()
        return rows

    def _arms(self, most_users: int) -> dict[str, Callable[[], Arm]]:
        folder = loading.POCKET if self._name == "pocket" else Path(self._name)
        limits = self.settings
        dtype = str(self.dtype).removeprefix("torch.")
        return {
            "tutee": lambda: Tutee(self.world, limits),
            "tutee-http": lambda: TuteeHttp(self.world, limits, self._name, loading.POCKET, self.dtype),
            "base": lambda: Tutee(replace(self.world, base=self._again()), limits, adapters=False),
            "stacked": lambda: Stacked(self.world, self._again()),
            "peft-mixed": lambda: Peft(self.world, self._again(), mixed=True),
            "peft-switch": lambda: Peft(self.world, self._again(), mixed=False),
            "transformers": lambda: Transformers(self.world, self._again(), most_users),
            "vllm": lambda: servers.vllm(self.world, folder, most_users, dtype, torch.get_num_threads(), self._vllm),
            "llama.cpp": lambda: servers.llama_cpp(replace(self.world, base=self._again()), most_users),
        }

    def _again(self) -> BaseModel:
        """The base model once more: most arms change theirs."""
        return load_base(self._name, pocket_path=loading.POCKET, device=self._device, dtype=self.dtype)

    def _row(self, name: str, users: int, figures: Figures, all_: dict[str, Figures], hardware: limit.Hardware) -> Row:
        adapters = 0 if name in WITHOUT_ADAPTERS else 1 if name in ONE_FOR_ALL else users
        most = limit.tokens_per_second(hardware, self.base.model, users, adapters, self.world.new_tokens)
        rounded = {key: round(value, 1) for key, value in figures.items()}
        row: Row = {
            "engine": name, "users": users, "adapters": adapters, "new_tokens": self.world.new_tokens,
            "dtype": str(self.dtype).removeprefix("torch."), **rounded, "limit_share": round(figures["tokens_per_second"] / most, 3),
        }  # fmt: skip
        own = all_.get("tutee", {}).get("tokens_per_processor_second")
        if own and "tokens_per_processor_second" in figures:
            row["of_ours_by_processor"] = round(figures["tokens_per_processor_second"] / own, 3)
        if "tutee" in all_:
            row["of_ours"] = round(figures["tokens_per_second"] / all_["tutee"]["tokens_per_second"], 3)
        return row


def _arms(text: str | None) -> list[str]:
    wanted = text.split(",") if text else list(ARMS)
    unknown = [arm for arm in wanted if arm not in ARMS]
    if unknown:
        raise BenchError(f"There is no arm '{unknown[0]}': choose from {', '.join(ARMS)}.")
    return wanted


def _save(base: BaseModel, folder: Path) -> Path:
    """For the arms that read a folder."""
    base.model.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)
    return folder


def _show(report: dict[str, Any]) -> None:
    show(f"{report['base_model']}, {report['threads']} threads: {report['machine']}", COLUMNS, report["rows"])
    written: dict[str, Callable[[Any], str]] = {"stored": "{:,}".format, "users": str, "answer_ms": "{:.1f}".format}
    if report["growth"]:
        show(f"cost of an answer by adapters in the store, {ACTIVE} at once", written, report["growth"])
