"""Causal attention for short sequences on a processor: plain matrix products.

PyTorch's fused kernel saves memory that short sequences do not need, and its backward pass takes a third of a training step there;
this one takes a tenth (``docs/learning.md``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

LONGEST = 384  # tokens; beyond, the table of all pairs costs more than it saves
NAME = "short_causal"


def use_short_attention(model: PreTrainedModel) -> None:
    """Train this model so, where it is an ordinary causal one on a processor. Everything else stays as it was."""
    if model.device.type == "cpu" and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(NAME)


class _Causal(torch.autograd.Function):
    """``softmax(query @ key.T * scaling + mask) @ value``; all of [rows, heads, length, width], the softmax in float32."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float) -> torch.Tensor:
        scores = (query @ key.transpose(-1, -2)).float()
        shares = torch.softmax(scores.mul_(scaling).add_(_mask(query.shape[-2])), -1).to(query.dtype)
        ctx.save_for_backward(query, key, value, shares)
        ctx.scaling = scaling
        return shares @ value

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = gradients
        query, key, value, shares = ctx.saved_tensors
        of_shares = gradient @ value.transpose(-1, -2)
        of_scores = torch._softmax_backward_data(of_shares.float(), shares.float(), -1, torch.float32)
        of_scores = of_scores.mul_(ctx.scaling).to(query.dtype)
        return of_scores @ key, of_scores.transpose(-1, -2) @ query, shares.transpose(-1, -2) @ gradient, None


@lru_cache(maxsize=LONGEST)
def _mask(length: int) -> torch.Tensor:
    return torch.full((length, length), float("-inf")).triu(1)


def _short(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What transformers calls. What is not plain causal self-attention of a short sequence goes to PyTorch's own."""
    length = query.shape[2]
    if attention_mask is not None or key.shape[2] != length or length > LONGEST or dropout or scaling is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    shown: Any = _Causal.apply(query, key, value, scaling)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return shown.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, _short)
AttentionMaskInterface.register(NAME, sdpa_mask)
