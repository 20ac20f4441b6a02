"""Keys and values of the running rows, each in its own place: rows join and leave without copying the others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import Cache, PreTrainedConfig

FIRST_CAPACITY = 128  # tokens that a row has room for at first; doubled as needed, so short chats take little memory


class RowCache(Cache):
    """Row i's token p lies at [i, p] of every layer, p < `max_context`; no row has padding on its left.

    Call `expect_prompts` or `expect_tokens` before each forward pass: they say which rows the batch is.
    """

    def __init__(self, config: PreTrainedConfig, rows: int, max_context: int) -> None:
        super().__init__(layers=[])
        self._rows = rows
        self._max_context = max_context
        self._capacity = min(FIRST_CAPACITY, max_context)
        self._keys: list[Tensor | None] = [None] * config.num_hidden_layers  # each [rows, capacity, heads, head size]
        self._values: list[Tensor | None] = [None] * config.num_hidden_layers
        self._first = 0
        self._count = 0
        self._length = 0
        self._write_at: Tensor | None = None

    def expect_prompts(self, first: int, count: int, length: int) -> None:
        """The batch is new rows `first` … `first + count - 1`, with `length` tokens each, padded on the right."""
        self._grow(length)
        self._first, self._count, self._length, self._write_at = first, count, length, None

    def expect_tokens(self, first: int, positions: Tensor, device: torch.device) -> None:
        """The batch is one token for each of the rows from `first` on, at `positions` [rows], int64 on the CPU."""
        length = int(positions.max()) + 1
        self._grow(length)
        self._first, self._count, self._length = first, positions.shape[0], length
        rows = torch.arange(first, first + self._count)
        self._write_at = (rows * self._capacity + positions).to(device)

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of row `source` over row `target`."""
        for tensor in (*self._keys, *self._values):
            if tensor is not None:
                tensor[target, :length] = tensor[source, :length]

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Called by the model's attention with [batch, heads, tokens, head size]; returns what the batch attends to."""
        return (
            self._store(self._keys, layer_idx, key_states),
            self._store(self._values, layer_idx, value_states),
        )

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0

    def get_query_offset(self, layer_idx: int = 0) -> int:
        return 0

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return query_length, 0

    def _store(self, tensors: list[Tensor | None], layer: int, states: Tensor) -> Tensor:
        tensor = tensors[layer]
        if tensor is None:
            shape = (self._rows, self._capacity, states.shape[1], states.shape[3])
            tensor = tensors[layer] = states.new_zeros(shape)
        rows = tensor[self._first : self._first + self._count, : self._length]
        if self._write_at is None:
            rows.copy_(states.transpose(1, 2))
            return states
        tensor.flatten(0, 1).index_copy_(0, self._write_at, states[:, :, 0])
        return rows.transpose(1, 2)

    def _grow(self, length: int) -> None:
        if length <= self._capacity:
            return
        while self._capacity < length:
            self._capacity = min(2 * self._capacity, self._max_context)
        for tensors in (self._keys, self._values):
            for layer, tensor in enumerate(tensors):
                if tensor is not None:
                    larger = tensor.new_zeros(self._rows, self._capacity, *tensor.shape[2:])
                    larger[:, : tensor.shape[1]] = tensor
                    tensors[layer] = larger
