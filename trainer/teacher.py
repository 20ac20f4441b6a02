"""Who writes the examples: the base model itself, in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from trainer.engine.generation import GenerationRequest
from trainer.lora import Lora
from trainer.model import BaseModel
from trainer.prompts import Messages
from trainer.together import Group


class Teacher(Protocol):
    """Completes many short conversations at once."""

    def complete(self, conversations: Sequence[Messages], *, temperature: float, max_tokens: int, seed: int) -> list[str]:
        """One reply per conversation, in their order. ``temperature`` 0 is greedy. Raises TeacherUnavailableError."""
        ...


class LocalTeacher:
    """The base model, without any adapter or with ``lora``, which is in the group's model."""

    def __init__(self, base: BaseModel, group: Group | None = None, lora: Lora | None = None) -> None:
        self._base, self._group, self._lora = base, group or Group(base), lora

    def complete(self, conversations: Sequence[Messages], *, temperature: float, max_tokens: int, seed: int) -> list[str]:
        requests = [
            GenerationRequest(tuple(self._base.prompt_ids(messages)), max_new_tokens=max_tokens, temperature=temperature, top_p=0.95, seed=seed + i)
            for i, messages in enumerate(conversations)
        ]
        return [reply.strip() for reply in self._group.complete(requests, self._lora)]


class RecordingTeacher:
    """A Teacher for tests: answers as ``reply`` says, keeps every conversation, or raises ``error``."""

    def __init__(self, reply: Callable[[Messages], str], error: Exception | None = None) -> None:
        self.reply, self.error = reply, error
        self.seen: list[Messages] = []

    def complete(self, conversations: Sequence[Messages], *, temperature: float, max_tokens: int, seed: int) -> list[str]:
        """As Teacher.complete."""
        if self.error is not None:
            raise self.error
        self.seen += conversations
        return [self.reply(messages) for messages in conversations]
