"""Many adapters on one model: each row of a batch gets its own low-rank update, in the same forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from trainer.engine.adapter_file import LoraPair, read_adapter
from trainer.engine.adapter_table import BASE_SLOT, AdapterTable
from trainer.errors import CorruptAdapterError, UnsupportedAdapterError, UnsupportedModelError

# Layers that read the same input, so that their adapters are kept and computed together.
TOGETHER = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


class AdapterBank:
    """Wraps every linear layer of the decoder (PEFT's "all-linear") with `slots` adapters of rank ≤ `max_rank`.

    Slot 0 is the base model, slots 1 … `slots` hold adapters. `use` says which slot each row of the model's next forward passes reads;
    `tables` is for who computes the layers without the model's modules. Memory: `slots` adapters of the largest rank among them.
    Raises UnsupportedModelError when the model has no decoder layers with linear modules.
    """

    def __init__(self, model: PreTrainedModel, slots: int, max_rank: int) -> None:
        self.slots = slots
        self.max_rank = max_rank
        self._model = model
        self._rows: tuple[int, ...] = (BASE_SLOT,)
        self._linear = dict(_decoder_linears(model))
        if not self._linear:
            raise UnsupportedModelError("This model has no linear decoder layers to teach. Choose another base model.")
        self.tables: dict[tuple[str, ...], AdapterTable] = {}  # by the names of their layers
        self._wrapped: dict[str, _StackedLinear] = {}
        for names in _groups(self._linear):
            layers = [self._linear[name] for name in names]
            table = AdapterTable(layers[0].in_features, [layer.out_features for layer in layers], slots, layers[0].weight)
            self.tables[names] = table
            for index, (name, layer) in enumerate(zip(names, layers, strict=True)):
                self._wrapped[name] = _StackedLinear(layer, table, index)
                _replace(model, name, self._wrapped[name])

    def read(self, folder: Path) -> dict[str, LoraPair]:
        """Read PEFT's files in `folder`, for `write`. From any thread.

        Raises what read_adapter raises, UnsupportedAdapterError (unknown layer, rank too big) or CorruptAdapterError (wrong shape).
        """
        pairs = read_adapter(folder)
        for name, pair in pairs.items():
            self._fits(name, pair, folder)
        return pairs

    def write(self, slot: int, pairs: Mapping[str, LoraPair]) -> None:
        """Put what `read` gave into `slot`, replacing what was there."""
        self._check(slot)
        for names, table in self.tables.items():
            table.write(slot, [pairs.get(name) for name in names])

    def load(self, slot: int, folder: Path) -> None:
        """`read` and `write`. Raises what `read` raises; the slot then is as it was before."""
        self._check(slot)
        self.write(slot, self.read(folder))

    def clear(self, slot: int) -> None:
        """Overwrite `slot` with zeros, which is the base model."""
        self.write(slot, {})

    def use(self, slots: Tensor) -> None:
        """Row i of the following forward passes uses slot `slots[i]`. `slots` [batch], int64."""
        rows = tuple(slots.tolist())
        if rows == self._rows:
            return
        self._rows = rows
        one = rows[0] if len(set(rows)) == 1 else None
        index = slots.to(self._model.device)
        for table in self.tables.values():
            table.select(index)
        for layer in self._wrapped.values():
            layer.slot = one

    def remove(self) -> None:
        """Put the model's own layers back; the bank is of no use afterwards."""
        for name, layer in self._wrapped.items():
            _replace(self._model, name, layer.base)

    def _check(self, slot: int) -> None:
        if not 1 <= slot <= self.slots:
            raise IndexError(f"slot {slot} is not in 1 … {self.slots}")

    def _fits(self, name: str, pair: LoraPair, folder: Path) -> None:
        layer = self._linear.get(name)
        if layer is None:
            raise UnsupportedAdapterError(f"The adapter {folder.name} changes a layer that this base model does not offer. Train it again.", name)
        if pair.a.shape[0] > self.max_rank:
            raise UnsupportedAdapterError(
                f"The adapter {folder.name} has rank {pair.a.shape[0]}; the engine takes up to {self.max_rank}. "
                "Raise the engine's max_rank or train a smaller one."
            )
        if pair.a.shape[1] != layer.in_features or pair.b.shape[0] != layer.out_features:
            raise CorruptAdapterError(f"The adapter {folder.name} was made for another base model. Train it again on this one.", name)


class _StackedLinear(nn.Module):
    """A linear layer plus one low-rank update per row, from the layer's place in a table. `slot`: one for all rows, or None."""

    def __init__(self, base: nn.Linear, table: AdapterTable, index: int) -> None:
        super().__init__()
        self.base = base
        self.slot: int | None = BASE_SLOT
        self._table, self._index = table, index

    def forward(self, x: Tensor) -> Tensor:
        """x [batch, ..., in], batch as the table's selection numbered it."""
        y: Tensor = self.base(x)
        if self.slot == BASE_SLOT or self._table.rank == 0:
            return y
        a, b = self._table.layer(self._index, self.slot)
        if self.slot is not None:
            # One adapter for all rows: a plain product is faster than a batched one.
            return torch.addmm(y.flatten(0, -2), x.flatten(0, -2) @ a, b).view_as(y)
        low = torch.bmm(x.reshape(a.shape[0], -1, x.shape[-1]), a)
        return torch.baddbmm(y.view(a.shape[0], -1, y.shape[-1]), low, b).view_as(y)


def plain(module: nn.Module) -> nn.Module:
    """The model's own layer below what a bank put around it."""
    return module.base if isinstance(module, _StackedLinear) else module


def _decoder_linears(model: PreTrainedModel) -> list[tuple[str, nn.Linear]]:
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    lists = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, nn.ModuleList))
    return [
        (name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear) and module is not head and name.startswith(lists)
    ]


def _groups(linear: Mapping[str, nn.Linear]) -> list[tuple[str, ...]]:
    """The layers' names, those that read the same input together."""
    groups: dict[tuple[str, ...], None] = {}
    for name in linear:
        parent, _, leaf = name.rpartition(".")
        near = next((tuple(f"{parent}.{one}" for one in together) for together in TOGETHER if leaf in together), (name,))
        whole = all(one in linear and linear[one].in_features == linear[name].in_features for one in near)
        groups[near if whole else (name,)] = None
    return list(groups)


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, module)
