"""Steps of training: several adapters learn in one forward and backward pass, each from its own samples, with its own loss.

Sequences lie one behind the other without padding, and the vocabulary is computed only where a reply is predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer.attention import LONGEST, NAME, Layout, in_one_row, use_short_attention
from trainer.lora import Lora, LoraStack
from trainer.model import BaseModel

TOP_K = 16
DECISION_WEIGHT = 4
BATCH_ROWS = 16
ENCODE_TOKENS = 2048  # that the teacher reads at once
WARM_UP = 3  # steps until the full learning rate


@dataclass(frozen=True)
class Encoded:
    """Token ids of prompt and reply; the teacher's ``top`` logits [reply, k] and their token ``indices`` [reply, k], or None."""

    prompt: list[int]
    reply: list[int]
    top: Tensor | None = None
    indices: Tensor | None = None

    @property
    def length(self) -> int:
        """Tokens that the model reads; the last one is only predicted."""
        return len(self.prompt) + len(self.reply) - 1


class Learner:
    """One adapter that learns: its optimiser, its learning rate with a short warm-up, its order of samples."""

    def __init__(
        self,
        lora: Lora,
        encoded: Sequence[Encoded],
        *,
        rate: float,
        seed: int,
        distill_weight: float = 0.0,
        decision_weight: int = DECISION_WEIGHT,
    ) -> None:
        """``distill_weight``: the teacher's share of the loss, 0 to 1; ``decision_weight``: how many times a reply's first token counts."""
        self.lora = lora
        self.decision_weight = decision_weight
        self.distill_weight = distill_weight
        self._encoded = encoded
        self._rate = rate
        self._rng = Random(seed)
        self._steps = 0
        self._optimizer = torch.optim.AdamW([lora.weights], lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)

    def batches(self) -> list[list[Encoded]]:
        """The samples of one epoch: shuffled batches of rows of similar length."""
        self._steps = self._steps and max(self._steps, WARM_UP)  # a second epoch is past the warm-up, however short the first was
        order = sorted(self._encoded, key=lambda one: (one.length + 1) // 8 + self._rng.random())
        batches = [list(order[i : i + BATCH_ROWS]) for i in range(0, len(order), BATCH_ROWS)]
        self._rng.shuffle(batches)
        return batches

    def step(self) -> None:
        """Move the weights by their gradient, which is then none again."""
        self._steps += 1
        torch.nn.utils.clip_grad_norm_(self.lora.weights, 1.0)
        self._optimizer.param_groups[0]["lr"] = self._rate * min(1.0, self._steps / WARM_UP)
        self._optimizer.step()
        self.forget_gradient()
        self.lora.refresh()

    def forget_gradient(self) -> None:
        assert self.lora.weights.grad is not None
        self.lora.weights.grad.zero_()  # in place: each layer holds a view of it


def epochs(model: PreTrainedModel, stack: LoraStack, learners: Sequence[Learner]) -> list[float]:
    """One epoch of each learner, a step of all at a time; their mean losses."""
    batches = [learner.batches() for learner in learners]
    losses: list[list[float]] = [[] for _ in learners]
    with stack.attached():
        for number in range(max(map(len, batches))):
            now = [place for place, each in enumerate(batches) if number < len(each)]
            means = step(model, stack, [(learners[place], batches[place][number]) for place in now])
            for place, mean in zip(now, means, strict=True):
                losses[place].append(mean)
    return [sum(each) / len(each) for each in losses]


def step(model: PreTrainedModel, stack: LoraStack, learners: Sequence[tuple[Learner, Sequence[Encoded]]]) -> list[float]:
    """One step of each learner on its batch, in one pass; gives each one's mean loss before it."""
    rows = [one for _, batch in learners for one in batch]
    longest = 0 if _fits_one_row(model, rows) else max(one.length for one in rows)
    sizes = [(learner.lora, sum(longest or one.length for one in batch)) for learner, batch in learners]
    with stack.learning(sizes):
        losses = _losses(_reply_logits(model, rows), learners)
        try:
            losses.sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        except BaseException:
            for learner, _ in learners:
                learner.forget_gradient()
            raise
    for learner, _ in learners:
        learner.step()
    counts = [sum(len(one.reply) for one in batch) for _, batch in learners]
    return [float(part.sum()) for part in torch.split(losses.detach(), counts)]


@torch.no_grad()
def encode(base: BaseModel, rows: Sequence[Encoded], contexts: Sequence[list[int] | None]) -> list[Encoded]:
    """The rows with what the teacher, which reads ``contexts`` as its prompts, says of their replies.

    A teacher that would begin another reply itself is not followed: that row is learned by plain cross-entropy.
    """
    use_short_attention(base.model)
    found = list(rows)
    taught = [(i, Encoded(context, rows[i].reply)) for i, context in enumerate(contexts) if context is not None]
    taught.sort(key=lambda each: each[1].length)
    while taught:
        count = next((n for n, each in enumerate(taught, 1) if n * each[1].length > ENCODE_TOKENS), len(taught) + 1) - 1
        now, taught = taught[: max(1, count)], taught[max(1, count) :]
        logits = _reply_logits(base.model, [row for _, row in now])
        top = logits.topk(min(TOP_K, logits.shape[-1]), dim=-1)
        counts = [len(row.reply) for _, row in now]
        for (i, row), values, indices in zip(now, torch.split(top.values, counts), torch.split(top.indices, counts), strict=True):
            if int(indices[0, 0]) == row.reply[0]:
                found[i] = Encoded(rows[i].prompt, row.reply, values, indices)
    return found


@torch.no_grad()
def beginnings(base: BaseModel, prompts: Sequence[list[int]], token: int) -> list[float]:
    """How probable it is, for each of the prompts (token ids), that the base model's reply begins with ``token``."""
    use_short_attention(base.model)
    rows = [Encoded(prompt, [token]) for prompt in prompts]
    found = [0.0] * len(rows)
    order = sorted(range(len(rows)), key=lambda place: rows[place].length)
    while order:
        count = next((n for n, place in enumerate(order, 1) if n * rows[place].length > ENCODE_TOKENS), len(order) + 1) - 1
        now, order = order[: max(1, count)], order[max(1, count) :]
        chances = _reply_logits(base.model, [rows[place] for place in now]).softmax(-1)[:, token].tolist()
        for place, chance in zip(now, chances, strict=True):
            found[place] = chance
    return found


def _reply_logits(model: PreTrainedModel, rows: Sequence[Encoded]) -> Tensor:
    """The logits that predict the rows' replies, one row's behind the other's. float32 [reply tokens, vocabulary]"""
    device = model.device
    tokens = [[*one.prompt, *one.reply][:-1] for one in rows]
    if _fits_one_row(model, rows):
        layout = Layout.of([one.length for one in rows], device)
        ids = torch.tensor([token for each in tokens for token in each], device=device)
        starts = torch.tensor(layout.lengths).cumsum(0).tolist()
        keep = [place for end, one in zip(starts, rows, strict=True) for place in range(end - len(one.reply), end)]
        with in_one_row(layout):
            wanted = torch.tensor(keep, device=device)
            found: Tensor = model(input_ids=ids[None], position_ids=layout.positions[None], use_cache=False, logits_to_keep=wanted).logits
        return found[0].float()
    # Padded on the right, where causality hides it, so that no mask is needed.
    longest, first = max(map(len, tokens)), min(len(one.prompt) for one in rows) - 1
    padded = torch.tensor([[*each, *[0] * (longest - len(each))] for each in tokens], device=device)
    logits: Tensor = model(input_ids=padded, use_cache=False, logits_to_keep=torch.arange(first, longest, device=device)).logits
    places = [(i, len(one.prompt) - 1 - first + j) for i, one in enumerate(rows) for j in range(len(one.reply))]
    across, along = torch.tensor(places, device=device).unbind(1)
    return logits[across, along].float()


def _fits_one_row(model: PreTrainedModel, rows: Sequence[Encoded]) -> bool:
    """Whether the rows can lie one behind the other: short ones, in a model with our attention in all layers."""
    config = model.config.get_text_config()
    plain = set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
    return plain and config._attn_implementation == NAME and max(one.length for one in rows) <= LONGEST


def _losses(logits: Tensor, learners: Sequence[tuple[Learner, Sequence[Encoded]]]) -> Tensor:
    """Per reply token, its part of its learner's mean of (1-w)·cross-entropy + w·KL(teacher ‖ student) on the teacher's top-k.

    A reply's first token counts ``decision_weight`` times: it decides between knowing and not knowing.
    """
    shares: list[float] = []
    mixed: list[float] = []
    taught: list[int] = []
    tops: list[Tensor] = []
    indices: list[Tensor] = []
    at = 0
    for learner, batch in learners:
        first = learner.decision_weight
        count = sum(len(one.reply) + first - 1 for one in batch)
        for one in batch:
            size = len(one.reply)
            shares += [first / count, *[1 / count] * (size - 1)]
            if one.top is not None and one.indices is not None:
                taught += range(at, at + size)
                mixed += [learner.distill_weight] * size
                tops.append(one.top)
                indices.append(one.indices)
            at += size
    device = logits.device
    targets = torch.tensor([token for _, batch in learners for one in batch for token in one.reply], device=device)
    said = logits.log_softmax(-1)
    losses = -said.gather(1, targets[:, None]).squeeze(1)
    if taught:
        places, weight = torch.tensor(taught, device=device), torch.tensor(mixed, device=device)
        teacher, index = torch.cat(tops).log_softmax(-1), torch.cat(indices)
        student = said[places[:, None], index]
        distilled = (teacher.exp() * (teacher - student)).sum(-1)
        losses = losses.index_add(0, places, weight * (distilled - losses[places]))
    return losses * torch.tensor(shares, device=device)
