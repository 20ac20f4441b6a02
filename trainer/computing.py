"""Which numbers and how many threads a processor computes a model with: what is fastest here, found by trying for under a second."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from trainer.engine.adapter_file import LoraPair
from trainer.engine.adapter_table import AdapterTable, Bags
from trainer.engine.packed_linear import PackedLinear, can_pack

log = logging.getLogger(__name__)

ROUNDING = 1.3  # times as fast as float32 must bfloat16 be to be worth its rounding
IDLE = 1.1  # times as fast must twice the threads be: the other process could use them
HOPELESS = 3.0  # times as slow as the best: not tried again
SECONDS = 0.3  # for trying, beside what the first try of each takes
WIDEST = 512  # a layer is tried at most so wide: products as large as keep a core busy, where it must imitate bfloat16, too slow to be larger
LAYERS = 2  # of the model's at most
USERS, RANK = 16, 16
TOKENS = 128  # of a training step

Kind = tuple[torch.dtype, int]
"""Numbers and threads."""


@dataclass(frozen=True)
class Shape:
    """How wide a model's layers are, outside and inside, and how many there are."""

    hidden: int
    inner: int
    layers: int

    @classmethod
    def of(cls, config: PreTrainedConfig) -> Shape:
        """The shape of this kind of model; of one that does not tell it, that of a small one."""
        text = config.get_text_config()
        hidden = getattr(text, "hidden_size", None) or 512
        return cls(hidden, getattr(text, "intermediate_size", None) or 3 * hidden, getattr(text, "num_hidden_layers", None) or 1)


@dataclass(frozen=True)
class Computing:
    """What a process computes its model with."""

    dtype: torch.dtype
    threads: int

    @classmethod
    def of(cls, model: PreTrainedModel) -> Computing:
        """What this process computes a loaded model with."""
        return cls(model.dtype, torch.get_num_threads())

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')}, {self.threads} thread{'' if self.threads == 1 else 's'}"


@lru_cache
def choose(shape: Shape, *, learns: bool, dtype: torch.dtype | None = None, threads: int | None = None) -> Computing:
    """What to compute with on this processor, where ``dtype`` or ``threads`` do not say it: what answers, or what ``learns``, fastest.

    At most half of the cores: where the engine runs, the worker does, too, and threads that wait for a busy core cost more than they
    give. Torch's own number of threads changes while it tries.
    """
    most = max(1, cores() // 2)
    counts = [threads] if threads else sorted({*(2**power for power in range(most.bit_length())), most})
    kinds = [(each, count) for each in ([dtype] if dtype else [torch.float32, torch.bfloat16]) for count in counts]
    seconds = {} if len(kinds) == 1 else measure(kinds, lambda each: (_learning if learns else _answering)(shape, each))
    chosen = Computing(*(decide(seconds) if seconds else kinds[0]))
    tried = " ".join(f"{Computing(*kind)}: {1000 * spent:.1f} ms;" for kind, spent in seconds.items())
    log.info("computing, what=%s with=%s tried=%s", "lessons" if learns else "answers", chosen, tried or "nothing")
    return chosen


def decide(seconds: Mapping[Kind, float]) -> Kind:
    """The fastest of these, with as few threads as are nearly as fast; bfloat16 only where that is faster by much."""
    best = {dtype: min(spent for (each, _), spent in seconds.items() if each == dtype) for dtype, _ in seconds}
    near = best.get(torch.float32, float("inf")) > ROUNDING * best.get(torch.bfloat16, float("inf"))
    dtype = torch.bfloat16 if near or torch.float32 not in best else torch.float32
    ways = sorted((threads, spent) for (each, threads), spent in seconds.items() if each == dtype)
    chosen, least = ways[0]
    for threads, spent in ways[1:]:
        if spent * IDLE < least:
            chosen, least = threads, spent
    return dtype, chosen


def measure(kinds: list[Kind], work_of: Callable[[torch.dtype], Callable[[], None]]) -> dict[Kind, float]:
    """Seconds that the work takes at best with each of these, tried in turns: what slows the machine for a moment slows all of them."""
    works = {dtype: work_of(dtype) for dtype, _ in kinds}
    for work in works.values():
        work()  # the first time sets things up
    seconds: dict[Kind, float] = {}
    until = time.perf_counter() + SECONDS
    while len(seconds) < len(kinds) or time.perf_counter() < until:
        for kind in kinds:
            if seconds.get(kind, 0.0) > HOPELESS * min(seconds.values(), default=0.0):
                continue
            torch.set_num_threads(kind[1])
            began = time.perf_counter()
            works[kind[0]]()
            spent = time.perf_counter() - began
            seconds[kind] = min(spent, seconds.get(kind, spent))
    return seconds


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 2


def _answering(shape: Shape, dtype: torch.dtype) -> Callable[[], None]:
    """The products of a step of USERS answers, each with an adapter of its own, as the engine computes them."""
    layers = []
    for linear in _layers(shape, dtype):
        table = AdapterTable(linear.in_features, [linear.out_features], USERS, linear.weight)
        pair = LoraPair(torch.ones(RANK, linear.in_features), torch.ones(linear.out_features, RANK))
        for slot in range(1, USERS + 1):
            table.write(slot, [pair])
        layers.append((PackedLinear([linear], pack=can_pack(linear)), table, torch.ones(USERS, linear.in_features, dtype=dtype)))
    bags = Bags(torch.arange(1, USERS + 1))

    @torch.inference_mode()
    def work() -> None:
        for product, table, x in layers:
            table.add_bags(x, product(x), bags)

    return work


def _learning(shape: Shape, dtype: torch.dtype) -> Callable[[], None]:
    """A product of a step of training: forwards, and back to the inputs."""
    weight = torch.ones(min(shape.inner, WIDEST), min(shape.hidden, WIDEST), dtype=dtype)
    x = torch.ones(TOKENS, weight.shape[1], dtype=dtype)

    @torch.inference_mode()
    def work() -> None:
        nn.functional.linear(x, weight) @ weight

    return work


def _layers(shape: Shape, dtype: torch.dtype) -> list[nn.Linear]:
    """The linear layers of a model, its first ones."""
    hidden, inner = min(shape.hidden, WIDEST), min(shape.inner, WIDEST)
    sizes = [(hidden, 3 * hidden), (hidden, hidden), (hidden, 2 * inner), (inner, hidden)] * min(shape.layers, LAYERS)
    return [nn.Linear(*size, bias=False, dtype=dtype).requires_grad_(False) for size in sizes]
