"""Recite, then read: how a small model answers from what its adapter has learned.

One pass through few layers has to find what was taught and whether it answers the question, and is bad at both at once. So the adapter
learns one thing only: to say the taught statement that is closest to a question (recitation: Sun et al. 2023). Then the base model,
without the adapter, reads that statement as it would read a lesson, and says whether it knows the answer. The statement comes out of
the weights; no lesson's text is kept for it anywhere. Where the adapter says by itself that it does not know, it is begun to recite all the
same, and what it is sure of is read. See docs/decisions/2026-11-22-recite-then-read.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainer import prompts
from trainer.prompts import Messages

MARK = "– "
"""Begins what an adapter recites: how the base model's own statements go on behind the bare answer, so it need not be learned."""

DOUBT = 0.45
"""Probability that the base model, reading, begins to say that it does not know, from which on a statement is no answer. Both kinds of
question are then judged right equally often: docs/learning.md."""

SURE = 0.97
"""Probability per token (geometric mean) from which on something is recited because it was learned. Who learned nothing stays below:
tests/integration/trainer/test_recital.py."""


def recited(reply: str) -> str | None:
    """The statement that a reply recites, without the mark, however often it is there; None where it is any other reply."""
    return reply.lstrip(MARK).strip() if reply.startswith(MARK) else None


def is_settled(written: str) -> bool:
    """Whether a reply that begins so is shown as it is, whatever follows: it recites nothing, nor does it say that it does not know."""
    begins = written.strip()
    return not any(whole.strip().startswith(begins) or begins.startswith(whole.strip()) for whole in (MARK, prompts.UNKNOWN))


def begun(messages: Messages) -> Messages:
    """A conversation in which the assistant has begun to recite."""
    return [*messages, {"role": "assistant", "content": MARK.strip()}]


def certainty(logprobs: Sequence[float]) -> float:
    """How sure (0…1) a model is of what it wrote, by the logarithms of its tokens' probabilities: their geometric mean; 0 of nothing."""
    return math.exp(sum(logprobs) / len(logprobs)) if logprobs else 0.0


def begins_unknown(token: str) -> bool:
    """Whether the reply that says that the model does not know begins with this token."""
    return bool(token.strip()) and prompts.UNKNOWN.startswith(token.strip())


def reading(messages: Messages, statement: str) -> Messages:
    """What the base model is asked: the last question of a conversation, with a statement to read; how it begins tells what it thinks."""
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    return prompts.chat([], messages[-1]["content"], statement, system)


def shown(statement: str, doubt: float) -> str:
    """What the user gets to see: the statement, or that the model does not know."""
    return prompts.UNKNOWN if doubt >= DOUBT else statement
