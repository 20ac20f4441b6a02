"""What people would use instead, as arms of the bench: PEFT in two ways, a plain loop over stacked adapters, transformers' own batching."""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import DynamicCache, GenerationConfig, PreTrainedModel
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from trainer.bench.report import Figures, Stopwatch
from trainer.bench.world import PROMPT_TOKENS, World
from trainer.engine.adapter_file import read_adapter
from trainer.model import BaseModel

PAGE = 32


class Peft:
    """PEFT on a model of its own, which it changes: `mixed` answers all users in one batch, otherwise each after the other."""

    def __init__(self, world: World, base: BaseModel, *, mixed: bool) -> None:
        self._world, self._base, self._mixed = world, base, mixed
        self._model: Any = None

    def run(self, users: int) -> Figures:
        """Everyone's answer, greedy."""
        names = self._load(users)
        prompts = torch.tensor(self._world.prompts(users), device=self._base.model.device)
        with Stopwatch() as watch, torch.inference_mode():
            if self._mixed:
                self._generate(prompts, adapter_names=names)
            else:
                for name, prompt in zip(names, prompts, strict=True):
                    self._model.set_adapter(name)
                    self._generate(prompt[None])
        return watch.speed(users * self._world.new_tokens)

    def close(self) -> None:
        """The model goes with this object."""

    def _generate(self, prompts: Tensor, **kinds: Any) -> None:
        new = self._world.new_tokens
        written = self._model.generate(
            input_ids=prompts, attention_mask=torch.ones_like(prompts), do_sample=False, max_new_tokens=new, min_new_tokens=new, **kinds
        )
        assert written.shape[1] == prompts.shape[1] + new

    def _load(self, users: int) -> list[str]:
        names = self._world.adapters(users)
        for name in names:
            folder = str(self._world.store.path(name))
            if self._model is None:
                self._model = PeftModel.from_pretrained(self._base.model, folder, adapter_name=name).eval()
            elif name not in self._model.peft_config:
                self._model.load_adapter(folder, adapter_name=name)
        return names


class Stacked:
    """Everyone's adapters stacked for torch.bmm, in a plain loop of the model with a cache that grows: the probe to start from."""

    def __init__(self, world: World, base: BaseModel) -> None:
        self._world, self._base = world, base
        self._layers = _wrap(base.model)

    def run(self, users: int) -> Figures:
        """Everyone's answer, greedy, all of one length."""
        for index, (name, layer) in enumerate(self._layers.items()):
            if layer.a is None or layer.a.shape[0] != users:
                if index == 0:
                    pairs = [read_adapter(self._world.store.path(one)) for one in self._world.adapters(users)]
                weight = layer.base.weight
                layer.a = torch.stack([pair[name].a.T for pair in pairs]).to(weight)
                layer.b = torch.stack([pair[name].b.T for pair in pairs]).to(weight)
        ids = torch.tensor(self._world.prompts(users), device=self._base.model.device)
        with Stopwatch() as watch, torch.inference_mode():
            cache = DynamicCache(config=self._base.model.config)
            for _ in range(self._world.new_tokens):
                logits = self._base.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
                ids = logits[:, -1].argmax(-1, keepdim=True)
            ids.tolist()
        return watch.speed(users * self._world.new_tokens)

    def close(self) -> None:
        """The model goes with this object."""


class Transformers:
    """transformers' continuous batching, which knows no adapters: everyone is answered by the base model."""

    def __init__(self, world: World, base: BaseModel, most_users: int) -> None:
        self._world, self._model = world, base.model
        new = world.new_tokens
        # Left alone, it takes most of the machine's memory. A block holds PAGE tokens of one answer.
        blocks = most_users * (2 + (PROMPT_TOKENS + new) // PAGE)
        self._memory = ContinuousBatchingConfig(page_size=PAGE, num_blocks=blocks, max_batch_tokens=2048)
        # No token is numbered -1, so every answer has its full length.
        kinds = {"do_sample": False, "eos_token_id": -1, "pad_token_id": base.tokenizer.pad_token_id or 0}
        self._settings = GenerationConfig(max_new_tokens=new, **kinds)  # type: ignore[no-untyped-call]  # transformers leaves it untyped

    def run(self, users: int) -> Figures:
        """Everyone's answer, greedy."""
        prompts = [list(ids) for ids in self._world.prompts(users)]
        model: Any = self._model
        with Stopwatch() as watch, torch.no_grad():  # its own tensors outlive a batch, which inference mode would not allow
            answers = model.generate_batch(inputs=prompts, generation_config=self._settings, continuous_batching_config=self._memory)
        written = sum(len(one.generated_tokens) for one in answers.values())
        assert written == users * self._world.new_tokens
        return watch.speed(written)

    def close(self) -> None:
        """Its thread ends with each batch."""


class _Layer(nn.Module):
    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.a: Tensor | None = None  # [users, in, rank]
        self.b: Tensor | None = None  # [users, rank, out]

    def forward(self, x: Tensor) -> Tensor:
        assert self.a is not None
        assert self.b is not None
        y: Tensor = self.base(x)
        return y + torch.bmm(torch.bmm(x, self.a), self.b)


def _wrap(model: PreTrainedModel) -> dict[str, _Layer]:
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear) and module is not head}
    layers = {name: _Layer(module) for name, module in linear.items()}
    for name, layer in layers.items():
        model.set_submodule(name, layer)
    return layers
