"""What the arms of `tutee bench engine` are given: a base model, adapters of random numbers for its users, and prompts of one length."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from storage.artifacts import ArtifactStore
from trainer.computing import Shape
from trainer.errors import TrainerError
from trainer.model import BaseModel

RANK = 16
PROMPT_TOKENS = 40
# Llama-shaped: hidden size, inner size, layers, heads, key/value heads, vocabulary.
SHAPES = {
    "10m": (320, 864, 6, 5, 5, 4096),
    "135m": (576, 1536, 30, 9, 3, 49152),
    "8b": (4096, 14336, 32, 32, 8, 128256),
}
WORDS = (
    "cat train garden coffee music doctor river window paper bread summer winter friend city mountain letter engine "
    "school market island bridge candle forest harbour kitchen language morning number office picture question"
)


class BenchError(TrainerError):
    """The bench cannot run as asked."""


@dataclass
class World:
    """`base` with the adapters `user-0-v1` … in `store`. Prompts are fresh at every call, so that nobody can answer from memory."""

    base: BaseModel
    store: ArtifactStore
    new_tokens: int = 64
    _random: Random = field(default_factory=lambda: Random(0))

    def __post_init__(self) -> None:
        self._shapes = linear_shapes(self.base.model)  # now: an engine will wrap the layers

    def adapters(self, count: int) -> list[str]:
        """The names of the first `count` users' adapters, which are written when first asked for."""
        names = [f"user-{number}-v1" for number in range(count)]
        for number, name in enumerate(names):
            if not self.store.exists(name):
                self.store.write(name, lambda folder, seed=number: save_random_adapter(folder, self._shapes, seed))  # type: ignore[misc]  # a default binds
        return names

    def stored(self, count: int) -> list[str]:
        """`count` adapters in the store, most of them the same few files under other names: a disk has no room for more."""
        sources = self.adapters(min(count, 16))
        names = [f"stored-{number}" for number in range(count)]
        for number, name in enumerate(names):
            if not self.store.exists(name):
                source = self.store.path(sources[number % len(sources)])
                folder = self.store.root / name
                folder.mkdir()
                for file in source.iterdir():
                    os.link(file, folder / file.name)
        return names

    def messages(self, count: int) -> list[list[dict[str, str]]]:
        """Conversations of one message, all with PROMPT_TOKENS tokens in the model's own chat format."""
        return [self._message() for _ in range(count)]

    def prompts(self, count: int) -> list[tuple[int, ...]]:
        """The token ids of such conversations."""
        return [tuple(self.base.prompt_ids(message)) for message in self.messages(count)]

    def _message(self) -> list[dict[str, str]]:
        words = [self._random.choice(WORDS.split())]
        for _ in range(10 * PROMPT_TOKENS):
            message = [{"role": "user", "content": " ".join(words)}]
            length = len(self.base.prompt_ids(message))
            if length == PROMPT_TOKENS:
                return message
            words = [*words, self._random.choice(WORDS.split())] if length < PROMPT_TOKENS else words[: self._random.randrange(1, len(words) + 1)]
        raise BenchError(f"The tokenizer of {self.base.name} makes no prompt of {PROMPT_TOKENS} tokens. Choose another base model.")


def synthetic(size: str, tokenizer_folder: Path, dtype: torch.dtype, device: str) -> BaseModel:
    """A model of random weights with one of SHAPES; its tokenizer is that of `tokenizer_folder`."""
    hidden, inner, layers, heads, kv_heads, vocabulary = SHAPES[size]
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        tie_word_embeddings=size != "8b",
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = LlamaForCausalLM._from_config(config, dtype=dtype, attn_implementation="sdpa")  # type: ignore[no-untyped-call]  # untyped there
    return BaseModel(f"synthetic-{size}", model.eval().requires_grad_(False), tokenizer)


def shape(size: str) -> Shape:
    """That of the model of random weights."""
    hidden, inner, layers, *_ = SHAPES[size]
    return Shape(hidden, inner, layers)


def linear_shapes(model: PreTrainedModel) -> dict[str, tuple[int, int]]:
    """The linear layers that an adapter changes (PEFT's "all-linear"), each with its inputs and outputs."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    linear = ((name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear) and module is not head)
    return {name: (module.in_features, module.out_features) for name, module in linear}


def save_random_adapter(folder: Path, shapes: dict[str, tuple[int, int]], seed: int, rank: int = RANK) -> None:
    """Write an adapter on all linear layers in PEFT's format, with updates about as large as those of a trained one."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, (inputs, outputs) in shapes.items():
        tensors[f"base_model.model.{name}.lora_A.weight"] = torch.randn(rank, inputs, generator=generator) * inputs**-0.5
        tensors[f"base_model.model.{name}.lora_B.weight"] = torch.randn(outputs, rank, generator=generator) * 0.02
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "task_type": "CAUSAL_LM", "bias": "none", "inference_mode": True,
        "target_modules": sorted({name.rpartition(".")[2] for name in shapes}),
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
