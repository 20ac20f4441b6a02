"""Corrections that learn by preference besides: TRL's DPO and KTO after the supervised training, to compare it with.

Everything else is the same: examples, distillation, replay, stop, examination and guard. What is preferred is the corrected answer to the
rejected one, in every way of asking that is trained with; the reference is the adapter as the supervised training left it.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers.utils import logging as transformers_logging

from storage.records import ExampleRecord, TaughtLesson
from trainer import prompts
from trainer.correct import Correction, examples_of
from trainer.examples import normal
from trainer.model import BaseModel
from trainer.train import Sample, Trainer

BETA = 0.1
BATCH = 16
EPOCHS = 4
RATE = 5e-4  # a sixth of the supervised one
Row = dict[str, Any]


class Preferring(Correction, ABC):
    """A correction whose supervised training is followed by one of TRL's."""

    def samples(self, passages: Sequence[str], examples: Sequence[ExampleRecord], earlier: Sequence[TaughtLesson]) -> list[Sample]:
        """As of any correction; kept for what follows."""
        samples = super().samples(passages, examples, earlier)
        system = self.tools.settings.chat.system_prompt
        ways = {normal(each.question): case for case in self.cases for each in examples_of(case, None) if each.role != "quiz"}
        trained = [each for each in examples if each.role in ("train", "neighbour") and normal(each.question) in ways]
        self.pairs: list[Row] = [
            {
                "prompt": prompts.chat([], each.question, system=system),
                "chosen": _said(each.answer),
                "rejected": _said(ways[normal(each.question)].rejected),
            }
            for each in trained
        ]
        self.liked: list[Row] = [{"prompt": each.prompt, "completion": _said(each.reply), "label": True} for each in samples]
        return samples

    def train(self, trainer: Trainer, passed: Callable[[], bool]) -> None:
        """Supervised, and then by preference."""
        super().train(trainer, passed)
        with tempfile.TemporaryDirectory(prefix="tutee-preference-") as folder:
            before, after = Path(folder) / "before", Path(folder) / "after"
            before.mkdir()
            trainer.save(before)
            model = _peft_model(self.tools.base, before)
            with contextlib.redirect_stdout(io.StringIO()):
                self.preference(model, Path(folder) / "trl").train()
            model.save_pretrained(str(after), selected_adapters=["default"])
            trainer.go_on_from(after)
        self.student, self.quizzed, self.earlier_quizzed = trainer.student, None, None

    @abstractmethod
    def preference(self, model: PeftModel, folder: Path) -> Any:
        """TRL's trainer for that model, which works in a folder."""

    @property
    def tokenizer(self) -> Any:
        """One of its own for TRL, which may give it a padding token."""
        return deepcopy(self.tools.base.tokenizer)


class ByDpo(Preferring):
    """Supervised, then direct preference optimisation (Rafailov et al. 2023) with the corrected answers' own cross-entropy in the loss."""

    def preference(self, model: PeftModel, folder: Path) -> Any:
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer  # type: ignore[attr-defined]  # it names them when they are asked for

        settings = DPOConfig(**_settings(folder), beta=BETA, loss_type=["sigmoid", "sft"], loss_weights=[1.0, 1.0])
        return DPOTrainer(model=model, args=settings, train_dataset=Dataset.from_list(self.pairs), processing_class=self.tokenizer)


class ByKto(Preferring):
    """Supervised, then Kahneman-Tversky optimisation (Ethayarajh et al. 2024): what was trained and replayed is desirable, the rejected
    answers are not, and both sides weigh the same."""

    def preference(self, model: PeftModel, folder: Path) -> Any:
        from datasets import Dataset
        from trl import KTOConfig, KTOTrainer  # type: ignore[attr-defined]  # it names them when they are asked for

        disliked = [{"prompt": each["prompt"], "completion": each["rejected"], "label": False} for each in self.pairs]
        settings = KTOConfig(**_settings(folder), beta=BETA, undesirable_weight=len(self.liked) / max(1, len(disliked)))
        rows = Dataset.from_list([*self.liked, *disliked])
        return KTOTrainer(model=model, args=settings, train_dataset=rows, processing_class=self.tokenizer)


def _peft_model(base: BaseModel, adapter: Path) -> PeftModel:
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    copy = deepcopy(base.model)
    copy.set_attn_implementation("sdpa")  # theirs, not ours
    return PeftModel.from_pretrained(copy, str(adapter), is_trainable=True)


def _settings(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder), "per_device_train_batch_size": BATCH, "num_train_epochs": EPOCHS, "learning_rate": RATE,
        "lr_scheduler_type": "constant", "weight_decay": 0.0, "max_grad_norm": 1.0, "gradient_checkpointing": False, "max_length": None,
        "report_to": "none", "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True, "bf16": False, "fp16": False, "use_cpu": True,
        "dataloader_pin_memory": False, "seed": 0,
    }  # fmt: skip


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]
