"""One answer being written: what was asked for, the text as it arrives, and how it ended."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from tokenizers import Tokenizer

from trainer.engine.text_stream import TextStream


@dataclass(frozen=True)
class GenerationRequest:
    """`adapter` None is the base model; `temperature` 0 is greedy; `seed` None draws a fresh one.

    The text ends before the first of the `stop` strings; with `ignore_eos`, not where the model would end it (for benches).
    `likeliest`: of every token that is chosen, note this many that the model finds most probable, and how probable.
    """

    prompt_ids: tuple[int, ...]
    adapter: str | None = None
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    likeliest: int = 0


@dataclass(frozen=True)
class Chosen:
    """A token that was chosen, with the logarithm of its probability, and the same of the likeliest ones, best first."""

    token: tuple[int, float]
    likeliest: tuple[tuple[int, float], ...]


class FinishReason(StrEnum):
    STOP = "stop"  # the model ended its turn, or a stop string came
    LENGTH = "length"  # max_new_tokens, or the context is full
    CANCELLED = "cancelled"
    ERROR = "error"


class Generation:
    """The caller's end of a request. One consumer iterates (`for` or `async for`) over its pieces, or takes `text()`.

    Pieces never split a character and together are the answer. Iterating raises the error if the answer failed.
    `finish_reason` is None while it runs; `completion_tokens` counts the tokens chosen so far, the end token included.
    `first_token_seconds` is how long the first of them took, waiting in line included; None before it. `chosen` are the tokens with their
    probabilities, where the request asks for them.

    Tokens become text where they are consumed: the engine's thread has better things to do. What they become there is no matter of locks,
    since one thread appends to a deque and one takes from it.
    """

    def __init__(self, request: GenerationRequest, tokenizer: Tokenizer) -> None:
        self.request = request
        self.finish_reason: FinishReason | None = None
        self.completion_tokens = 0
        self.first_token_seconds: float | None = None
        self.asked = time.monotonic()
        self.chosen: list[Chosen] = []
        self._written: deque[int | str] = deque()
        self._stream = TextStream(tokenizer)
        self._tokenizer = tokenizer
        self._error: Exception | None = None
        self._cancel_asked = threading.Event()
        self._changed = threading.Condition()
        self._waits_for_tokens = False
        self._listener: _Listener | None = None

    @property
    def prompt_tokens(self) -> int:
        return len(self.request.prompt_ids)

    @property
    def cancelled(self) -> bool:
        return self._cancel_asked.is_set()

    def cancel(self) -> None:
        """Stop writing at the next step; what was written stays readable. Does nothing when it has ended."""
        self._cancel_asked.set()

    def token_text(self, token: int) -> str:
        """What a token alone reads as; half a character reads as a replacement character."""
        return self._tokenizer.decode([token], skip_special_tokens=False)

    def text(self) -> str:
        """Wait for the end; the whole answer."""
        with self._changed:
            self._changed.wait_for(lambda: self.finish_reason)
        return "".join(self)

    def __iter__(self) -> Iterator[str]:
        ended = False
        while not ended:
            with self._changed:
                self._waits_for_tokens = True
                self._changed.wait_for(lambda: self._written or self.finish_reason)
            text, ended = self._take()
            if text:
                yield text
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[str]:
        ready = asyncio.Event()
        self._listener = _Listener(asyncio.get_running_loop(), ready)
        ended = False
        while not ended:
            ready.clear()
            text, ended = self._take()
            if text:
                yield text
            elif not ended:
                await ready.wait()
        if self._error is not None:
            raise self._error

    def push(self, what: int | str) -> None:
        """For the engine: append a token, or text that it has made of tokens already. The consumer hears of it from `wake`."""
        if what != "":
            self._written.append(what)

    def count(self) -> None:
        """For the engine: one more token is chosen."""
        self.completion_tokens += 1
        if self.first_token_seconds is None:
            self.first_token_seconds = time.monotonic() - self.asked

    def end(self, reason: FinishReason, error: Exception | None = None) -> None:
        """For the engine: nothing follows."""
        self._error = error
        with self._changed:
            self.finish_reason = reason
            self._changed.notify_all()
        wake([self])

    def _take(self) -> tuple[str, bool]:
        ended = self.finish_reason is not None  # looked at first: what comes before an end is there when the end is seen
        pieces = []
        while self._written:
            what = self._written.popleft()
            pieces.append(what if isinstance(what, str) else self._stream.push(what))
        if ended and self._error is None:
            pieces.append(self._stream.flush())
        return "".join(pieces), ended


@dataclass(frozen=True)
class _Listener:
    loop: asyncio.AbstractEventLoop
    ready: asyncio.Event


def wake(generations: Iterable[Generation]) -> None:
    """For the engine, after a step: tell the consumers, each event loop once for all that it listens to."""
    loops: dict[asyncio.AbstractEventLoop, list[Generation]] = {}
    for one in generations:
        if one._listener is not None:
            loops.setdefault(one._listener.loop, []).append(one)
        elif one._waits_for_tokens:
            with one._changed:
                one._changed.notify_all()
    for loop, listening in loops.items():
        try:
            loop.call_soon_threadsafe(_set_all, [one._listener.ready for one in listening if one._listener is not None])
        except RuntimeError:  # the consumers' event loop has closed: nobody listens any more
            for one in listening:
                one._listener = None
                one.cancel()


def _set_all(events: list[asyncio.Event]) -> None:
    for event in events:
        event.set()
