"""Trains a user's LoRA adapter on a lesson: context distillation mixed with cross-entropy, replay, stop on the quiz.

The teacher is the base model with the lesson in its context; the student is the adapter without it (prompt distillation: Snell et
al. 2022, Kujanpää et al. 2024). The teacher's top-k logits are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.attention import use_short_attention
from trainer.engine.adapter_file import read_adapter
from trainer.model import BaseModel, turn_end
from trainer.prompts import Messages
from trainer.settings import LessonSettings
from trainer.steps import Encoded, Learner
from trainer.teacher import LocalTeacher
from trainer.together import Group

LEARNED_LOSS = 0.02  # below it, more training of these samples only costs time
FIRST_EXAM = 3  # epoch after which the student is asked for the first time whether it knows enough
REAL_MODEL_RATE = 3e-4


@dataclass(frozen=True)
class Sample:
    """A closed-book ``prompt``, the ``reply`` to learn, and the ``context`` prompt from which the teacher gives it (None: no distillation)."""

    prompt: Messages
    reply: str
    context: Messages | None = None


class Trainer:
    """One lesson's training: a context manager during which there is a ``student``, the base model with the adapter being trained.

    The adapter starts from ``parent``, a folder in PEFT's format, or from nothing. ``group``: who else uses the model meanwhile.
    """

    student: LocalTeacher

    def __init__(self, base: BaseModel, settings: LessonSettings, parent: Path | None, samples: Sequence[Sample], group: Group | None = None) -> None:
        self._base, self._settings, self._parent = base, settings, parent
        self._group = group or Group(base)
        use_short_attention(base.model)
        self._encoded = self._encode(samples)

    def __enter__(self) -> Trainer:
        self.go_on_from(self._parent)
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing: the model carries an adapter only while it trains and answers."""

    def run(self, passed: Callable[[], bool], on_epoch: Callable[[int, int], None]) -> float:
        """Train until ``passed`` (asked from epoch FIRST_EXAM on) or ``max_epochs``; gives the last epoch's mean loss.

        ``on_epoch(done, most)`` is called after each epoch and may raise to stop.
        """
        settings = self._settings
        rate = settings.rate or (3e-3 if self._base.is_small else REAL_MODEL_RATE)
        learner = Learner(self._lora, self._encoded, rate=rate, distill_weight=settings.distill_weight, seed=settings.seed)
        mean = 0.0
        for epoch in range(1, settings.max_epochs + 1):
            mean = self._group.epoch(learner)
            on_epoch(epoch, settings.max_epochs)
            if epoch >= FIRST_EXAM and (mean < LEARNED_LOSS or passed()):
                break
        return mean

    def go_on_from(self, folder: Path | None) -> None:
        """Have the adapter in a folder, in PEFT's format, or a new one, be the one that is trained."""
        self._lora = self._group.add(self._settings.rank, self._settings.seed, folder)
        self.student = LocalTeacher(self._base, self._group, self._lora)

    def join(self, folder: Path) -> None:
        """Add the update of the adapter in a folder, in PEFT's format, to the one that is trained."""
        self._lora.join(read_adapter(folder))

    def save(self, folder: Path) -> None:
        """Write the adapter in PEFT's format."""
        self._lora.save(folder, self._base.model.config.name_or_path or None)

    def _encode(self, samples: Sequence[Sample]) -> list[Encoded]:
        """Tokens, and the teacher's logits, from the base model without the adapter."""
        end = turn_end(self._base)
        rows = [Encoded(self._base.prompt_ids(sample.prompt), [*self._base.text_ids(sample.reply), end]) for sample in samples]
        contexts = [None if sample.context is None else self._base.prompt_ids(sample.context) for sample in samples]
        return self._group.encode(rows, contexts) if rows else []
