"""The rows that are being written now: prompts come in together, then every step adds one token to each row."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from trainer.engine.generation import FinishReason, Generation
from trainer.engine.residency import Residency
from trainer.engine.row_cache import RowCache
from trainer.engine.sampling import Sampler, choose_tokens
from trainer.engine.text_stream import TextStream
from trainer.errors import GenerationFailedError, TrainerError
from trainer.model import BaseModel, eos_ids

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Row:
    """One running answer. `length` tokens of it are in the cache; `token` is chosen but not in the cache yet."""

    generation: Generation
    slot: int
    text: TextStream
    sampler: Sampler
    length: int = 0
    token: int = 0


class RunningBatch:
    """At most `max_rows` rows of at most `max_context` tokens. Not thread-safe: one thread owns it and the model."""

    def __init__(self, base: BaseModel, residency: Residency | None, *, max_rows: int, max_context: int) -> None:
        self.max_rows = max_rows
        self.rows: list[Row] = []
        self._max_context = max_context
        self._residency = residency
        self._model = base.model
        self._head: nn.Module = base.model.get_output_embeddings()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        self._eos = eos_ids(base)
        self._cache = RowCache(base.model.config.get_text_config(), max_rows, max_context)

    def join(self, generations: list[tuple[Generation, int]], tokenizer: Tokenizer) -> None:
        """Read the prompts of `generations`, each with its acquired slot, together, and choose their first tokens."""
        rows = [Row(one, slot, TextStream(tokenizer, one.request.stop), _sampler(one)) for one, slot in generations]
        self._read_prompts(rows)

    def step(self) -> None:
        """One more token for every row. A row whose pass fails ends alone with an error."""
        for row in [row for row in self.rows if row.generation.cancelled]:
            self._leave(row, FinishReason.CANCELLED)
        if not self.rows:
            return
        outcomes = list(zip(self.rows, self._next_logits(0, len(self.rows)), strict=True))
        kept = [(row, outcome) for row, outcome in outcomes if isinstance(outcome, Tensor)]
        for row, _ in kept:  # before any row leaves, since that may move these, with the token that they just gained
            row.length += 1
        for row, outcome in outcomes:
            if isinstance(outcome, Exception):
                self._fail(row, outcome)
        if kept:
            self._choose([row for row, _ in kept], torch.stack([logits for _, logits in kept]))

    def fail_all(self, error: Exception) -> None:
        """End every row with `error`."""
        rows, self.rows = self.rows, []
        for row in rows:
            self._fail(row, error)

    def _read_prompts(self, rows: list[Row]) -> None:
        try:
            logits = self._prompt_logits(rows)
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

    def _prompt_logits(self, rows: list[Row]) -> Tensor:
        """[rows, vocabulary], after the last token of each prompt.

        Prompts are padded on the right, where causal attention never looks, so no mask is needed; the tokens that
        follow overwrite the padding's keys.
        """
        prompts = [row.generation.request.prompt_ids for row in rows]
        longest = max(map(len, prompts))
        ids = torch.tensor([[*prompt, *[0] * (longest - len(prompt))] for prompt in prompts], device=self._model.device)
        last = torch.tensor([len(prompt) - 1 for prompt in prompts], device=self._model.device)
        self._use_slots(rows)
        self._cache.expect_prompts(len(self.rows), len(rows), longest)

        def only_last(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (args[0][torch.arange(len(rows), device=last.device), last].unsqueeze(1),)

        # The vocabulary is the widest product of all; each prompt needs it for one position, a different one in each.
        hook = self._head.register_forward_pre_hook(only_last)
        try:
            output = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True)
        finally:
            hook.remove()
        logits: Tensor = output.logits[:, 0].float()
        return logits

    def _next_logits(self, first: int, end: int) -> list[Tensor | Exception]:
        """Logits [vocabulary] of rows first … end - 1, or why one has none: the batch is halved to find the culprit."""
        try:
            return list(self._token_logits(first, self.rows[first:end]))
        except Exception as error:
            log.exception("a step failed, rows=%d", end - first)
            if end - first == 1:
                return [error]
            middle = (first + end) // 2
            return [*self._next_logits(first, middle), *self._next_logits(middle, end)]

    def _token_logits(self, first: int, rows: list[Row]) -> Tensor:
        device = self._model.device
        positions = torch.tensor([row.length for row in rows])
        ids = torch.tensor([[row.token] for row in rows], device=device)
        self._use_slots(rows)
        self._cache.expect_tokens(first, positions, device)
        seen = torch.arange(int(positions.max()) + 1) <= positions[:, None]
        output = self._model(
            input_ids=ids,
            position_ids=positions[:, None].to(device),
            attention_mask=seen[:, None, None, :].to(device),
            past_key_values=self._cache,
            use_cache=True,
        )
        logits: Tensor = output.logits[:, -1].float()
        return logits

    def _use_slots(self, rows: list[Row]) -> None:
        if self._residency is not None:
            self._residency.bank.use(torch.tensor([row.slot for row in rows]))

    def _choose(self, rows: list[Row], logits: Tensor) -> None:
        for row, token in zip(rows, choose_tokens(logits, [row.sampler for row in rows]), strict=True):
            try:
                self._append(row, token)
            except Exception as error:
                log.exception("a token could not be added")
                self._fail(row, error)

    def _append(self, row: Row, token: int | None) -> None:
        if token is None:
            raise ArithmeticError("the logits are not numbers")
        row.token = token
        generation = row.generation
        generation.completion_tokens += 1
        if token in self._eos:
            self._leave(row, FinishReason.STOP)
            return
        generation.push(row.text.push(token))
        if row.text.stopped:
            self._leave(row, FinishReason.STOP)
        elif generation.completion_tokens >= generation.request.max_new_tokens or row.length + 1 >= self._max_context:
            self._leave(row, FinishReason.LENGTH)

    def _fail(self, row: Row, error: Exception) -> None:
        self._leave(row, FinishReason.ERROR, as_engine_error(error))

    def _leave(self, row: Row, reason: FinishReason, error: Exception | None = None) -> None:
        """The last row takes the place that becomes free, so that the running rows always lie side by side."""
        if row in self.rows:
            place, last = self.rows.index(row), self.rows[-1]
            if last is not row:
                self._cache.move(len(self.rows) - 1, place, last.length)
                self.rows[place] = last
            self.rows.pop()
        if self._residency is not None:
            self._residency.release(row.generation.request.adapter)
        if error is None:
            row.generation.push(row.text.flush())
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
