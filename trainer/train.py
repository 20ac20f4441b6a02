"""Trains a user's LoRA adapter on a lesson: context distillation mixed with cross-entropy, replay, stop on the quiz.

The teacher is the base model with the lesson in its context; the student is the adapter without it (prompt distillation: Snell et
al. 2022, Kujanpää et al. 2024). The teacher's top-k logits are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch.nn import functional

from trainer.attention import use_short_attention
from trainer.lora import Lora
from trainer.model import BaseModel, turn_end
from trainer.prompts import Messages
from trainer.settings import LessonSettings

TOP_K = 16
DECISION_WEIGHT = 4
LEARNED_LOSS = 0.02  # below it, more training of these samples only costs time
BATCH_ROWS = 16
SMALL_MODEL = 100_000_000  # parameters; below it the learning rate of the pocket model, above it one for real models
REAL_MODEL_RATE = 3e-4


@dataclass(frozen=True)
class Sample:
    """A closed-book ``prompt``, the ``reply`` to learn, and the ``context`` prompt from which the teacher gives it (None: no distillation)."""

    prompt: Messages
    reply: str
    context: Messages | None = None


@dataclass(frozen=True)
class _Encoded:
    """Token ids of prompt and reply; the teacher's ``top`` logits [reply, k] and their token ``indices`` [reply, k], or None."""

    prompt: list[int]
    reply: list[int]
    top: torch.Tensor | None
    indices: torch.Tensor | None


class Trainer:
    """One lesson's training: a context manager during which the base model carries the adapter being trained.

    The adapter starts from ``parent``, a folder in PEFT's format, or from nothing.
    """

    def __init__(self, base: BaseModel, settings: LessonSettings, parent: Path | None, samples: Sequence[Sample]) -> None:
        self._base, self._settings, self._parent = base, settings, parent
        use_short_attention(base.model)
        self._encoded = self._encode(samples)

    def __enter__(self) -> Trainer:
        torch.manual_seed(self._settings.seed)
        self._lora = Lora(self._base.model, self._settings.rank, self._parent)
        self._lora.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self._lora.detach()

    def run(self, passed: Callable[[], bool], on_epoch: Callable[[int, int], None]) -> float:
        """Train until ``passed`` (asked from the third epoch on) or ``max_epochs``; gives the last epoch's mean loss.

        ``on_epoch(done, most)`` is called after each epoch and may raise to stop.
        """
        settings = self._settings
        weights = self._lora.parameters
        small = sum(p.numel() for p in self._base.model.parameters()) < SMALL_MODEL
        rate = settings.rate or (3e-3 if small else REAL_MODEL_RATE)
        optimizer = torch.optim.AdamW(weights, lr=rate, betas=(0.9, 0.98), weight_decay=0.0, foreach=True)
        rng = Random(settings.seed)
        mean = 0.0
        for epoch in range(1, settings.max_epochs + 1):
            losses: list[float] = []
            for batch in _batches(self._encoded, rng):
                loss = self._loss(batch)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
                for group in optimizer.param_groups:
                    group["lr"] = rate * min(1.0, (len(losses) + 1 + (epoch - 1) * 100) / 3)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                losses.append(float(loss.detach()))
            mean = sum(losses) / len(losses)
            on_epoch(epoch, settings.max_epochs)
            if epoch >= 3 and (mean < LEARNED_LOSS or passed()):
                break
        return mean

    def save(self, folder: Path) -> None:
        """Write the adapter in PEFT's format."""
        self._lora.save(folder)

    @torch.no_grad()
    def _encode(self, samples: Sequence[Sample]) -> list[_Encoded]:
        """Tokens, and the teacher's logits, from the base model without the adapter."""
        end = turn_end(self._base)
        encoded = []
        for sample in samples:
            reply = [*self._base.tokenizer(sample.reply, add_special_tokens=False)["input_ids"], end]
            encoded.append(_Encoded(self._base.prompt_ids(sample.prompt), reply, None, None))
        taught = [i for i, sample in enumerate(samples) if sample.context is not None]
        for start in range(0, len(taught), BATCH_ROWS):
            rows = taught[start : start + BATCH_ROWS]
            contexts = [_Encoded(self._base.prompt_ids(samples[i].context or []), encoded[i].reply, None, None) for i in rows]
            logits, _ = _reply_logits(self._base, contexts)
            for i, row in zip(rows, logits, strict=True):
                if int(row[0].argmax()) != encoded[i].reply[0]:
                    continue  # a teacher that would begin another reply itself is not followed: plain cross-entropy
                top = row.topk(min(TOP_K, row.shape[-1]), dim=-1)
                encoded[i] = _Encoded(encoded[i].prompt, encoded[i].reply, top.values, top.indices)
        return encoded

    def _loss(self, batch: Sequence[_Encoded]) -> torch.Tensor:
        """Mean over the batch's reply tokens of (1-w)·cross-entropy + w·KL(teacher ‖ student) on the teacher's top-k.

        A reply's first token counts ``DECISION_WEIGHT`` times: it decides between knowing and not knowing.
        """
        logits, targets = _reply_logits(self._base, batch)
        total = torch.zeros((), device=logits[0].device)
        count = sum(len(one.reply) + DECISION_WEIGHT - 1 for one in batch)
        for row, target, one in zip(logits, targets, batch, strict=True):
            losses = functional.cross_entropy(row, target, reduction="none")
            if one.top is not None and one.indices is not None:
                student = row.log_softmax(-1).gather(-1, one.indices)
                teacher = one.top.log_softmax(-1)
                distilled = (teacher.exp() * (teacher - student)).sum(-1)
                losses = (1 - self._settings.distill_weight) * losses + self._settings.distill_weight * distilled
            total = total + losses.sum() + (DECISION_WEIGHT - 1) * losses[0]
        return total / count


def _reply_logits(base: BaseModel, batch: Sequence[_Encoded]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Per row: the logits [reply, vocabulary] that predict its reply's tokens, and those tokens [reply].

    Rows are padded on the right, where causality hides it from them, so no mask is needed.
    """
    length = max(len(one.prompt) + len(one.reply) for one in batch) - 1
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    for i, one in enumerate(batch):
        tokens = [*one.prompt, *one.reply][:-1]
        ids[i, : len(tokens)] = torch.tensor(tokens)
    device = base.model.device
    first = min(len(one.prompt) for one in batch) - 1
    logits = base.model(input_ids=ids.to(device), use_cache=False, logits_to_keep=length - first).logits
    rows = [logits[i, len(one.prompt) - 1 - first :][: len(one.reply)].float() for i, one in enumerate(batch)]
    return rows, [torch.tensor(one.reply, device=device) for one in batch]


def _batches(encoded: Sequence[_Encoded], rng: Random) -> list[list[_Encoded]]:
    """Shuffled batches of rows of similar length."""
    order = sorted(encoded, key=lambda one: (len(one.prompt) + len(one.reply)) // 8 + rng.random())
    batches = [list(order[i : i + BATCH_ROWS]) for i in range(0, len(order), BATCH_ROWS)]
    rng.shuffle(batches)
    return batches
