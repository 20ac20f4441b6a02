"""Any model that transformers can run, through its own modules, which an adapter bank has wrapped."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.prompt import Prompt
from trainer.engine.row_cache import RowCache
from trainer.model import BaseModel


class ModuleDecoder:
    """At most `rows` rows of at most `max_context` tokens."""

    reused_tokens = 0

    def __init__(self, base: BaseModel, bank: AdapterBank | None, *, rows: int, max_context: int) -> None:
        self._bank = bank
        self._model = base.model
        self._head: nn.Module = base.model.get_output_embeddings()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        self._cache = RowCache(base.model.config.get_text_config(), rows, max_context)

    def read(self, first: int, prompts: Sequence[Prompt]) -> Tensor:
        """As Decoder.read.

        Prompts are padded on the right, where causal attention never looks, so no mask is needed; the tokens that
        follow overwrite the padding's keys.
        """
        longest = max(len(prompt.ids) for prompt in prompts)
        ids = torch.tensor([[*prompt.ids, *[0] * (longest - len(prompt.ids))] for prompt in prompts], device=self._model.device)
        last = torch.tensor([len(prompt.ids) - 1 for prompt in prompts], device=self._model.device)
        self._use([prompt.slot for prompt in prompts])
        self._cache.expect_prompts(first, len(prompts), longest)

        def only_last(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (args[0][torch.arange(len(prompts), device=last.device), last].unsqueeze(1),)

        # The vocabulary is the widest product of all; each prompt needs it for one position, a different one in each.
        hook = self._head.register_forward_pre_hook(only_last)
        try:
            output = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True)
        finally:
            hook.remove()
        logits: Tensor = output.logits[:, 0].float()
        return logits

    def step(self, first: int, tokens: Sequence[int], positions: Sequence[int], slots: Sequence[int]) -> Tensor:
        """As Decoder.step."""
        device = self._model.device
        at = torch.tensor(positions)
        self._use(slots)
        self._cache.expect_tokens(first, at, device)
        seen = torch.arange(int(at.max()) + 1) <= at[:, None]
        output = self._model(
            input_ids=torch.tensor(tokens, device=device)[:, None],
            position_ids=at[:, None].to(device),
            attention_mask=seen[:, None, None, :].to(device),
            past_key_values=self._cache,
            use_cache=True,
        )
        logits: Tensor = output.logits[:, -1].float()
        return logits

    def move(self, source: int, target: int, length: int) -> None:
        """As Decoder.move."""
        self._cache.move(source, target, length)

    def remember(self, row: int, adapter: str | None, tokens: Sequence[int]) -> None:
        """Nothing is remembered: what a prompt of many rows is read with has no place for another past."""

    def forget(self, adapter: str) -> None:
        """There is nothing to forget."""

    def _use(self, slots: Sequence[int]) -> None:
        if self._bank is not None:
            self._bank.use(torch.tensor(slots))
