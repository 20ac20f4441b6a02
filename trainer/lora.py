"""LoRA as it is trained: every linear layer of the decoder gets an update of low rank (Hu et al. 2021), stored as PEFT stores it.

Several adapters lie side by side in one model: a pass over tokens of many users gives each the update of their own, and each gradient
goes to its own adapter. Masters are float32, one vector per adapter; products are computed in the model's own type, without gradients
of frozen weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from trainer.engine.adapter_file import LoraPair, read_adapter

SCALE = 2.0  # α / rank


class Lora:
    """One adapter: ``weights`` [all], float32, with its gradient, and per layer views ``a`` [rank, in] and ``b`` [out, rank] of them."""

    def __init__(self, layers: dict[str, nn.Linear], rank: int, device: torch.device, dtype: torch.dtype) -> None:
        self.rank = rank
        self._shapes = {name: (layer.in_features, layer.out_features) for name, layer in layers.items()}
        size = rank * sum(wide + high for wide, high in self._shapes.values())
        self.weights = nn.Parameter(torch.zeros(size, device=device))
        self.weights.grad = torch.zeros(size, device=device)
        self._near = self.weights.detach() if dtype == torch.float32 else torch.zeros(size, device=device, dtype=dtype)
        self.master, self.near, self.gradients = self._views(self.weights.detach()), self._views(self._near), self._views(self.weights.grad)

    @torch.no_grad()
    def refresh(self) -> None:
        """Have products computed with the weights as they are now."""
        if self._near.dtype != torch.float32:
            self._near.copy_(self.weights)

    @torch.no_grad()
    def join(self, other: Mapping[str, LoraPair]) -> None:
        """Add another adapter's update to this one's, as near as this one's rank comes (the largest singular values of the sum)."""
        for name, (a, b) in zip(self._shapes, self.master, strict=True):
            if name in other:
                up, of_up = torch.linalg.qr(torch.cat([SCALE * b, other[name].b.to(b)], dim=1))
                down, of_down = torch.linalg.qr(torch.cat([a, other[name].a.to(a)]).T)
                left, values, right = torch.linalg.svd(of_up @ of_down.T)
                root = values[: self.rank].sqrt()
                b.copy_(up @ left[:, : self.rank] * root / SCALE)
                a.copy_(root[:, None] * (right[: self.rank] @ down.T))
        self.refresh()

    def pairs(self) -> dict[str, LoraPair]:
        """The adapter as it is now, by layer."""
        return {name: LoraPair(a, SCALE * b) for name, (a, b) in zip(self._shapes, self.master, strict=True)}

    def save(self, folder: Path, base_model: str | None) -> None:
        """Write ``adapter_config.json`` and ``adapter_model.safetensors`` in PEFT's format."""
        tensors = {}
        for name, (a, b) in zip(self._shapes, self.master, strict=True):
            tensors[f"base_model.model.{name}.lora_A.weight"] = a.clone()
            tensors[f"base_model.model.{name}.lora_B.weight"] = b.clone()
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        LoraConfig(
            r=self.rank,
            lora_alpha=int(SCALE) * self.rank,
            target_modules=sorted({name.rpartition(".")[2] for name in self._shapes}),
            task_type="CAUSAL_LM",
            base_model_name_or_path=base_model,
            inference_mode=True,
        ).save_pretrained(str(folder))

    def _views(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        views, at = [], 0
        for wide, high in self._shapes.values():
            middle, end = at + self.rank * wide, at + self.rank * (wide + high)
            views.append((flat[at:middle].view(self.rank, wide), flat[middle:end].view(high, self.rank)))
            at = end
        return views


class LoraStack:
    """Adapters for one model, which carries them only while it is ``attached``. One thread at a time."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        output = model.get_output_embeddings()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        self._linear = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear) and m is not output}
        self._segments: list[tuple[Lora, int, int]] = []
        # What carries no gradient itself gets a backward pass all the same through this.
        self._anchor = torch.zeros((), device=model.device, requires_grad=True)
        self._layers = {name: _LoraLinear(layer, self, index) for index, (name, layer) in enumerate(self._linear.items())}

    def add(self, rank: int, seed: int, parent: Path | None = None) -> Lora:
        """A new adapter of ``rank``, or one that goes on from ``parent``, a folder in PEFT's format.

        Raises AdapterNotFoundError, UnsupportedAdapterError or CorruptAdapterError for a parent that cannot be read.
        """
        pairs = read_adapter(parent) if parent else {}
        rank = next((pair.a.shape[0] for pair in pairs.values()), rank)
        lora = Lora(self._linear, rank, self._model.device, self._model.dtype)
        generator = torch.Generator(device=self._model.device).manual_seed(seed)
        with torch.no_grad():
            for name, (a, b) in zip(self._linear, lora.master, strict=True):
                nn.init.kaiming_uniform_(a, a=math.sqrt(5), generator=generator)
                if name in pairs:
                    a.copy_(pairs[name].a)
                    b.copy_(pairs[name].b / SCALE)
        lora.refresh()
        return lora

    @contextmanager
    def attached(self) -> Iterator[None]:
        """The model computes with the adapters that are ``learning``; afterwards it is as it was."""
        for name, layer in self._layers.items():
            self._model.set_submodule(name, layer)
        try:
            yield
        finally:
            for name, linear in self._linear.items():
                self._model.set_submodule(name, linear)

    @contextmanager
    def learning(self, tokens: Sequence[tuple[Lora, int]]) -> Iterator[None]:
        """While ``attached``: so many tokens of the batch, one user's behind the other's, belong to each adapter."""
        at = 0
        for lora, count in tokens:
            self._segments.append((lora, at, at + count))
            at += count
        try:
            yield
        finally:
            self._segments = []


class _LoraLinear(nn.Module):
    """x → W x + 2·B A x, with A and B of whom each token belongs to."""

    def __init__(self, base: nn.Linear, stack: LoraStack, index: int) -> None:
        super().__init__()
        self.base = base
        self._stack = [stack]  # in a list, which hides it from the module's own bookkeeping
        self._index = index

    def forward(self, x: Tensor) -> Tensor:
        stack = self._stack[0]
        result: Tensor = _LoraProduct.apply(x, self.base.weight, self.base.bias, stack._anchor, stack._segments, self._index)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return result


class _LoraProduct(torch.autograd.Function):
    """y = x Wᵀ + bias + scale·(x Aᵀ) Bᵀ for each segment's A and B, with gradients of x here and of A and B where the adapter keeps them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, bias: Tensor | None, _: Tensor, segments: list[tuple[Lora, int, int]], index: int) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        y = functional.linear(rows, w, bias)
        lows = []
        for lora, start, end in segments:
            a, b = lora.near[index]
            low = rows[start:end] @ a.T
            y[start:end].addmm_(low, b.T, alpha=SCALE)
            lows.append(low)
        ctx.save_for_backward(rows, w, *lows)
        ctx.segments, ctx.index, ctx.shape = segments, index, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, w, *lows = ctx.saved_tensors
        g = gradients[0].reshape(-1, w.shape[0])
        gx = g @ w if ctx.needs_input_grad[0] else None
        for (lora, start, end), low in zip(ctx.segments, lows, strict=True):
            a, b = lora.near[ctx.index]
            of_a, of_b = lora.gradients[ctx.index]
            part = g[start:end]
            g_low = (part @ b).mul_(SCALE)
            of_a.add_(g_low.T @ rows[start:end])
            of_b.add_(part.T @ low, alpha=SCALE)
            if gx is not None:
                gx[start:end].addmm_(g_low, a)
        return None if gx is None else gx.view(ctx.shape), None, None, None, None, None
