"""A Llama-shaped model as plain weights: what is left of it when its modules' own ways are taken out.

The modules of transformers spend more time between the products of a small model than in them, and do every product alone.
"""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from trainer.engine.adapter_bank import AdapterBank, plain
from trainer.engine.packed_linear import PackedLinear, can_pack
from trainer.model import BaseModel

log = logging.getLogger(__name__)

KINDS = ("llama", "mistral", "qwen2", "qwen3")
ROPES = ("default", "linear", "llama3")  # their angles do not depend on the length of the conversation
PACK_BYTES = 2**31  # a larger model's weights are not copied
PROBE = (3, 1, 4, 1, 5, 9, 2, 6)

Names = tuple[str, ...]


@dataclass(frozen=True)
class PackedLayer:
    """One layer. `names`: the tables of adapters for the four products, in their order."""

    names: tuple[Names, Names, Names, Names]
    before_attention: Tensor
    qkv: PackedLinear
    query_norm: Tensor | None
    key_norm: Tensor | None
    output: PackedLinear
    before_inner: Tensor
    gate_up: PackedLinear
    down: PackedLinear


@dataclass(frozen=True)
class PackedModel:
    """The model's weights and shape; `embed` and `rotary` are its own modules, and `epsilon` that of its norms."""

    embed: nn.Module
    rotary: nn.Module
    layers: tuple[PackedLayer, ...]
    norm: Tensor
    head: PackedLinear
    heads: int
    kv_heads: int
    width: int
    epsilon: float
    device: torch.device
    dtype: torch.dtype


# A model's packed form, or None for one that has been found not to have any. Its weights are frozen, so it never changes.
_packed: weakref.WeakKeyDictionary[PreTrainedModel, PackedModel | None] = weakref.WeakKeyDictionary()


def packed(base: BaseModel, bank: AdapterBank | None) -> PackedModel | None:
    """The packed form of the base model; None where it is of another shape, or where something is attached to its layers."""
    if not _is_plain(base.model):
        return None
    if base.model not in _packed:
        _packed[base.model] = _pack(base.model)
    found = _packed[base.model]
    if found is None or (bank is not None and any(name not in bank.tables for layer in found.layers for name in layer.names)):
        return None
    return found


def _is_plain(model: PreTrainedModel) -> bool:
    """Whether the model's linear layers are its own, or in a bank. While a lesson is trained, its adapter is attached to them."""
    config = model.config
    if config.model_type not in KINDS or getattr(config, "hidden_act", None) != "silu":
        return False
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") not in ROPES:
        return False
    return all(type(plain(layer)) is nn.Linear for layer in _products(model))


def _products(model: Any) -> list[nn.Module]:
    found = []
    for layer in model.model.layers:
        attention, inner = layer.self_attn, layer.mlp
        found += [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj, inner.gate_proj, inner.up_proj, inner.down_proj]
    return found


@torch.inference_mode()
def _pack(model: Any) -> PackedModel | None:
    """None where the packed form does not compute what the model computes: a kind may have varieties that are not known here."""
    from trainer.engine.packed_decoder import PackedDecoder  # it computes with what is made here
    from trainer.engine.prompt import Prompt

    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    pack = can_pack(model) and size <= PACK_BYTES

    def linear(*layers: nn.Module) -> PackedLinear:
        return PackedLinear([_linear(layer) for layer in layers], pack=pack)

    def layer_of(number: int, layer: Any) -> PackedLayer:
        attention, inner = layer.self_attn, layer.mlp
        near = f"model.layers.{number}"
        qkv = tuple(f"{near}.self_attn.{one}" for one in ("q_proj", "k_proj", "v_proj"))
        return PackedLayer(
            names=(qkv, (f"{near}.self_attn.o_proj",), (f"{near}.mlp.gate_proj", f"{near}.mlp.up_proj"), (f"{near}.mlp.down_proj",)),
            before_attention=layer.input_layernorm.weight,
            qkv=linear(attention.q_proj, attention.k_proj, attention.v_proj),
            query_norm=attention.q_norm.weight if hasattr(attention, "q_norm") else None,
            key_norm=attention.k_norm.weight if hasattr(attention, "k_norm") else None,
            output=linear(attention.o_proj),
            before_inner=layer.post_attention_layernorm.weight,
            gate_up=linear(inner.gate_proj, inner.up_proj),
            down=linear(inner.down_proj),
        )

    config = model.config
    weights = PackedModel(
        embed=model.get_input_embeddings(),
        rotary=model.model.rotary_emb,
        layers=tuple(layer_of(number, layer) for number, layer in enumerate(model.model.layers)),
        norm=model.model.norm.weight,
        head=linear(model.get_output_embeddings()),
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        width=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        epsilon=config.rms_norm_eps,
        device=model.device,
        dtype=model.dtype,
    )
    expected = model(input_ids=torch.tensor([PROBE], device=model.device), use_cache=False).logits[0, -1].float()
    found = PackedDecoder(weights, None, rows=1, max_context=len(PROBE)).read(0, [Prompt(PROBE, 0, None)])[0]
    if not torch.allclose(found, expected, rtol=1e-2, atol=_tolerance(expected, model.dtype)):
        log.warning("the packed form differs from the model, which is served through its modules, difference=%s", (found - expected).abs().max())
        return None
    return weights


def _tolerance(logits: Tensor, dtype: torch.dtype) -> float:
    return float(logits.abs().max()) * (1e-4 if dtype == torch.float32 else 5e-2)


def _linear(module: nn.Module) -> nn.Linear:
    found = plain(module)
    assert isinstance(found, nn.Linear)
    return found
