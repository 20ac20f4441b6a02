"""The rows that are being written now: prompts come in together, then every step adds one token to each row."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer
from torch import Tensor

from trainer.engine.decoder import decoder
from trainer.engine.generation import FinishReason, Generation, wake
from trainer.engine.metrics import Metrics
from trainer.engine.prompt import Prompt
from trainer.engine.residency import Residency
from trainer.engine.sampling import Sampler, choose_tokens, with_likeliest
from trainer.engine.text_stream import TextStream
from trainer.errors import GenerationFailedError, TrainerError
from trainer.model import BaseModel, eos_ids

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Row:
    """One running answer. `length` tokens of it are in the decoder; the last of `tokens` is chosen but not there yet.

    `text` finds the stop strings, where the request has any.
    """

    generation: Generation
    slot: int
    text: TextStream | None
    sampler: Sampler
    length: int = 0
    tokens: list[int] = field(default_factory=list)


class RunningBatch:
    """At most `max_rows` rows of at most `max_context` tokens. Not thread-safe: one thread owns it and the model."""

    def __init__(self, base: BaseModel, residency: Residency | None, *, max_rows: int, max_context: int, metrics: Metrics) -> None:
        self.max_rows = max_rows
        self.rows: list[Row] = []
        self._max_context = max_context
        self._residency = residency
        self._metrics = metrics
        self._eos = eos_ids(base)
        self._decoder = decoder(base, None if residency is None else residency.bank, rows=max_rows, max_context=max_context)

    @property
    def reused_tokens(self) -> int:
        """Tokens of prompts that did not have to be read again."""
        return self._decoder.reused_tokens

    def join(self, generations: list[tuple[Generation, int]], tokenizer: Tokenizer) -> None:
        """Read the prompts of `generations`, each with its acquired slot, together, and choose their first tokens."""
        rows = [Row(one, slot, TextStream(tokenizer, one.request.stop) if one.request.stop else None, _sampler(one)) for one, slot in generations]
        self._read_prompts(rows)
        wake(row.generation for row in rows)

    def step(self) -> None:
        """One more token for every row. A row whose pass fails ends alone with an error."""
        for row in [row for row in self.rows if row.generation.cancelled]:
            self._leave(row, FinishReason.CANCELLED)
        if not self.rows:
            return
        rows = list(self.rows)
        self._advance(rows, *self._next_logits(0, len(rows)))
        wake(row.generation for row in rows)

    def forget(self, adapter: str) -> None:
        """Keep nothing of what was read with this adapter. From any thread."""
        self._decoder.forget(adapter)

    def fail_all(self, error: Exception) -> None:
        """End every row with `error`."""
        rows, self.rows = self.rows, []
        for row in rows:
            self._fail(row, error)

    def _read_prompts(self, rows: list[Row]) -> None:
        prompts = [Prompt(row.generation.request.prompt_ids, row.slot, row.generation.request.adapter) for row in rows]
        try:
            logits = self._decoder.read(len(self.rows), prompts)
        except Exception as error:
            log.exception("reading prompts failed, rows=%d", len(rows))
            if len(rows) == 1:
                self._fail(rows[0], error)
            else:
                for row in rows:
                    self._read_prompts([row])
            return
        self.rows.extend(rows)
        for row in rows:
            row.length = row.generation.prompt_tokens
        self._choose(rows, logits)

    def _advance(self, rows: list[Row], logits: list[Tensor], failed: dict[int, Exception]) -> None:
        """Choose the rows' tokens; `failed` says by place why a row has no logits."""
        kept = [row for place, row in enumerate(rows) if place not in failed]
        for row in kept:  # before any row leaves, since that may move these, with the token that they just gained
            row.length += 1
        for place, error in failed.items():
            self._fail(rows[place], error)
        if kept:
            self._choose(kept, logits[0] if len(logits) == 1 else torch.cat(logits))

    def _next_logits(self, first: int, end: int) -> tuple[list[Tensor], dict[int, Exception]]:
        """Logits [rows, vocabulary] of the rows first … end - 1, and why some have none: the batch is halved to find the culprit."""
        rows = self.rows[first:end]
        try:
            tokens, positions, slots = [row.tokens[-1] for row in rows], [row.length for row in rows], [row.slot for row in rows]
            return [self._decoder.step(first, tokens, positions, slots)], {}
        except Exception as error:
            log.exception("a step failed, rows=%d", end - first)
            if end - first == 1:
                return [], {first: error}
            middle = (first + end) // 2
            (left, failed_left), (right, failed_right) = self._next_logits(first, middle), self._next_logits(middle, end)
            return left + right, failed_left | failed_right

    def _choose(self, rows: list[Row], logits: Tensor) -> None:
        self._metrics.step(len(rows))
        tokens = choose_tokens(logits, [row.sampler for row in rows])
        for place, (row, token) in enumerate(zip(rows, tokens, strict=True)):
            try:
                if row.generation.request.likeliest and token is not None:
                    row.generation.chosen.append(with_likeliest(logits[place], token, row.generation.request.likeliest))
                self._append(row, token)
            except Exception as error:
                log.exception("a token could not be added")
                self._fail(row, error)

    def _append(self, row: Row, token: int | None) -> None:
        if token is None:
            raise ArithmeticError("the logits are not numbers")
        generation, request = row.generation, row.generation.request
        row.tokens.append(token)
        generation.count()
        if token in self._eos and not request.ignore_eos:
            self._leave(row, FinishReason.STOP)
            return
        generation.push(token if row.text is None else row.text.push(token))
        if row.text is not None and row.text.stopped:
            self._leave(row, FinishReason.STOP)
        elif generation.completion_tokens >= request.max_new_tokens or row.length + 1 >= self._max_context:
            self._leave(row, FinishReason.LENGTH)

    def _fail(self, row: Row, error: Exception) -> None:
        self._leave(row, FinishReason.ERROR, as_engine_error(error))

    def _leave(self, row: Row, reason: FinishReason, error: Exception | None = None) -> None:
        """The last row takes the place that becomes free, so that the running rows always lie side by side."""
        request = row.generation.request
        if row in self.rows:
            place, last = self.rows.index(row), self.rows[-1]
            if error is None:
                self._decoder.remember(place, request.adapter, (*request.prompt_ids, *row.tokens)[: row.length])
            if last is not row:
                self._decoder.move(len(self.rows) - 1, place, last.length)
                self.rows[place] = last
            self.rows.pop()
        if self._residency is not None:
            self._residency.release(request.adapter)
        if error is None and row.text is not None:
            row.generation.push(row.text.flush())
        self._metrics.end(row.generation, reason)
        row.generation.end(reason, error)


def as_engine_error(error: Exception) -> TrainerError:
    """`error` itself if a user may see it, else one that says only that the answer failed, the cause in its detail."""
    if isinstance(error, TrainerError):
        return error
    detail = f"{type(error).__name__}: {error}"
    return GenerationFailedError("The answer could not be finished. Please ask again.", detail)


def _sampler(generation: Generation) -> Sampler:
    request = generation.request
    return Sampler(request.temperature, request.top_p, request.seed)
