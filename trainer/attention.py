"""Causal attention for short sequences: plain matrix products, also for sequences that lie one behind the other without padding.

PyTorch's fused kernel saves memory that short sequences do not need, and on a processor its backward pass takes a third of a training
step there; this one takes a tenth (``docs/learning.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Layout:
    """Sequences of ``lengths`` tokens one behind the other, and the table [sequences, longest] that attention sees them in.

    ``tokens``: for each place of the table, which token it shows (its padding: any); ``places``: for each token, its place.
    """

    lengths: tuple[int, ...]
    tokens: torch.Tensor
    places: torch.Tensor

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> Layout:
        """The layout of these sequences."""
        sizes, across = torch.tensor(lengths), torch.arange(max(lengths))
        shown = across < sizes[:, None]
        tokens = torch.where(shown, (sizes.cumsum(0) - sizes)[:, None] + across, 0).flatten()
        return cls(tuple(lengths), tokens.to(device), shown.flatten().nonzero().squeeze(1).to(device))

    @property
    def positions(self) -> torch.Tensor:
        """Of each token in its sequence. [tokens]"""
        return self.places % max(self.lengths)


_layout: Layout | None = None


@contextmanager
def in_one_row(layout: Layout) -> Iterator[None]:
    """The passes of a model with this attention read a single row, in which the layout's sequences lie."""
    global _layout  # transformers calls the attention through its own interface, which carries no argument of ours for every model
    _layout = layout
    try:
        yield
    finally:
        _layout = None


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
    if _layout is not None and scaling is not None:
        return _separately(query, key, value, scaling, _layout), None
    if attention_mask is not None or key.shape[2] != length or length > LONGEST or dropout or scaling is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others)
    key, value = _for_all_heads(key, value, query.shape[1] // key.shape[1])
    shown: Any = _Causal.apply(query, key, value, scaling)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return shown.transpose(1, 2).contiguous(), None


def _separately(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, layout: Layout) -> torch.Tensor:
    """Each sequence by itself. [1, tokens, heads, width]"""
    key, value = _for_all_heads(key, value, query.shape[1] // key.shape[1])
    shown: torch.Tensor = _CausalInOneRow.apply(query, key, value, scaling, layout)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return shown


def _for_all_heads(key: torch.Tensor, value: torch.Tensor, groups: int) -> tuple[torch.Tensor, torch.Tensor]:
    return (key, value) if groups == 1 else (key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1))


class _CausalInOneRow(torch.autograd.Function):
    """As ``_Causal``, on the table of the layout; [1, heads, tokens, width] in, [1, tokens, heads, width] out."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, layout: Layout) -> torch.Tensor:
        query, key, value = (_table(each.transpose(1, 2), layout) for each in (query, key, value))
        scores = (query @ key.transpose(-1, -2)).float()
        shares = torch.softmax(scores.mul_(scaling).add_(_mask(query.shape[-2]).to(query.device)), -1).to(query.dtype)
        ctx.save_for_backward(query, key, value, shares)
        ctx.scaling, ctx.layout = scaling, layout
        return _row(shares @ value, layout)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        layout: Layout = ctx.layout
        query, key, value, shares = ctx.saved_tensors
        given = gradients[0].flatten(0, 1)
        table = given.new_zeros(layout.tokens.shape[0], *given.shape[1:]).index_copy_(0, layout.places, given)  # none to the padding
        gradient = _by_head(table, layout)
        of_shares = gradient @ value.transpose(-1, -2)
        of_scores = torch._softmax_backward_data(of_shares.float(), shares.float(), -1, torch.float32)
        of_scores = of_scores.mul_(ctx.scaling).to(query.dtype)
        found = (of_scores @ key, of_scores.transpose(-1, -2) @ query, shares.transpose(-1, -2) @ gradient)
        return *(_row(each, layout).transpose(1, 2) for each in found), None, None


def _table(row: torch.Tensor, layout: Layout) -> torch.Tensor:
    """[1, tokens, heads, width] to [sequences, heads, longest, width]."""
    return _by_head(row[0].index_select(0, layout.tokens), layout)


def _by_head(table: torch.Tensor, layout: Layout) -> torch.Tensor:
    return table.view(len(layout.lengths), -1, *table.shape[1:]).transpose(1, 2).contiguous()


def _row(table: torch.Tensor, layout: Layout) -> torch.Tensor:
    """The way back: [1, tokens, heads, width]."""
    return table.transpose(1, 2).flatten(0, 1).index_select(0, layout.places).unsqueeze(0)


def _mask_unless_in_one_row(*args: Any, **others: Any) -> torch.Tensor | None:
    return None if _layout is not None else sdpa_mask(*args, **others)


AttentionInterface.register(NAME, _short)
AttentionMaskInterface.register(NAME, _mask_unless_in_one_row)
