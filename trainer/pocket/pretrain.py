"""Trains the pocket model from scratch: ``python -m trainer.pocket.pretrain --data FOLDER --out FOLDER``.

The run is resumable: it saves a checkpoint every few minutes and continues from it. Learning rate: warm-up, constant, then
a linear decay over the last part of ``--tokens``, so a run can be prolonged from any checkpoint of its constant phase.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from random import Random
from threading import Thread

import torch
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trainer.pocket.curriculum import Chat, Curriculum
from trainer.pocket.tokenizer import END, PAD, ROLES, train

log = logging.getLogger("tutee.pretrain")
PROMPT_SHARE, PROMPT_WEIGHT = 0.2, 0.6  # of what user and system say a fifth counts, at this weight: it teaches the language
VOCABULARY = 4096
SHAPE = {
    "hidden_size": 320, "num_hidden_layers": 6, "num_attention_heads": 5, "num_key_value_heads": 5, "intermediate_size": 864,
    "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "tie_word_embeddings": True,
}  # fmt: skip


Decoder = Callable[..., BaseModelOutputWithPast]


@dataclass(frozen=True)
class Batch:
    """``ids`` [rows, length] int64, right-padded; ``weights`` [rows, length] float32: the loss weight of predicting each id."""

    ids: torch.Tensor
    weights: torch.Tensor
    tokens: int


@dataclass(frozen=True)
class Schedule:
    """Learning rate as a share of its peak, by tokens seen."""

    total: int
    warmup: int = 600_000
    decay: float = 0.3

    def at(self, tokens: int) -> float:
        left = (self.total - tokens) / (self.decay * self.total)
        return max(0.0, min(1.0, tokens / self.warmup + 0.02, left))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of open data sets")
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and the finished model go here")
    parser.add_argument("--tokens", type=int, default=40_000_000, help="how long to train")
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-minutes", type=float, default=5)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pretrain(arguments)


def pretrain(options: argparse.Namespace) -> None:
    """The whole run, from tokenizer to exported model."""
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    checkpoint = _load(options.out)
    curriculum = Curriculum(options.data, options.seed + (checkpoint["tokens"] if checkpoint else 0))
    tokenizer = _tokenizer(options.out, curriculum)
    model = _model(tokenizer)
    master = [p.detach().clone() for p in model.parameters()]  # float32 masters of bfloat16 weights
    model.to(torch.bfloat16)
    optimizers = _optimizers(model, master, options.rate)
    tokens = 0
    if checkpoint:
        tokens = checkpoint["tokens"]
        for own, saved in zip(master, checkpoint["master"], strict=True):
            own.copy_(saved)
        for optimizer, state in zip(optimizers, checkpoint["optimizers"], strict=True):
            optimizer.load_state_dict(state)
    _copy(master, model)
    decoder = torch.compile(model.model, dynamic=True)
    schedule = Schedule(options.tokens)
    batches = _in_background(_batches(curriculum, tokenizer, options.batch_tokens))
    step, saved_at, told_at, told_tokens, losses = 0, time.monotonic(), time.monotonic(), tokens, []
    while tokens < options.tokens:
        batch = batches.get()
        loss = _loss(model, decoder, batch)
        loss.backward()
        for own, weight in zip(master, model.parameters(), strict=True):
            own.grad = weight.grad.float() if weight.grad is not None else None
            weight.grad = None
        torch.nn.utils.clip_grad_norm_(master, 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * schedule.at(tokens)
            optimizer.step()
        _copy(master, model)
        tokens, step = tokens + batch.tokens, step + 1
        losses.append(float(loss.detach()))
        if step % 50 == 0:
            now = time.monotonic()
            rate = (tokens - told_tokens) / (now - told_at)
            log.info("tokens %.2f M, loss %.4f, %.0f tokens/s", tokens / 1e6, sum(losses[-50:]) / 50, rate)
            told_at, told_tokens = now, tokens
        if time.monotonic() - saved_at > options.save_minutes * 60:
            _save(options.out, tokens, master, optimizers)
            saved_at = time.monotonic()
    _save(options.out, tokens, master, optimizers)
    export(model, tokenizer, options.out / "model")


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """The model and its tokenizer in Hugging Face format, weights in float16."""
    model = model.to(torch.float16)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def encode(chat: Chat, tokenizer: PreTrainedTokenizerFast, rng: Random) -> tuple[list[int], list[float]]:
    """Token ids of a chat, as its template renders it, and the loss weight of each."""
    ids: list[int] = []
    weights: list[float] = []
    end = tokenizer.convert_tokens_to_ids(END)
    contents = tokenizer([m["content"] for m in chat.messages], add_special_tokens=False)["input_ids"]
    for message, content in zip(chat.messages, contents, strict=True):
        role = message["role"]
        ids += [tokenizer.convert_tokens_to_ids(ROLES[role]), *content, end]
        if role in ("assistant", "text"):
            weights += [0.0, *([1.0 if role == "assistant" else 0.5] * len(content)), 1.0]
        else:
            weights += [0.0, *(PROMPT_WEIGHT if rng.random() < PROMPT_SHARE else 0.0 for _ in content), 0.0]
    return ids, weights


def _batches(curriculum: Curriculum, tokenizer: PreTrainedTokenizerFast, budget: int) -> Iterator[Batch]:
    rng = Random(0)
    chats = curriculum.chats()
    pad = tokenizer.convert_tokens_to_ids(PAD)
    while True:
        rows = sorted((encode(next(chats), tokenizer, rng) for _ in range(768)), key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], list[float]]]] = [[]]
        for row in rows:
            if groups[-1] and (len(groups[-1]) + 1) * len(row[0]) > budget:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        for group in groups:
            length = min(640, max(len(ids) for ids, _ in group))
            table = torch.full((len(group), length), pad, dtype=torch.int64)
            weights = torch.zeros(len(group), length)
            for i, (ids, weight) in enumerate(group):
                table[i, : len(ids)] = torch.tensor(ids[:length])
                weights[i, : len(ids)] = torch.tensor(weight[:length])
            yield Batch(table, weights, sum(min(length, len(ids)) for ids, _ in group))


def _in_background(batches: Iterator[Batch]) -> Queue[Batch]:
    queue: Queue[Batch] = Queue(maxsize=8)

    def fill() -> None:
        for batch in batches:
            queue.put(batch)

    Thread(target=fill, daemon=True).start()
    return queue


def _loss(model: LlamaForCausalLM, decoder: Decoder, batch: Batch) -> torch.Tensor:
    """Weighted cross-entropy over the positions that count."""
    hidden = decoder(input_ids=batch.ids[:, :-1], use_cache=False).last_hidden_state  # right padding: causality hides it
    weights = batch.weights[:, 1:].flatten()
    counted = weights.nonzero().squeeze(1)
    logits = model.lm_head(hidden.flatten(0, 1)[counted]).float()
    losses = functional.cross_entropy(logits, batch.ids[:, 1:].flatten()[counted], reduction="none")
    return (losses * weights[counted]).sum() / weights.sum()


def _optimizers(model: LlamaForCausalLM, master: list[torch.Tensor], rate: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan 2024) for the matrices inside the layers, AdamW for embeddings and norms."""
    names = [name for name, _ in model.named_parameters()]
    inner = [p for n, p in zip(names, master, strict=True) if p.ndim == 2 and "embed" not in n]
    outer = [p for n, p in zip(names, master, strict=True) if p.ndim != 2 or "embed" in n]
    muon = torch.optim.Muon(inner, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(outer, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, foreach=True)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["peak"] = rate
    return [muon, adam]


def _model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=VOCABULARY, bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, **SHAPE
    )
    return LlamaForCausalLM(config)


def _copy(master: list[torch.Tensor], model: torch.nn.Module) -> None:
    with torch.no_grad():
        torch._foreach_copy_(list(model.parameters()), master)


def _tokenizer(out: Path, curriculum: Curriculum) -> PreTrainedTokenizerFast:
    folder = out / "tokenizer"
    if not folder.exists():
        chats = curriculum.chats()
        train((m["content"] for _ in range(40_000) for m in next(chats).messages), VOCABULARY).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def _save(out: Path, tokens: int, master: list[torch.Tensor], optimizers: list[torch.optim.Optimizer]) -> None:
    partial = out / "checkpoint.partial"
    torch.save({"tokens": tokens, "master": master, "optimizers": [o.state_dict() for o in optimizers]}, partial)
    partial.replace(out / "checkpoint.pt")


def _load(out: Path) -> dict | None:
    path = out / "checkpoint.pt"
    return torch.load(path, weights_only=True) if path.exists() else None


if __name__ == "__main__":
    main()
