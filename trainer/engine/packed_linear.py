"""Linear layers in the order in which a processor's libraries read them: for a handful of rows, twice as fast as the usual order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from timeit import repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ROWS = 256  # for which oneDNN's order is chosen; measured good from 1 to 512
TRIED = (16, 512, 2048)  # rows, inputs and outputs of the product on which two ways are compared


class PackedLinear:
    """Several linear layers that read the same input as one: the outputs come side by side.

    `pack`: keep a copy of the weights: as float16 where they are float32 that float16 holds exactly, as most models are published (FBGEMM
    reads half the memory and computes the same in float32), else in oneDNN's order. Otherwise the layers' own weights are used, one
    after the other.
    """

    def __init__(self, layers: Sequence[nn.Linear], *, pack: bool) -> None:
        self._layers = layers
        self._bias: Tensor | None = None
        self._packed: Tensor | None = None
        self._halves: Any = None
        if not pack:
            return
        if any(layer.bias is not None for layer in layers):
            self._bias = torch.cat([layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias.detach() for layer in layers])
        weight = torch.cat([layer.weight.detach() for layer in layers])
        if _are_halves(weight) and halves_are_faster():
            self._halves = torch.ops.quantized.linear_prepack_fp16(weight, self._bias)
        else:
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)

    @property
    def halves(self) -> bool:
        """Whether the weights are kept as float16."""
        return self._halves is not None

    def __call__(self, x: Tensor) -> Tensor:
        """x [tokens, in]."""
        if self._halves is not None:
            of_halves: Tensor = torch.ops.quantized.linear_dynamic_fp16(x, self._halves)
            return of_halves
        if self._packed is not None:
            packed: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")
            return packed
        parts = [functional.linear(x, layer.weight, layer.bias) for layer in self._layers]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)


def can_pack(model: nn.Module) -> bool:
    """Whether the weights of `model` can be kept in oneDNN's order: this processor and this build of torch have it."""
    parameter = next(model.parameters())
    operations: Any = torch.ops.mkldnn
    return (
        parameter.device.type == "cpu"
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        and hasattr(operations, "_linear_pointwise")
        and hasattr(operations, "_reorder_linear_weight")
        and (parameter.dtype == torch.float32 or (parameter.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()))
    )


@lru_cache
def halves_are_faster() -> bool:
    """Whether this processor multiplies with weights of float16 faster than with the same in oneDNN's order, by trying (milliseconds)."""
    operations: Any = torch.ops.quantized
    if "fbgemm" not in torch.backends.quantized.supported_engines or not hasattr(operations, "linear_dynamic_fp16"):
        return False
    rows, inputs, outputs = TRIED
    x, weight = torch.ones(rows, inputs), torch.ones(outputs, inputs)
    halves, packed = operations.linear_prepack_fp16(weight, None), torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
    ways = (lambda: operations.linear_dynamic_fp16(x, halves), lambda: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], ""))
    of_halves, of_packed = (min(repeat(way, number=2, repeat=6)) for way in ways)
    return of_halves < of_packed


def _are_halves(weight: Tensor) -> bool:
    return weight.dtype == torch.float32 and torch.equal(weight.half().float(), weight)
