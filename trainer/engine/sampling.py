"""Choosing the next token of each row from its logits."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainer.engine.generation import Chosen


@dataclass
class Sampler:
    """One row's way of choosing: its own stream of random numbers, so the other rows of the batch do not matter."""

    temperature: float
    top_p: float
    seed: int | None
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def choose(self, logits: Tensor) -> int:
        """Nucleus sampling (Holtzman et al. 2020) by inverting the cumulative distribution. `logits` [vocabulary]."""
        probabilities, ids = torch.softmax(logits.double() / self.temperature, -1).sort(descending=True)
        cumulative = probabilities.cumsum(-1)
        size = max(1, int((cumulative - probabilities < self.top_p).sum()))
        draw = self._random.random() * float(cumulative[size - 1])
        return int(ids[min(int(torch.searchsorted(cumulative[:size], draw, right=True)), size - 1)])


def choose_tokens(logits: Tensor, samplers: list[Sampler]) -> list[int | None]:
    """A token id for each row of `logits` [rows, vocabulary]; None where the logits are not numbers."""
    best = logits.max(-1)
    greedy: list[int] = best.indices.tolist()
    broken: list[bool] = best.values.isnan().tolist()
    return [None if broken[row] else greedy[row] if sampler.temperature == 0 else sampler.choose(logits[row]) for row, sampler in enumerate(samplers)]


def with_likeliest(logits: Tensor, token: int, count: int) -> Chosen:
    """A chosen token beside the `count` likeliest ones. `logits` [vocabulary]."""
    logarithms = logits.float().log_softmax(-1)
    best = logarithms.topk(min(count, logarithms.shape[-1]))
    return Chosen((token, float(logarithms[token])), tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True)))
