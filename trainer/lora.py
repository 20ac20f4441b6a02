"""LoRA as it is trained: every linear layer of the decoder gets an update of low rank (Hu et al. 2021), stored as PEFT stores it.

Masters are float32; products are computed in the layer's own type, in one autograd step per layer, without gradients of frozen weights.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from trainer.engine.adapter_file import read_adapter


class Lora:
    """The updates of one adapter, in the model between ``attach`` and ``detach``. α is twice the rank."""

    def __init__(self, model: PreTrainedModel, rank: int, parent: Path | None = None) -> None:
        """A new adapter of ``rank``, or one that goes on from ``parent``, a folder in PEFT's format.

        Raises AdapterNotFoundError, UnsupportedAdapterError or CorruptAdapterError for a parent that cannot be read.
        """
        self._model = model
        output = model.get_output_embeddings()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        linear = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear) and m is not output}
        pairs = read_adapter(parent) if parent else {}
        self.rank = next((pair.a.shape[0] for pair in pairs.values()), rank)
        self._layers = {name: _LoraLinear(layer, self.rank) for name, layer in linear.items()}
        for name, pair in pairs.items():
            self._layers[name].load(pair.a, pair.b)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What is trained, all float32."""
        return [parameter for layer in self._layers.values() for parameter in (layer.a, layer.b)]

    def attach(self) -> None:
        """Have the model compute with the updates."""
        for name, layer in self._layers.items():
            self._model.set_submodule(name, layer)

    def detach(self) -> None:
        """Leave the model as it was."""
        for name, layer in self._layers.items():
            self._model.set_submodule(name, layer.base)

    def save(self, folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter_model.safetensors`` in PEFT's format."""
        tensors = {}
        for name, layer in self._layers.items():
            tensors[f"base_model.model.{name}.lora_A.weight"] = layer.a.detach().contiguous()
            tensors[f"base_model.model.{name}.lora_B.weight"] = layer.b.detach().contiguous()
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        LoraConfig(
            r=self.rank,
            lora_alpha=2 * self.rank,
            target_modules=sorted({name.rpartition(".")[2] for name in self._layers}),
            task_type="CAUSAL_LM",
            base_model_name_or_path=self._model.config.name_or_path or None,
            inference_mode=True,
        ).save_pretrained(str(folder))


class _LoraLinear(nn.Module):
    """x → W x + 2·B A x. ``a`` [rank, in], ``b`` [out, rank]."""

    SCALE = 2.0

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        device = base.weight.device
        self.a = nn.Parameter(torch.empty(rank, base.in_features, device=device))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank, device=device))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    @torch.no_grad()
    def load(self, a: torch.Tensor, scaled_b: torch.Tensor) -> None:
        self.a.copy_(a)
        self.b.copy_(scaled_b / self.SCALE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = _LoraProduct.apply(x, self.base.weight, self.base.bias, self.a, self.b, self.SCALE)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return result


class _LoraProduct(torch.autograd.Function):
    """y = x Wᵀ + bias + scale·(x Aᵀ) Bᵀ, with gradients of x, A and B."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        w: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        a_near, b_near = a.to(x.dtype), (scale * b).to(x.dtype)
        low = rows @ a_near.T
        y = functional.linear(rows, w, bias).addmm_(low, b_near.T)
        ctx.save_for_backward(rows, w, a_near, b_near, low)
        ctx.scale, ctx.shape = scale, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, w, a_near, b_near, low = ctx.saved_tensors
        g = gradients[0].reshape(-1, w.shape[0])
        g_low = g @ b_near
        gx = (g @ w).addmm_(g_low, a_near).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return gx, None, None, (g_low.T @ rows).float(), (g.T @ low).float().mul_(ctx.scale), None
