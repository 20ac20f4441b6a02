"""One answer being written: what was asked for, the text as it arrives, and how it ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class GenerationRequest:
    """`adapter` None is the base model; `temperature` 0 is greedy; `seed` None draws a fresh one.

    The text ends before the first of the `stop` strings.
    """

    prompt_ids: tuple[int, ...]
    adapter: str | None = None
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


class FinishReason(StrEnum):
    STOP = "stop"  # the model ended its turn, or a stop string came
    LENGTH = "length"  # max_new_tokens, or the context is full
    CANCELLED = "cancelled"
    ERROR = "error"


class Generation:
    """The caller's end of a request. One consumer iterates (`for` or `async for`) over its pieces, or takes `text()`.

    Pieces never split a character and together are the answer. Iterating raises the error if the answer failed.
    `finish_reason` is None while it runs; `completion_tokens` counts the tokens chosen so far, the end token included.
    """

    def __init__(self, request: GenerationRequest) -> None:
        self.request = request
        self.finish_reason: FinishReason | None = None
        self.completion_tokens = 0
        self._changed = threading.Condition()
        self._pieces: list[str] = []
        self._error: Exception | None = None
        self._cancel_asked = threading.Event()
        self._wake: Callable[[], object] | None = None

    @property
    def prompt_tokens(self) -> int:
        return len(self.request.prompt_ids)

    @property
    def cancelled(self) -> bool:
        return self._cancel_asked.is_set()

    def cancel(self) -> None:
        """Stop writing at the next step; what was written stays readable. Does nothing when it has ended."""
        self._cancel_asked.set()

    def text(self) -> str:
        """Wait for the end; the whole answer."""
        return "".join(self)

    def __iter__(self) -> Iterator[str]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pieces or self.finish_reason)
                text, ended = self._take()
            if text:
                yield text
            if ended:
                return

    async def __aiter__(self) -> AsyncIterator[str]:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        with self._changed:
            self._wake = lambda: loop.call_soon_threadsafe(ready.set)
        while True:
            ready.clear()
            with self._changed:
                text, ended = self._take()
            if text:
                yield text
            if ended:
                return
            if not text:
                await ready.wait()

    def push(self, text: str) -> None:
        """For the engine: append a piece, perhaps empty."""
        if not text:
            return
        with self._changed:
            self._pieces.append(text)
            self._notify()

    def end(self, reason: FinishReason, error: Exception | None = None) -> None:
        """For the engine: nothing follows."""
        with self._changed:
            self.finish_reason = reason
            self._error = error
            self._notify()

    def _take(self) -> tuple[str, bool]:
        text = "".join(self._pieces)
        self._pieces.clear()
        ended = self.finish_reason is not None
        if ended and self._error is not None and not text:
            raise self._error
        return text, ended and self._error is None

    def _notify(self) -> None:
        self._changed.notify_all()
        if self._wake is not None:
            try:
                self._wake()
            except RuntimeError:  # the consumer's event loop has closed: nobody listens any more
                self._wake = None
                self._cancel_asked.set()
