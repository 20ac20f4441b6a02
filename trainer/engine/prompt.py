"""A prompt as decoders take it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """Token ids, to be read with the adapter in `slot`; `adapter` is its name, None for the base model."""

    ids: tuple[int, ...]
    slot: int
    adapter: str | None
