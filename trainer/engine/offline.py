"""Many generations at once without a server: the trainer asks hundreds of short questions and waits for all."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainer.engine.adapter_table import BASE_SLOT
from trainer.engine.generation import Generation, GenerationRequest
from trainer.engine.residency import Residency
from trainer.engine.scheduler import Scheduler
from trainer.model import BaseModel


def generate_batch(base: BaseModel, requests: Sequence[GenerationRequest], residency: Residency | None = None, *, max_batch: int = 64) -> list[str]:
    """The texts of `requests`, in their order, written in the calling thread with `max_batch` rows at a time.

    Raises what the first failed request raised: the errors of Scheduler.submit and of single generations.
    """
    return [one.text() for one in generations(base, requests, residency, max_batch=max_batch)]


def generations(
    base: BaseModel, requests: Sequence[GenerationRequest], residency: Residency | None = None, *, max_batch: int = 64
) -> list[Generation]:
    """As `generate_batch`, but with all that is known of each; a failed one raises when its text is taken."""
    if not requests:
        return []
    longest = max(len(one.prompt_ids) + one.max_new_tokens for one in requests)
    scheduler = Scheduler(base, residency, max_batch=min(max_batch, len(requests)), max_waiting=len(requests), max_context=longest)
    ended: dict[int, Generation] = {}
    try:
        # Prompts of similar length are read together, which wastes least on padding.
        for index in sorted(range(len(requests)), key=lambda index: len(requests[index].prompt_ids), reverse=True):
            ended[index] = scheduler.submit(requests[index])
        scheduler.drain()
    finally:
        scheduler.close()
        if residency is not None:
            residency.bank.use(torch.tensor([BASE_SLOT]))
    return [ended[index] for index in range(len(requests))]
