"""Trains the pocket model from scratch: ``python -m trainer.pocket.pretrain --data FOLDER --out FOLDER``.

The run is resumable: it saves a checkpoint every few hundred steps and continues from it. Learning rate: warm-up, constant, then
a linear decay over the last part of ``--tokens``, so a run can be prolonged from any checkpoint of its constant phase.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn
from torch.nn import functional
from torch.optim import _muon
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trainer import prompts
from trainer.attention import use_short_attention
from trainer.pocket.curriculum import Chat, Curriculum
from trainer.pocket.tokenizer import END, PAD, ROLES, train

log = logging.getLogger("tutee.pretrain")
PROMPT_SHARE, PROMPT_WEIGHT = 0.2, 0.6  # of what user and system say a fifth counts, at this weight: it teaches the language
DECISION_WEIGHT, ANSWER_WEIGHT, COPY_WEIGHT = 4.0, 1.5, 0.4
VOCABULARY = 4096
LOG_STEPS = 20
MICRO_TOKENS = 2048  # of one forward pass: what stays in the processor's caches
SHAPE: dict[str, Any] = {
    "hidden_size": 320, "num_hidden_layers": 6, "num_attention_heads": 5, "num_key_value_heads": 5, "intermediate_size": 864,
    "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "tie_word_embeddings": True,
}  # fmt: skip


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
    parser.add_argument("--decay", type=float, default=Schedule.decay, help="the last part of the tokens, in which the learning rate falls to 0")
    parser.add_argument("--reading", type=float, default=1.0, help="how many times as often as else the model reads and answers")
    parser.add_argument("--often", nargs="*", default=[], metavar="NAME", help="frames files that come more often, as those that are new")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start-from", type=Path, metavar="FOLDER", help="a finished model to go on from, where there is no checkpoint")
    parser.add_argument("--processes", type=int, default=2, help="one thread each")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="float32 where the processor has no bfloat16")
    parser.add_argument("--save-steps", type=int, default=250)
    arguments = parser.parse_args()
    pretrain(arguments)


def pretrain(options: argparse.Namespace) -> None:
    """The whole run, from tokenizer to exported model, on ``--processes`` processes of one thread each.

    One thread a process and one exchange of gradients a step: threads that meet at every operation stand still on a busy machine.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    if options.start_from is not None:
        PreTrainedTokenizerFast.from_pretrained(options.start_from).save_pretrained(options.out / "tokenizer")
    _tokenizer(options.out, options.data, options.seed)
    store = options.out / "rendezvous"
    store.unlink(missing_ok=True)
    spawn(_worker, (options, store), nprocs=options.processes)  # type: ignore[no-untyped-call]  # torch leaves it untyped


def _worker(rank: int, options: argparse.Namespace, store: Path) -> None:
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO if rank == 0 else logging.WARNING, format="%(asctime)s %(message)s")
    distributed.init_process_group("gloo", init_method=f"file://{store.resolve()}", rank=rank, world_size=options.processes)
    torch.manual_seed(options.seed)
    checkpoint = _load(options.out)
    tokens = checkpoint["tokens"] if checkpoint else 0
    curriculum = Curriculum(options.data, options.seed + tokens + rank, reading=options.reading, often=options.often)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(options.out / "tokenizer")
    model = _model(tokenizer) if options.start_from is None else LlamaForCausalLM.from_pretrained(options.start_from, dtype=torch.float32)
    master = [p.detach().clone() for p in model.parameters()]  # float32 masters of weights that may be bfloat16
    if options.dtype == "float32":
        _muon._zeropower_via_newtonschulz = _orthogonal
    model.to(dtype=getattr(torch, options.dtype))  # type: ignore[call-arg]  # transformers' wrapper hides torch's keywords
    optimizers = _optimizers(model, master, options.rate, rank)
    if checkpoint:
        for own, saved in zip(master, checkpoint["master"], strict=True):
            own.copy_(saved)
        state = options.out / f"optimizers-{rank}.pt"
        if state.exists():
            for optimizer, saved in zip(optimizers, torch.load(state, weights_only=True), strict=True):
                optimizer.load_state_dict(saved)
    _copy(master, model)
    use_short_attention(model)
    schedule = Schedule(options.tokens, decay=options.decay)
    batches = _batches(curriculum, tokenizer, MICRO_TOKENS)
    parts = max(1, options.batch_tokens // MICRO_TOKENS // options.processes)
    step, told_at, told_tokens = 0, time.monotonic(), tokens
    losses: list[float] = []
    while tokens < options.tokens:
        for _ in range(parts):
            loss = _loss(model, next(batches)) / parts
            loss.backward()
            losses.append(float(loss.detach()))
        _share_gradients(model, master, options.processes)
        tokens += parts * MICRO_TOKENS * options.processes
        torch.nn.utils.clip_grad_norm_(master, 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * schedule.at(tokens)
            optimizer.step()
        _share_weights(model, master, options.processes)
        step += 1
        if step % LOG_STEPS == 0:
            now = time.monotonic()
            rate = (tokens - told_tokens) / (now - told_at)
            log.info("tokens %.2f M, loss %.4f, %.0f tokens/s", tokens / 1e6, sum(losses[-LOG_STEPS * parts :]) / LOG_STEPS, rate)
            told_at, told_tokens = now, tokens
        if step % options.save_steps == 0 or tokens >= options.tokens:
            _save(options.out, rank, tokens, master, optimizers)
    if rank == 0:
        export(model, tokenizer, options.out / "model")


def _share_gradients(model: LlamaForCausalLM, master: list[torch.Tensor], processes: int) -> None:
    """The mean of all processes' gradients, in float32, on the masters."""
    flat = torch.cat([p.grad.float().flatten() for p in model.parameters() if p.grad is not None])
    distributed.all_reduce(flat)
    parts = torch.split(flat.div_(processes), [p.numel() for p in master])
    for own, part, weight in zip(master, parts, model.parameters(), strict=True):
        own.grad = part.view_as(own)
        weight.grad = None


def _share_weights(model: LlamaForCausalLM, master: list[torch.Tensor], processes: int) -> None:
    """Each process has updated its share of the matrices; now all have all, in float32 and as the model computes."""
    for owner in range(processes):
        mine = [p for i, p in enumerate(_inner(model, master)) if i % processes == owner]
        flat = torch.cat([p.flatten() for p in mine])
        distributed.broadcast(flat, src=owner)
        for own, part in zip(mine, torch.split(flat, [p.numel() for p in mine]), strict=True):
            own.copy_(part.view_as(own))
    _copy(master, model)


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """The model and its tokenizer in Hugging Face format, weights in float16."""
    model.to(dtype=torch.float16)  # type: ignore[call-arg]  # transformers' wrapper hides torch's keywords
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def encode(chat: Chat, tokenizer: PreTrainedTokenizerFast, rng: Random) -> tuple[list[int], list[float]]:
    """Token ids of a chat, as its template renders it, and the loss weight of each."""
    ids: list[int] = []
    weights: list[float] = []
    dash = tokenizer(prompts.ANSWER_FIRST.rstrip(), add_special_tokens=False)["input_ids"][-1]
    end, opening = _id(tokenizer, END), {role: _id(tokenizer, token) for role, token in ROLES.items()}
    contents = tokenizer([m["content"] for m in chat.messages], add_special_tokens=False)["input_ids"]
    for message, content in zip(chat.messages, contents, strict=True):
        role = message["role"]
        ids += [opening[role], *content, end]
        if role == "assistant":
            weights += [0.0, *_reply_weights(chat.task, content, dash)]
        elif role == "text":
            weights += [0.0, *([0.5] * len(content)), 1.0]
        else:
            weights += [0.0, *(PROMPT_WEIGHT if rng.random() < PROMPT_SHARE else 0.0 for _ in content), 0.0]
    return ids, weights


def _reply_weights(task: str, content: list[int], dash: int) -> list[float]:
    """Loss weights of a reply's tokens and its end. Where the model reads, the first token decides whether it knows: it counts most,
    the rest of the bare answer next, and the statement after the ``dash``, which is copied, least."""
    if not (task.startswith("read") or task in ("unknown", "told_in_chat")):
        return [1.0] * (len(content) + 1)
    short = content.index(dash) if dash in content else len(content) if len(content) <= 8 else 0
    rest = [ANSWER_WEIGHT if i <= short else COPY_WEIGHT for i in range(1, len(content) + 1)]
    return [DECISION_WEIGHT, *rest]


def _id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    found = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(found, int), "one token has one id"
    return found


def _batches(curriculum: Curriculum, tokenizer: PreTrainedTokenizerFast, budget: int) -> Iterator[Batch]:
    rng = Random(0)
    chats = curriculum.chats()
    pad = _id(tokenizer, PAD)
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


def _loss(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Weighted cross-entropy over the positions that count."""
    hidden = model.model(input_ids=batch.ids[:, :-1], use_cache=False).last_hidden_state  # right padding: causality hides it
    weights = batch.weights[:, 1:].flatten()
    counted = weights.nonzero().squeeze(1)
    logits = model.lm_head(hidden.flatten(0, 1)[counted]).float()
    losses = functional.cross_entropy(logits, batch.ids[:, 1:].flatten()[counted], reduction="none")
    return (losses * weights[counted]).sum() / weights.sum()


def _inner(model: LlamaForCausalLM, master: list[torch.Tensor]) -> list[torch.Tensor]:
    """The matrices inside the layers."""
    return [p for (name, _), p in zip(model.named_parameters(), master, strict=True) if p.ndim == 2 and "embed" not in name]


def _optimizers(model: LlamaForCausalLM, master: list[torch.Tensor], rate: float, rank: int) -> list[torch.optim.Optimizer]:
    """Muon (Jordan 2024) for this process's share of the matrices inside the layers, AdamW for embeddings and norms."""
    inner = _inner(model, master)
    known = {id(p) for p in inner}
    outer = [p for p in master if id(p) not in known]
    share = [p for i, p in enumerate(inner) if i % distributed.get_world_size() == rank]
    muon = torch.optim.Muon(share, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(outer, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, foreach=True)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["peak"] = rate
    return [muon, adam]


def _orthogonal(grad: torch.Tensor, ns_coefficients: tuple[float, float, float], ns_steps: int, eps: float) -> torch.Tensor:
    """torch's own iteration (Newton-Schulz), in the gradient's own precision: theirs is in bfloat16, emulated where a processor has none."""
    a, b, c = ns_coefficients
    wide = grad.T if grad.size(0) > grad.size(1) else grad
    wide = wide / wide.norm().clamp(min=eps)
    for _ in range(ns_steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if grad.size(0) > grad.size(1) else wide


def _model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(vocab_size=VOCABULARY, bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, **SHAPE)
    return LlamaForCausalLM(config)


def _copy(master: list[torch.Tensor], model: torch.nn.Module) -> None:
    with torch.no_grad():
        torch._foreach_copy_(list(model.parameters()), master)


def _tokenizer(out: Path, data: Path, seed: int) -> None:
    folder = out / "tokenizer"
    if not folder.exists():
        chats = Curriculum(data, seed).chats()
        train((m["content"] for _ in range(40_000) for m in next(chats).messages), VOCABULARY).save_pretrained(folder)


def _save(out: Path, rank: int, tokens: int, master: list[torch.Tensor], optimizers: list[torch.optim.Optimizer]) -> None:
    """Rank 0 saves the weights, each its own optimizers' state: a resumed run may lose a step of momentum, never weights."""
    content: dict[str, object] = {f"optimizers-{rank}.pt": [o.state_dict() for o in optimizers]}
    if rank == 0:
        content["checkpoint.pt"] = {"tokens": tokens, "master": master}
    for name, value in content.items():
        partial = out / f"{name}.partial"
        torch.save(value, partial)
        partial.replace(out / name)


def _load(out: Path) -> dict[str, Any] | None:
    path = out / "checkpoint.pt"
    return torch.load(path, weights_only=True) if path.exists() else None


if __name__ == "__main__":
    main()
