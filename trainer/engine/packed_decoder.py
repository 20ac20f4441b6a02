"""Llama-shaped models with few, large operations a step: products packed and side by side, everyone's adapters in the same ones.

Keys lie in a tensor a layer, [rows, heads, width, capacity], in the order in which products with them are fastest, and values in another,
[rows, heads, capacity, width]: rows join and leave without copying the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.adapter_table import BASE_SLOT, AdapterTable, Bags, weighted_sums
from trainer.engine.memory import zeros
from trainer.engine.packed_model import Names, PackedModel
from trainer.engine.prefixes import Prefixes
from trainer.engine.prompt import Prompt

FIRST_CAPACITY = 128  # tokens that a row has room for at first; doubled as needed, so short chats take little memory

_Adapt = Callable[[Names, Tensor, Tensor], None]
_Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class _Part:
    """One prompt's new tokens in a batch of several prompts: `length` of them from `start` on, after `past` that are in the row."""

    row: int
    slot: int
    start: int
    length: int
    past: int

    @property
    def span(self) -> slice:
        return slice(self.start, self.start + self.length)

    @property
    def end(self) -> int:
        return self.past + self.length

    def mask(self, device: torch.device) -> Tensor | None:
        """What each new token sees, where it is not simply everything before it among the new ones."""
        if self.past == 0 or self.length == 1:
            return None
        return torch.ones(self.length, self.end, dtype=torch.bool, device=device).tril_(self.past)


class PackedDecoder:
    """At most `rows` rows of at most `max_context` tokens. The decoder's methods are explained in `decoder.Decoder`."""

    def __init__(self, model: PackedModel, bank: AdapterBank | None, *, rows: int, max_context: int) -> None:
        self._model, self._rows, self._max_context = model, rows, max_context
        self._tables = {} if bank is None else bank.tables
        self._slots: tuple[int, ...] = ()
        self._bags: Bags | None = None
        self._prefixes = Prefixes()
        angles = torch.arange(max_context, device=model.device)[None]
        cos, sin = model.rotary(torch.zeros(1, dtype=model.dtype, device=model.device), angles)
        half = model.width // 2
        # Of a head's two halves, the first is turned by minus the second, the second by the first: the sign stands in the table.
        self._cos, self._sin = cos[0], torch.cat((-sin[0, :, :half], sin[0, :, half:]), -1)
        self._capacity, self._used = 0, 0
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._grow(1)

    @property
    def reused_tokens(self) -> int:
        """As Decoder.reused_tokens."""
        return self._prefixes.reused_tokens

    def read(self, first: int, prompts: Sequence[Prompt]) -> Tensor:
        """As Decoder.read. Prompts lie one after the other in one batch of tokens: there is no padding."""
        model = self._model
        self._grow(max(len(prompt.ids) for prompt in prompts))
        self._used = max(self._used, first + len(prompts))
        pasts = [self._reuse(first + index, prompt) for index, prompt in enumerate(prompts)]
        ids = [token for prompt, past in zip(prompts, pasts, strict=True) for token in prompt.ids[past:]]
        positions = torch.cat([torch.arange(past, len(prompt.ids)) for prompt, past in zip(prompts, pasts, strict=True)]).to(model.device)
        lengths = [len(prompt.ids) - past for prompt, past in zip(prompts, pasts, strict=True)]
        ends = torch.tensor(lengths).cumsum(0)
        parts = [_Part(first + i, p.slot, int(ends[i]) - lengths[i], lengths[i], pasts[i]) for i, p in enumerate(prompts)]

        def adapt(names: Names, x: Tensor, y: Tensor) -> None:
            table = self._tables.get(names)
            if table is None or table.rank == 0:
                return
            for part in parts:
                if part.slot != BASE_SLOT:
                    table.add_slot(part.slot, x[part.span], y[part.span])

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            keys, values = self._keys[layer], self._values[layer]
            seen = torch.empty_like(q)
            for part in parts:
                keys[part.row, :, :, part.past : part.end] = k[part.span].permute(1, 2, 0)
                values[part.row, :, part.past : part.end] = v[part.span].transpose(0, 1)
                near = functional.scaled_dot_product_attention(
                    q[part.span].transpose(0, 1)[None],
                    (k[part.span].transpose(0, 1) if part.past == 0 else keys[part.row, :, :, : part.end].mT.contiguous())[None],
                    values[None, part.row, :, : part.end],
                    attn_mask=part.mask(q.device),
                    is_causal=part.past == 0 and part.length > 1,
                    enable_gqa=model.heads != model.kv_heads,
                )
                seen[part.span] = near[0].transpose(0, 1)
            return seen

        x = model.embed(torch.tensor([ids], device=model.device))[0]
        return self._run(x, positions, adapt, attend, last=(ends - 1).to(model.device))

    def step(self, first: int, tokens: Sequence[int], positions: Sequence[int], slots: Sequence[int]) -> Tensor:
        """As Decoder.step."""
        model, count = self._model, len(tokens)
        length = max(positions) + 1
        self._grow(length)
        self._use(tuple(slots))
        at = torch.tensor(positions)
        where = (self._places[first : first + count] + at[:, None]).flatten().to(model.device)
        mask = torch.zeros(count, length, dtype=model.dtype).masked_fill_(torch.arange(length) > at[:, None], float("-inf"))
        mask = mask.to(model.device).repeat_interleave(model.kv_heads, 0).unsqueeze(1)  # the same for all heads of a row
        # On a processor, a share of many values is summed twice as fast by an embedding bag as by PyTorch's attention.
        bags = self._value_bags(first, count, length) if model.device.type == "cpu" else None
        rows, columns = slice(first, first + count), at.repeat_interleave(model.kv_heads * model.width)[:, None].to(model.device)
        scale = model.width**-0.5

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            keys, values = self._keys[layer], self._values[layer]
            keys[rows].view(-1, self._capacity).scatter_(1, columns, k.reshape(-1, 1))
            values.view(-1, model.width).index_copy_(0, where, v.reshape(-1, model.width))
            scores = torch.bmm((q * scale).view(mask.shape[0], -1, model.width), keys[rows].flatten(0, 1)[..., :length])
            shares = torch.softmax(scores.add_(mask), -1, dtype=torch.float32).to(q.dtype)
            if bags is not None:
                return weighted_sums(values.view(-1, model.width), *bags, shares.flatten())
            return torch.bmm(shares, values[rows].flatten(0, 1)[:, :length])

        x = model.embed(torch.tensor(tokens, device=model.device)[:, None])[:, 0]
        return self._run(x, at.to(model.device), self._adapt_rows, attend, last=None)

    def move(self, source: int, target: int, length: int) -> None:
        """As Decoder.move."""
        for keys, values in zip(self._keys, self._values, strict=True):
            keys[target, :, :, :length] = keys[source, :, :, :length]
            values[target, :, :length] = values[source, :, :length]

    def remember(self, row: int, adapter: str | None, tokens: Sequence[int]) -> None:
        """As Decoder.remember."""
        if self._prefixes.wants(tokens):
            self._prefixes.put(adapter, tuple(tokens), self._past(row, len(tokens)))

    def forget(self, adapter: str) -> None:
        """As Decoder.forget."""
        self._prefixes.forget(adapter)

    def _run(self, x: Tensor, positions: Tensor, adapt: _Adapt, attend: _Attend, last: Tensor | None) -> Tensor:
        """All layers over `x` [tokens, hidden]; logits of the tokens `last`, or of all."""
        model = self._model
        hidden = (x.shape[-1],)
        cos, sin = self._cos[positions].unsqueeze(1), self._sin[positions].unsqueeze(1)
        turned, halves = model.heads + model.kv_heads, model.width // 2
        for number, layer in enumerate(model.layers):
            of_qkv, of_output, of_gate_up, of_down = layer.names
            near = functional.rms_norm(x, hidden, layer.before_attention, model.epsilon)
            qkv = layer.qkv(near)
            adapt(of_qkv, near, qkv)
            all_heads = qkv.view(x.shape[0], -1, model.width)
            qk, v = all_heads[:, :turned], all_heads[:, turned:]
            if layer.query_norm is not None and layer.key_norm is not None:
                q = functional.rms_norm(qk[:, : model.heads], (model.width,), layer.query_norm, model.epsilon)
                k = functional.rms_norm(qk[:, model.heads :], (model.width,), layer.key_norm, model.epsilon)
                qk = torch.cat((q, k), 1)
            flipped = qk.reshape(*qk.shape[:-1], 2, halves).flip(-2).flatten(-2)
            qk = torch.addcmul(qk * cos, flipped, sin)
            near = attend(number, qk[:, : model.heads], qk[:, model.heads :], v).reshape(x.shape[0], -1)
            more = layer.output(near)
            adapt(of_output, near, more)
            x = x + more
            near = functional.rms_norm(x, hidden, layer.before_inner, model.epsilon)
            inner = layer.gate_up(near)
            adapt(of_gate_up, near, inner)
            gate, up = inner.chunk(2, -1)
            near = functional.silu(gate).mul_(up)
            more = layer.down(near)
            adapt(of_down, near, more)
            x = x + more
        if last is not None:
            x = x[last]
        logits: Tensor = model.head(functional.rms_norm(x, hidden, model.norm, model.epsilon))
        return logits.float()

    def _adapt_rows(self, names: Names, x: Tensor, y: Tensor) -> None:
        table: AdapterTable | None = self._tables.get(names)
        if table is None or table.rank == 0 or self._slots == (BASE_SLOT,):
            return
        if len(self._slots) == 1:
            table.add_slot(self._slots[0], x, y)
        elif self._bags is not None:
            table.add_bags(x, y, self._bags)
        else:
            table.add_rows(x, y)

    def _value_bags(self, first: int, count: int, length: int) -> tuple[Tensor, Tensor]:
        """Indices and offsets of one bag for each head of each row: the first `length` values of what it attends to."""
        groups = self._model.heads // self._model.kv_heads
        begin = self._places[first : first + count].flatten().repeat_interleave(groups)
        indices = (begin[:, None] + torch.arange(length)).flatten().int()
        return indices, torch.arange(0, indices.numel() + 1, length).int()

    def _use(self, slots: tuple[int, ...]) -> None:
        """`_slots` is one slot if all rows have the same."""
        slots = slots[:1] if len(set(slots)) == 1 else slots
        if slots == self._slots:
            return
        self._slots = slots
        if self._model.device.type == "cpu":
            self._bags = Bags(torch.tensor(slots))
        else:
            rows = torch.tensor(slots, device=self._model.device)
            for table in self._tables.values():
                table.select(rows)

    def _reuse(self, row: int, prompt: Prompt) -> int:
        """How many tokens of the prompt are in the row already, from a past that began like it. At least one is left to read."""
        known = self._prefixes.find(prompt.adapter, prompt.ids[:-1])
        if known is None:
            return 0
        length = known.shape[-2]
        for keys, values, past in zip(self._keys, self._values, known, strict=True):
            keys[row, :, :, :length], values[row, :, :length] = past[0].mT, past[1]
        return int(length)

    def _past(self, row: int, length: int) -> Tensor:
        """What the row has read, [layers, 2, heads, length, width]."""
        layers = zip(self._keys, self._values, strict=True)
        return torch.stack([torch.stack((keys[row, :, :, :length].mT, values[row, :, :length])) for keys, values in layers])

    def _grow(self, length: int) -> None:
        if length <= self._capacity:
            return
        model, old, before = self._model, self._capacity, (self._keys, self._values)
        self._capacity = max(old, min(FIRST_CAPACITY, self._max_context))
        while self._capacity < length:
            self._capacity = min(2 * self._capacity, self._max_context)
        sizes = ((model.width, self._capacity), (self._capacity, model.width))
        shapes = [(self._rows, model.kv_heads, *size) for size in sizes]
        self._keys, self._values = ([zeros(shape, model.dtype, model.device) for _ in model.layers] for shape in shapes)
        used = slice(self._used)  # the others take no memory as long as nothing is written there
        for keys, values, earlier_keys, earlier_values in zip(self._keys, self._values, *before, strict=False):
            keys[used, ..., :old], values[used, ..., :old, :] = earlier_keys[used], earlier_values[used]
        heads = torch.arange(self._rows * model.kv_heads).view(self._rows, model.kv_heads)
        self._places = heads * self._capacity  # where each row's heads begin in a layer's keys and in its values
