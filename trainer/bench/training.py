"""`tutee bench training`: seconds of an epoch over many users' examples, beside what people would use instead.

Arms: ``tutee``, our steps, all users in one batch; ``tutee-alone``, our steps, one user after the other; ``peft-loop``, a plain loop
around PEFT with batches of similar length; ``trl-sft``, TRL's SFTTrainer without gradient checkpointing, where it is installed. All
train the same examples with the same optimiser, rates, batch size, rank and number of steps, on the completion only. What each sets
up before its first step is not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from random import Random
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from trainer import loading
from trainer.attention import use_short_attention
from trainer.bench import limit
from trainer.bench.report import Figures, Row, interleave, machine, numbers, show
from trainer.bench.world import RANK, WORDS, BenchError, shape, synthetic
from trainer.lora import Lora, LoraStack
from trainer.model import BaseModel, turn_end
from trainer.results import require_places, write_json
from trainer.settings import Settings
from trainer.steps import BATCH_ROWS, WARM_UP, Encoded, Learner, epochs
from trainer.train import REAL_MODEL_RATE

BETAS = (0.9, 0.98)
SMALL_RATE = 3e-3
COLUMNS: dict[str, Callable[[Any], str]] = {
    "trainer": str, "users": str, "examples": str, "dtype": str, "seconds_per_epoch": "{:.2f}".format, "final_loss": "{:.3f}".format,
    "limit_share": "{:.0%}".format, "times_ours": "{:.2f}".format,
}  # fmt: skip


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Measure with ``options`` (users, arms, epochs, examples, repeats, dtype, synthetic, json, plot) and show the table; 0 when done.

    Raises BenchError or ModelError.
    """
    users, wanted = numbers(options.users), options.arms.split(",")
    if unknown := set(wanted) - set(ARMS):
        raise BenchError(f"There is no arm {', '.join(sorted(unknown))}. Choose from {', '.join(ARMS)}.")
    require_places(options, BenchError)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    bench = Bench(settings, options)
    rows = [row for count in users for row in bench.measure(count, wanted)]
    report = {"machine": machine(), "threads": torch.get_num_threads(), "base_model": bench.base.name, "epochs": options.epochs, "rows": rows}
    title = f"{bench.base.name}: training, {options.epochs} epochs, {torch.get_num_threads()} threads"
    shown = [{"engine": row["trainer"], **row} for row in rows]
    show(title, COLUMNS, shown, [report["machine"]])
    write_json(report, options.json)
    if options.plot:
        _draw(report, options)
    return 0


class Bench:
    """The base model that is trained, and every user's examples."""

    def __init__(self, settings: Settings, options: argparse.Namespace) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if options.dtype:
            settings = replace(settings, compute=replace(settings.compute, dtype=options.dtype))
        if options.synthetic:
            self.dtype = loading.compute(settings, shape(options.synthetic), learns=True).dtype
            self.base = synthetic(options.synthetic, loading.POCKET, self.dtype, device)
        else:
            self.base = loading.base_model(settings, learns=True)
            self.dtype = self.base.model.dtype
        self.epochs, self.repeats, self.examples = options.epochs, options.repeats, options.examples
        self.rate = SMALL_RATE if self.base.is_small else REAL_MODEL_RATE
        self._hardware = limit.measure(self.dtype, device)

    def measure(self, users: int, wanted: Sequence[str]) -> list[Row]:
        """A row for each arm."""
        classes = [lessons(self.base, self.examples, seed) for seed in range(users)]
        can = {name: ARMS[name] for name in wanted if name != "trl-sft" or find_spec("trl")}
        figures = interleave({name: lambda run=run: self._run(run, classes) for name, run in can.items()}, self.repeats)  # type: ignore[misc]  # a default binds
        ours = figures.get("tutee", {}).get("seconds_per_epoch")
        least = sum(_operations(self.base.model, each) for each in classes) / self._hardware.operations
        rows: list[Row] = []
        for name in wanted:
            about = {"trainer": name, "users": users, "examples": self.examples, "dtype": str(self.dtype).removeprefix("torch.")}
            if name not in figures:
                rows.append({**about, "skipped": "TRL is not installed: `pip install trl` adds it."})
                continue
            seconds = figures[name]["seconds_per_epoch"]
            rows.append({**about, **figures[name], "limit_share": least / seconds, "times_ours": seconds / ours if ours else None})
        return rows

    def _run(self, run: Run, classes: Sequence[list[Encoded]]) -> Figures:
        gc.collect()
        with tempfile.TemporaryDirectory(prefix="tutee-bench-") as folder:
            seconds, losses = run(self, classes, folder)
        return {"seconds_per_epoch": seconds / self.epochs, "final_loss": sum(losses) / len(losses)}


Run = Callable[[Bench, Sequence[list[Encoded]], str], tuple[float, list[float]]]
"""Trains each user's examples: the seconds of all steps, and each user's mean loss of a reply token afterwards."""


def lessons(base: BaseModel, count: int, seed: int) -> list[Encoded]:
    """``count`` short questions with their answers, as one user might teach them."""
    rng, end, words = Random(f"lesson {seed}"), turn_end(base), WORDS.split()
    found = []
    for _ in range(count):
        asked, told = rng.sample(words, rng.randrange(1, 6)), rng.sample(words, rng.randrange(1, 8))
        reply = [*base.text_ids(f"Your {' '.join(asked)} is called {' '.join(told)}."), end]
        found.append(Encoded(base.prompt_ids([{"role": "user", "content": f"What is my {' '.join(asked)} called?"}]), reply))
    return found


def _tutee(bench: Bench, classes: Sequence[list[Encoded]], _: str) -> tuple[float, list[float]]:
    model = bench.base.model
    use_short_attention(model)
    stack = LoraStack(model)
    loras = [stack.add(RANK, seed=0) for _user in classes]
    learners = [Learner(lora, rows, rate=bench.rate, seed=0, decision_weight=1) for lora, rows in zip(loras, classes, strict=True)]
    started = time.perf_counter()
    for _epoch in range(bench.epochs):
        epochs(model, stack, learners)
    seconds = time.perf_counter() - started
    with stack.attached():
        return seconds, [_loss(model, rows, partial(_belonging, stack, lora)) for lora, rows in zip(loras, classes, strict=True)]


def _belonging(stack: LoraStack, lora: Lora, tokens: int) -> AbstractContextManager[None]:
    return stack.learning([(lora, tokens)])


def _tutee_alone(bench: Bench, classes: Sequence[list[Encoded]], folder: str) -> tuple[float, list[float]]:
    return _one_by_one(_tutee, bench, classes, folder)


def _peft_loop(bench: Bench, classes: Sequence[list[Encoded]], folder: str) -> tuple[float, list[float]]:
    return _one_by_one(_peft_user, bench, classes, folder)


def _trl(bench: Bench, classes: Sequence[list[Encoded]], folder: str) -> tuple[float, list[float]]:
    return _one_by_one(_trl_user, bench, classes, folder)


ARMS: dict[str, Run] = {"tutee": _tutee, "tutee-alone": _tutee_alone, "peft-loop": _peft_loop, "trl-sft": _trl}


def _one_by_one(run: Run, bench: Bench, classes: Sequence[list[Encoded]], folder: str) -> tuple[float, list[float]]:
    seconds, losses = 0.0, []
    for each in classes:
        spent, found = run(bench, [each], folder)
        seconds += spent
        losses += found
    return seconds, losses


def _peft_user(bench: Bench, classes: Sequence[list[Encoded]], _: str) -> tuple[float, list[float]]:
    (rows,) = classes
    model = _with_peft(bench.base.model)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=bench.rate, betas=BETAS, weight_decay=0.0)
    rng = Random(0)
    done = 0
    started = time.perf_counter()
    for _epoch in range(bench.epochs):
        order = sorted(rows, key=lambda one: one.length // 8 + rng.random())
        batches = [order[i : i + BATCH_ROWS] for i in range(0, len(order), BATCH_ROWS)]
        rng.shuffle(batches)
        for batch in batches:
            done += 1
            model(**_padded(batch, bench.base.model.device)).loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.param_groups[0]["lr"] = bench.rate * min(1.0, done / WARM_UP)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    return time.perf_counter() - started, [_loss(model, rows)]


def _trl_user(bench: Bench, classes: Sequence[list[Encoded]], folder: str) -> tuple[float, list[float]]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]  # it names them when they are asked for

    (rows,) = classes
    table = [{"input_ids": [*one.prompt, *one.reply], "completion_mask": [0] * len(one.prompt) + [1] * len(one.reply)} for one in rows]
    settings = SFTConfig(
        output_dir=folder, per_device_train_batch_size=BATCH_ROWS, num_train_epochs=bench.epochs, learning_rate=bench.rate,
        lr_scheduler_type="constant_with_warmup", warmup_steps=WARM_UP - 1, adam_beta1=BETAS[0], adam_beta2=BETAS[1], weight_decay=0.0,
        max_grad_norm=1.0, gradient_checkpointing=False, completion_only_loss=True, max_length=None, report_to="none", save_strategy="no",
        logging_strategy="no", disable_tqdm=True, bf16=False, fp16=False, use_cpu=bench.base.model.device.type == "cpu",
        dataloader_pin_memory=False, seed=0,
    )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = SFTTrainer(
            model=_own_copy(bench.base.model), args=settings, train_dataset=Dataset.from_list(table), processing_class=bench.base.tokenizer,
            peft_config=_lora_config(),
        )  # fmt: skip
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    return seconds, [_loss(trainer.model, rows)]


def _own_copy(model: PreTrainedModel) -> PreTrainedModel:
    copy = deepcopy(model)
    copy.set_attn_implementation("sdpa")  # their own attention, not ours
    return copy


def _lora_config() -> LoraConfig:
    return LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")


def _with_peft(model: PreTrainedModel) -> Any:
    torch.manual_seed(0)
    return get_peft_model(_own_copy(model), _lora_config()).train()


def _padded(rows: Sequence[Encoded], device: torch.device) -> dict[str, torch.Tensor]:
    longest = max(one.length + 1 for one in rows)
    ids, mask = torch.zeros(len(rows), longest, dtype=torch.long), torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), -100)
    for i, one in enumerate(rows):
        size = one.length + 1
        ids[i, :size], mask[i, :size] = torch.tensor([*one.prompt, *one.reply]), 1
        labels[i, len(one.prompt) : size] = torch.tensor(one.reply)
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device), "labels": labels.to(device)}


@torch.no_grad()
def _loss(model: Any, rows: Sequence[Encoded], belonging: Callable[[int], AbstractContextManager[None]] = lambda tokens: nullcontext()) -> float:
    """The mean of cross-entropy over all reply tokens, by whatever model: one measure for all arms."""
    model.eval()
    total, count = 0.0, 0
    for start in range(0, len(rows), BATCH_ROWS):
        batch = _padded(rows[start : start + BATCH_ROWS], model.device)
        with belonging(batch["input_ids"].numel()):
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].float()
        labels = batch["labels"][:, 1:]
        total += float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum"))
        count += int((labels != -100).sum())
    assert math.isfinite(total)
    return total / count


def _operations(model: PreTrainedModel, rows: Sequence[Encoded]) -> float:
    """What one epoch must multiply at least: forwards and the gradient of the inputs, the adapter's weights besides, no padding."""
    head = model.get_output_embeddings().weight  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    linear = [m for _, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m.weight is not head]
    weights = sum(m.weight.numel() for m in linear)
    adapter = RANK * sum(m.in_features + m.out_features for m in linear)
    return float(sum(one.length * (4 * weights + 6 * adapter) + len(one.reply) * 4 * head.numel() for one in rows))


def _draw(report: dict[str, Any], options: argparse.Namespace) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    measured = [row for row in report["rows"] if "skipped" not in row]
    for name in dict.fromkeys(row["trainer"] for row in measured):
        points = [(row["users"], row["users"] * row["examples"] / row["seconds_per_epoch"]) for row in measured if row["trainer"] == name]
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xlabel="users at once", ylabel="examples per second", title=f"Training on {report['base_model']}", ylim=(0, None))
    axes.legend()
    figure.savefig(options.plot, dpi=120)
    pyplot.close(figure)
