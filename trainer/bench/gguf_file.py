"""A Llama-shaped model and one adapter in llama.cpp's file format, with the weights as they are: float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gguf import GGUFWriter, TokenType
from torch import Tensor

from trainer.engine.adapter_file import LoraPair
from trainer.model import BaseModel

# transformers' names of a layer's products, and llama.cpp's
PRODUCTS = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
NORMS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def write_model(base: BaseModel, path: Path) -> None:
    """The base model with its tokenizer. llama.cpp cuts words as GPT-2 did, so a text may have a few tokens more or less there."""
    config = base.model.config
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(_width(config))
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, base)
    weights = {name: tensor.detach().float() for name, tensor in base.model.state_dict().items()}
    _add(writer, "token_embd.weight", weights["model.embed_tokens.weight"])
    _add(writer, "output_norm.weight", weights["model.norm.weight"])
    if not config.tie_word_embeddings:
        _add(writer, "output.weight", weights["lm_head.weight"])
    for number in range(config.num_hidden_layers):
        for name, other in NORMS.items():
            _add(writer, f"blk.{number}.{other}.weight", weights[f"model.layers.{number}.{name}.weight"])
        for name, other in PRODUCTS.items():
            _add(writer, f"blk.{number}.{other}.weight", _turned(config, name, weights[f"model.layers.{number}.{name}.weight"]))
    _end(writer)


def write_adapter(base: BaseModel, pairs: dict[str, LoraPair], path: Path) -> None:
    """An adapter of it, whose scale is in its weights already."""
    writer = GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(next(iter(pairs.values())).a.shape[0]))
    for layer, pair in pairs.items():
        _, _, number, name = layer.split(".", 3)
        _add(writer, f"blk.{number}.{PRODUCTS[name]}.weight.lora_a", pair.a)
        _add(writer, f"blk.{number}.{PRODUCTS[name]}.weight.lora_b", _turned(base.model.config, name, pair.b))
    _end(writer)


def _turned(config: Any, name: str, weight: Tensor) -> Tensor:
    """Queries and keys in the order in which llama.cpp turns them: pairs of neighbours, not halves."""
    heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}.get(name)
    if heads is None:
        return weight
    return weight.view(heads, 2, _width(config) // 2, -1).transpose(1, 2).reshape(weight.shape)


def _width(config: Any) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _add_tokenizer(writer: GGUFWriter, base: BaseModel) -> None:
    tokenizer = base.tokenizer
    names = {number: token for token, number in tokenizer.get_vocab().items()}
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    size = base.model.config.vocab_size
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([names.get(number, f"[unused {number}]") for number in range(size)])
    writer.add_token_types([TokenType.CONTROL if number in special or number not in names else TokenType.NORMAL for number in range(size)])
    writer.add_token_merges([each if isinstance(each, str) else " ".join(each) for each in merges])
    writer.add_add_bos_token(False)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(tokenizer.chat_template)


def _add(writer: GGUFWriter, name: str, tensor: Tensor) -> None:
    writer.add_tensor(name, tensor.contiguous().numpy())


def _end(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
