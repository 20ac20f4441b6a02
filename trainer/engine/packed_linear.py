"""Linear layers in the order in which oneDNN reads them: on a processor, twice as fast for a handful of rows as the usual order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ROWS = 256  # for which the order is chosen; measured good from 1 to 512


class PackedLinear:
    """Several linear layers that read the same input as one: the outputs come side by side.

    `pack`: keep a copy of the weights in oneDNN's order. Otherwise the layers' own weights are used, one after the other.
    """

    def __init__(self, layers: Sequence[nn.Linear], *, pack: bool) -> None:
        self._layers = layers
        self._bias: Tensor | None = None
        self._packed: Tensor | None = None
        if pack:
            biases = [layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias.detach() for layer in layers]
            if any(layer.bias is not None for layer in layers):
                self._bias = torch.cat(biases)
            weight = torch.cat([layer.weight.detach() for layer in layers])
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)

    def __call__(self, x: Tensor) -> Tensor:
        """x [tokens, in]."""
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
