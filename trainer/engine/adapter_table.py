"""The adapters of layers that read the same input (query, key and value, say), side by side, so that one product serves them all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainer.engine.adapter_file import LoraPair
from trainer.engine.memory import zeros

BASE_SLOT = 0


class AdapterTable:
    """Slot 0 is the base model, all zeros; slots 1 … `slots` hold one adapter each, of ranks up to `rank`, which grows with what is written.

    `a` [slots + 1, in, layers · rank]. `b` has an entry for each run of neighbours with as many outputs: [slots + 1, layers of the run, rank, out].
    """

    def __init__(self, inputs: int, outputs: Sequence[int], slots: int, like: Tensor) -> None:
        self.inputs = inputs
        self.outputs = tuple(outputs)
        self.rank = 0
        self._slots, self._like = slots, like
        self._runs = _runs(self.outputs)  # (first layer, layers) of each run
        self.a, self.b = self._empty(0)
        self._rows: Tensor | None = None
        self._gathered: tuple[Tensor, list[Tensor]] | None = None

    @torch.inference_mode(False)  # else what is made here could not be written to outside of that mode
    def write(self, slot: int, pairs: Sequence[LoraPair | None]) -> None:
        """Put one pair for each layer (None: the layer is as in the base model) in place of what the slot held."""
        self._gathered = None
        self._grow(max((pair.a.shape[0] for pair in pairs if pair is not None), default=0))
        self.a[slot].zero_()
        for (first, count), b in zip(self._runs, self.b, strict=True):
            b[slot].zero_()
            for layer in range(first, first + count):
                pair = pairs[layer]
                if pair is not None:
                    rank = pair.a.shape[0]
                    self.a[slot, :, layer * self.rank : layer * self.rank + rank] = pair.a.T.to(self._like)
                    b[slot, layer - first, :rank] = pair.b.T.to(self._like)

    def select(self, rows: Tensor) -> None:
        """Row i of the following `add_rows` and `add_row_layer` reads slot `rows[i]`."""
        self._rows, self._gathered = rows, None

    def add_slot(self, slot: int, x: Tensor, y: Tensor) -> None:
        """One slot for all of `x` [tokens, in]: add its updates to `y` [tokens, all outputs side by side]."""
        low = x @ self.a[slot]
        at = 0
        for (first, count), b in zip(self._runs, self.b, strict=True):
            for layer in range(first, first + count):
                width = self.outputs[layer]
                y[:, at : at + width].addmm_(low[:, layer * self.rank : (layer + 1) * self.rank], b[slot, layer - first])
                at += width

    def add_rows(self, x: Tensor, y: Tensor) -> None:
        """A slot for each row, as selected: add the updates of `x` [rows, in] to `y` [rows, all outputs side by side]."""
        a, bs = self._selected()
        low = torch.bmm(x.unsqueeze(1), a)
        at = 0
        for (first, count), b in zip(self._runs, bs, strict=True):
            rank, width = b.shape[2], count * b.shape[3]
            part = low[:, 0, first * rank : (first + count) * rank].reshape(-1, 1, rank)
            y[:, at : at + width] += torch.bmm(part, b.flatten(0, 1)).view(y.shape[0], width)
            at += width

    def add_bags(self, x: Tensor, y: Tensor, bags: Bags) -> None:
        """As `add_rows`, straight from the slots: each row is a weighted sum of its slot's vectors, which is what an embedding bag computes.

        On a processor this needs no copies of the adapters and reads them as fast as memory gives them.
        """
        table = self.a.view(-1, self.a.shape[2])
        low = weighted_sums(table, *bags.of(x.shape[1], 1), x.reshape(-1))
        at = 0
        for (first, count), b in zip(self._runs, self.b, strict=True):
            rank, width = self.rank, count * b.shape[3]
            part = low if count == len(self.outputs) else low[:, first * rank : (first + count) * rank]
            sums = weighted_sums(b.view(-1, b.shape[3]), *bags.of(rank, count), part.reshape(-1))
            y[:, at : at + width] += sums.view(-1, width)
            at += width

    def layer(self, index: int, slot: int | None) -> tuple[Tensor, Tensor]:
        """One layer's `a` and `b` for `slot`, [in, rank] and [rank, out], or (None) for the selected rows, with these first."""
        run = next(number for number, (first, count) in enumerate(self._runs) if first <= index < first + count)
        within = slice(index * self.rank, (index + 1) * self.rank)
        if slot is not None:
            return self.a[slot][:, within], self.b[run][slot, index - self._runs[run][0]]
        a, bs = self._selected()
        return a[:, :, within], bs[run][:, index - self._runs[run][0]]

    def _selected(self) -> tuple[Tensor, list[Tensor]]:
        """Kept from step to step, until a row joins or leaves."""
        gathered = self._gathered  # read once: another thread may write to an unused slot
        if gathered is None:
            assert self._rows is not None
            rows = self._rows
            gathered = self._gathered = self.a.index_select(0, rows), [b.index_select(0, rows) for b in self.b]
        return gathered

    def _grow(self, rank: int) -> None:
        if rank <= self.rank:
            return
        old, (old_a, old_b) = self.rank, (self.a, self.b)
        a, b = self._empty(rank)
        if old:
            a.view(*a.shape[:2], -1, rank)[..., :old] = old_a.view(*a.shape[:2], -1, old)
            for new, before in zip(b, old_b, strict=True):
                new[:, :, :old] = before
        self.rank, self.a, self.b = rank, a, b

    def _empty(self, rank: int) -> tuple[Tensor, list[Tensor]]:
        kind = self._like.dtype, self._like.device
        a = zeros((self._slots + 1, self.inputs, len(self.outputs) * rank), *kind)
        return a, [zeros((self._slots + 1, count, rank, self.outputs[first]), *kind) for first, count in self._runs]


class Bags:
    """Where each row's vectors lie in tables of slots, for one choice of slots; computed once for all layers and steps until that changes."""

    def __init__(self, slots: Tensor) -> None:
        self._slots = slots
        self._known: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def of(self, size: int, count: int) -> tuple[Tensor, Tensor]:
        """Indices and offsets of bags of `size` vectors each, `count` bags in each slot."""
        found = self._known.get((size, count))
        if found is None:
            each = count * size
            indices = (self._slots[:, None] * each + torch.arange(each)).flatten().int()
            offsets = torch.arange(0, indices.numel() + 1, size).int()
            found = self._known[size, count] = indices, offsets
        return found


def weighted_sums(table: Tensor, indices: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """For each bag the sum of its vectors in `table`, weighted: functional.embedding_bag without its checks, which take longer than the sums."""
    sums: Tensor = torch._embedding_bag_forward_only(table, indices, offsets, False, 0, False, weights, True)[0]
    return sums


def _runs(outputs: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for layer, width in enumerate(outputs):
        if runs and outputs[runs[-1][0]] == width:
            runs[-1] = runs[-1][0], runs[-1][1] + 1
        else:
            runs.append((layer, 1))
    return runs
