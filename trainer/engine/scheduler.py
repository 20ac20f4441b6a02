"""Continuous batching: requests join and leave the running batch between steps, in one thread that owns the model."""

from __future__ import annotations

import logging
import sys
import threading
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from trainer.computing import Computing
from trainer.engine.adapter_table import BASE_SLOT
from trainer.engine.generation import FinishReason, Generation, GenerationRequest
from trainer.engine.line import Line
from trainer.engine.metrics import Metrics
from trainer.engine.residency import Residency
from trainer.engine.running_batch import RunningBatch, as_engine_error
from trainer.errors import (
    AdapterNotFoundError,
    ContextTooLongError,
    EngineBusyError,
    EngineStoppedError,
    UnsupportedModelError,
)
from trainer.model import BaseModel

log = logging.getLogger(__name__)

# Prompt tokens that are read between two steps: enough to keep the processor full, few enough that the answers already
# running do not visibly stop. A longer prompt is read alone.
PROMPT_TOKENS_PER_STEP = 512

RESTARTING = "The model is being restarted. Please ask again in a moment."


@dataclass(frozen=True)
class EngineStatus:
    """What the engine is doing now; `computing` says with what numbers and threads, `resident` are the adapters in memory."""

    model: str
    computing: str
    resident: list[str]
    running: int
    waiting: int


class Scheduler:
    """Answers requests with `base` and, given a `residency`, with the adapters in it.

    `max_batch` rows run at once and `max_waiting` wait; `max_context` (tokens, prompt and answer) is lowered to what
    the model can. Call `start` to serve from a thread, or `drain` to work in the calling thread; `close` at the end.
    Raises UnsupportedModelError for a model without an ordinary attention cache.
    """

    def __init__(
        self,
        base: BaseModel,
        residency: Residency | None = None,
        *,
        max_batch: int = 16,
        max_waiting: int = 64,
        max_context: int = 2048,
    ) -> None:
        self.base = base
        self.max_context = min(max_context, _model_context(base))
        self._residency = residency
        self._max_waiting = max_waiting
        self._metrics = Metrics()
        self._batch = RunningBatch(base, residency, max_rows=max_batch, max_context=self.max_context, metrics=self._metrics)
        self._tokenizer: Tokenizer = base.tokenizer.backend_tokenizer
        self._waiting = Line()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> Scheduler:
        """Serve from a thread of its own until `close`."""
        # Tokenizer objects refuse to be changed in one thread while another one reads them, so this thread gets a copy.
        self._tokenizer = Tokenizer.from_str(self._tokenizer.to_str())
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop at once; unfinished answers end with EngineStoppedError."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        stopped = EngineStoppedError(RESTARTING)
        self._batch.fail_all(stopped)
        with self._changed:
            left = list(self._waiting)
            self._waiting = Line()
        for one in left:
            one.end(FinishReason.ERROR, stopped)

    def submit(self, request: GenerationRequest) -> Generation:
        """Put the request in line. Safe from any thread; may fetch the adapter's files.

        Raises ContextTooLongError, AdapterNotFoundError, EngineStoppedError, or EngineBusyError when the line is full.
        """
        room = self.max_context - len(request.prompt_ids)
        if room < 1:
            raise ContextTooLongError(
                f"The conversation is too long: it has {len(request.prompt_ids)} tokens, and the model reads "
                f"{self.max_context - 1}. Start a new conversation or shorten the message."
            )
        if not request.prompt_ids or request.max_new_tokens < 1:
            raise ValueError("a request needs at least one prompt token and one new token")
        if request.adapter is not None:
            if self._residency is None:
                raise AdapterNotFoundError("This engine serves the base model only.", request.adapter)
            self._residency.prepare(request.adapter)
        generation = Generation(request, self._tokenizer)
        with self._changed:
            if self._closed:
                raise EngineStoppedError(RESTARTING)
            if len(self._waiting) >= self._max_waiting:
                self._metrics.refuse()
                raise EngineBusyError("Too many people are asking at the moment. Please try again shortly.")
            self._waiting.append(generation)
            self._changed.notify_all()
        return generation

    def drain(self) -> None:
        """Work in the calling thread until nothing runs or waits."""
        while self._waiting or self._batch.rows:
            self.step()

    @torch.inference_mode()
    def step(self) -> None:
        """Let requests join, then write one token for every running row."""
        joining = self._next_joining()
        if joining:
            self._batch.join(joining, self._tokenizer)
        self._batch.step()

    def unload(self, adapter: str) -> bool:
        """Erase an adapter from memory, before its files are deleted. False while an answer is written with it."""
        if self._residency is not None and not self._residency.unload(adapter):
            return False
        self._batch.forget(adapter)
        return True

    def status(self) -> EngineStatus:
        resident = [] if self._residency is None else self._residency.resident
        return EngineStatus(self.base.name, str(Computing.of(self.base.model)), resident, len(self._batch.rows), len(self._waiting))

    def metrics(self) -> str:
        """Counters, the time to the first token and the present speed, as Prometheus reads them."""
        status = self.status()
        moment = {"running": len(self._batch.rows), "waiting": status.waiting, "resident_adapters": len(status.resident)}
        return self._metrics.text({**moment, "reused_prompt_tokens": self._batch.reused_tokens})

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting or self._batch.rows)
                if self._closed:
                    return
            try:
                self.step()
            except Exception as error:  # the thread must outlive whatever one batch did
                log.exception("the engine lost its running batch")
                self._batch.fail_all(error)

    def _next_joining(self) -> list[tuple[Generation, int]]:
        """Requests that join now, in their turns, with the slots of their adapters."""
        joining: list[tuple[Generation, int]] = []
        longest = 0
        self._drop_cancelled()
        while len(self._batch.rows) + len(joining) < self._batch.max_rows and self._waiting:
            with self._changed:
                first = self._waiting.first()
            longest = max(longest, first.prompt_tokens)
            if joining and longest * (len(joining) + 1) > PROMPT_TOKENS_PER_STEP:
                break
            try:
                slot = BASE_SLOT if self._residency is None else self._residency.acquire(first.request.adapter)
            except Exception as error:  # this adapter cannot be loaded; the requests behind it can be answered
                log.warning("adapter not loaded, adapter=%s error=%s", first.request.adapter, error)
                self._take(first)
                first.end(FinishReason.ERROR, as_engine_error(error))
                continue
            if slot is None:
                break
            self._take(first)
            joining.append((first, slot))
        return joining

    def _take(self, generation: Generation) -> None:
        with self._changed:
            self._waiting.remove(generation)

    def _drop_cancelled(self) -> None:
        with self._changed:
            dropped = [one for one in self._waiting if one.cancelled]
            for one in dropped:
                self._waiting.remove(one)
        for one in dropped:
            one.end(FinishReason.CANCELLED)


def _model_context(base: BaseModel) -> int:
    """Tokens that the model can read at once, exactly: a sliding window counts as the end of its context."""
    config = base.model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or [])
    if not kinds <= {"full_attention", "sliding_attention"}:
        raise UnsupportedModelError(f"The engine cannot serve {base.name}: it needs a model with ordinary attention layers.", str(sorted(kinds)))
    limits = [getattr(config, "max_position_embeddings", None), getattr(config, "sliding_window", None)]
    return min((limit for limit in limits if limit), default=sys.maxsize)
