"""Who writes the examples: the base model itself, in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from trainer.engine.generation import Generation, GenerationRequest
from trainer.lora import Lora
from trainer.model import BaseModel
from trainer.prompts import UNKNOWN, Messages
from trainer.recall import MARK, SURE, begun, certainty, reading, recited, shown
from trainer.together import Group

Write = Callable[[Sequence[Messages], int], Sequence[Generation]]
"""Writes what follows conversations, in their order; the number is GenerationRequest's ``likeliest``."""


class Teacher(Protocol):
    """Completes many short conversations at once."""

    def complete(self, conversations: Sequence[Messages], *, temperature: float, max_tokens: int, seed: int) -> list[str]:
        """One reply per conversation, in their order. ``temperature`` 0 is greedy. Raises TeacherUnavailableError."""
        ...

    def doubts(self, conversations: Sequence[Messages]) -> list[float]:
        """How probable it is (0…1), for each conversation, that the base model begins to say that it does not know."""
        ...


class LocalTeacher:
    """The base model, without any adapter or with ``lora``, which is in the group's model; what that recites is read before it counts."""

    def __init__(self, base: BaseModel, group: Group | None = None, lora: Lora | None = None) -> None:
        self._base, self._group, self._lora = base, group or Group(base), lora

    def complete(self, conversations: Sequence[Messages], *, temperature: float, max_tokens: int, seed: int) -> list[str]:
        def write(asked: Sequence[Messages], likeliest: int = 0) -> list[Generation]:
            how: dict[str, Any] = {"max_new_tokens": max_tokens, "temperature": temperature, "top_p": 0.95, "likeliest": likeliest}
            ids = [tuple(self._base.prompt_ids(messages)) for messages in asked]
            return self._group.complete([GenerationRequest(each, seed=seed + i, **how) for i, each in enumerate(ids)], self._lora)

        return [one.text().strip() for one in write(conversations)] if self._lora is None else self.as_shown(conversations, write)

    def doubts(self, conversations: Sequence[Messages]) -> list[float]:
        return self._group.beginnings([self._base.prompt_ids(each) for each in conversations], self._base.text_ids(UNKNOWN)[0])

    def as_shown(self, conversations: Sequence[Messages], write: Write) -> list[str]:
        """What an adapter writes, as its user gets to see it: see recall.py."""
        replies = [one.text().strip() for one in write(conversations, 0)]
        silent = [place for place, reply in enumerate(replies) if reply == UNKNOWN]
        for place, one in zip(silent, write([begun(conversations[place]) for place in silent], 1), strict=True):
            said = one.text().strip()
            if said and certainty([each.token[1] for each in one.chosen]) >= SURE:
                replies[place] = MARK + said
        return self.read(conversations, replies)

    def read(self, conversations: Sequence[Messages], replies: Sequence[str]) -> list[str]:
        """The replies of an adapter with, of what is recited, only that in which the base model finds the answer."""
        recitals = {place: said for place, reply in enumerate(replies) if (said := recited(reply)) is not None}
        doubts = self.doubts([reading(conversations[place], said) for place, said in recitals.items()])
        seen = {place: shown(said, doubt) for (place, said), doubt in zip(recitals.items(), doubts, strict=True)}
        return [seen.get(place, reply) for place, reply in enumerate(replies)]


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

    def doubts(self, conversations: Sequence[Messages]) -> list[float]:
        """1 where ``reply`` says that it does not know, else 0."""
        return [float(self.reply(messages).startswith(UNKNOWN)) for messages in conversations]
