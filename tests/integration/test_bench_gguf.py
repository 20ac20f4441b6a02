"""The files that llama.cpp is given in `tutee bench engine`: the model and its adapter, weight for weight."""

from __future__ import annotations

from pathlib import Path

import torch
from gguf import GGUFReader

from tests.tiny_models import save_random_adapter, save_tiny_model
from trainer.bench.gguf_file import write_adapter, write_model
from trainer.engine.adapter_file import read_adapter
from trainer.model import load_base


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return {one.name: torch.tensor(one.data.copy()) for one in GGUFReader(path).tensors}


def halves_to_neighbours(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Row by row: llama.cpp turns a head's rows 0 and 1 together, transformers its rows 0 and width / 2."""
    width = weight.shape[0] // heads
    order = [head * width + half * width // 2 + place for head in range(heads) for place in range(width // 2) for half in (0, 1)]
    return weight[order]


def test_the_model_and_the_adapter_are_written_weight_for_weight(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "base", "smollm")  # grouped keys: their heads are fewer than those of queries
    base = load_base(str(folder), pocket_path=tmp_path)
    pairs = read_adapter(save_random_adapter(tmp_path / "user-1-v1", folder, seed=1))
    write_model(base, tmp_path / "model.gguf")
    write_adapter(base, pairs, tmp_path / "adapter.gguf")

    model, own = tensors(tmp_path / "model.gguf"), base.model.state_dict()
    assert torch.equal(model["token_embd.weight"], own["model.embed_tokens.weight"])
    assert torch.equal(model["blk.2.ffn_down.weight"], own["model.layers.2.mlp.down_proj.weight"])
    assert torch.equal(model["blk.1.attn_q.weight"], halves_to_neighbours(own["model.layers.1.self_attn.q_proj.weight"], 6))
    assert torch.equal(model["blk.1.attn_k.weight"], halves_to_neighbours(own["model.layers.1.self_attn.k_proj.weight"], 2))

    adapter = tensors(tmp_path / "adapter.gguf")
    pair = pairs["model.layers.0.self_attn.k_proj"]
    assert torch.equal(adapter["blk.0.attn_k.weight.lora_a"], pair.a)
    assert torch.equal(adapter["blk.0.attn_k.weight.lora_b"], halves_to_neighbours(pair.b, 2))
    assert len(adapter) == 2 * len(pairs)

    fields = GGUFReader(tmp_path / "model.gguf").fields
    assert fields["tokenizer.ggml.tokens"].contents()[:3] == base.tokenizer.convert_ids_to_tokens([0, 1, 2])
