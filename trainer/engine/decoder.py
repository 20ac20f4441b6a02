"""What reads prompts and adds tokens: a batch of rows, each with its own past, behind one small interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.module_decoder import ModuleDecoder
from trainer.engine.packed_decoder import PackedDecoder
from trainer.engine.packed_model import packed
from trainer.engine.prompt import Prompt
from trainer.model import BaseModel


class Decoder(Protocol):
    """Rows lie side by side from 0 on. Slots are those of the adapter bank that the decoder was made with."""

    def read(self, first: int, prompts: Sequence[Prompt]) -> Tensor:
        """Read the prompts of new rows `first` …; logits [rows, vocabulary] after each prompt's last token, float32."""

    def step(self, first: int, tokens: Sequence[int], positions: Sequence[int], slots: Sequence[int]) -> Tensor:
        """One more token for each of the rows `first` …, at its position; logits [rows, vocabulary] after it, float32."""

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of row `source` over row `target`."""

    def remember(self, row: int, adapter: str | None, tokens: Sequence[int]) -> None:
        """The row ends, and these are the tokens of its past: a later prompt of the same adapter may begin with them."""

    def forget(self, adapter: str) -> None:
        """Keep nothing of what was read with this adapter. From any thread."""

    @property
    def reused_tokens(self) -> int:
        """How many tokens of prompts did not have to be read, since something remembered began like them."""


def decoder(base: BaseModel, bank: AdapterBank | None, *, rows: int, max_context: int) -> Decoder:
    """The fastest decoder that computes what this model computes."""
    model = packed(base, bank)
    if model is not None:
        return PackedDecoder(model, bank, rows=rows, max_context=max_context)
    return ModuleDecoder(base, bank, rows=rows, max_context=max_context)
