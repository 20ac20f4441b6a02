"""What this machine could reach at most: the speed of its matrix products and of its memory, measured, and the work of a token."""

from __future__ import annotations

import timeit
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from trainer.bench.world import PROMPT_TOKENS, RANK
from trainer.engine.packed_linear import PackedLinear, can_pack


@dataclass(frozen=True)
class Hardware:
    """Operations and bytes per second of one process that uses all threads of torch."""

    operations: float
    bytes: float

    def or_better(self, other: Hardware) -> Hardware:
        """The best of two measurements: whatever else the machine does only makes it slower."""
        return Hardware(max(self.operations, other.operations), max(self.bytes, other.bytes))


def measure(dtype: torch.dtype, device: str) -> Hardware:
    """The best of some tries, within a second or two."""
    size = 1024 if device == "cpu" else 8192
    left = torch.randn(size, size, device=device).to(dtype)
    layer = torch.nn.Linear(size, size, bias=False, device=device, dtype=dtype).requires_grad_(False)
    right = PackedLinear([layer], pack=can_pack(layer))
    source = torch.empty(64 * 2**20 if device == "cpu" else 2**30, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def product() -> None:
        right(left)
        _wait(device)

    def copy() -> None:
        target.copy_(source)
        _wait(device)

    for run in (product, copy):
        run()  # the first time sets things up
    return Hardware(2 * size**3 / min(timeit.repeat(product, number=1, repeat=8)), 2 * source.numel() / min(timeit.repeat(copy, number=1, repeat=8)))


def tokens_per_second(hardware: Hardware, model: PreTrainedModel, users: int, adapters: int, new_tokens: int) -> float:
    """The speed at which `users` answers of `new_tokens` could be written, were each step to take no longer than its products or its bytes.

    A step reads all weights once, `adapters` adapters and, for every user, half of the longest answer's keys and values on average.
    """
    config = model.config.get_text_config()
    head = model.get_output_embeddings().weight  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    linear = [m for _, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m.weight is not head]
    size: int = head.element_size()
    weights = int(head.numel()) + sum(m.weight.numel() for m in linear)
    adapter = RANK * sum(m.in_features + m.out_features for m in linear) if adapters else 0
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    remembered = 2 * config.num_hidden_layers * config.num_key_value_heads * width * (PROMPT_TOKENS + new_tokens / 2)
    step_operations = 2 * users * (weights + adapter + remembered)
    step_bytes = size * (weights + adapters * adapter + users * remembered)
    step = max(step_operations / hardware.operations, step_bytes / hardware.bytes)
    prompts = 2 * users * PROMPT_TOKENS * (weights - head.numel() + adapter) / hardware.operations
    return float(users * new_tokens / (new_tokens * step + prompts))


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()
