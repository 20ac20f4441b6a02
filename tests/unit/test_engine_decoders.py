"""The engine's own way through a Llama-shaped model: what it computes, what it remembers, and when it leaves a model to transformers."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import torch

from tests.tiny_models import ARCHITECTURES, save_random_adapter, save_tiny_model
from trainer.engine import decoder as decoders
from trainer.engine import packed_linear
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.decoder import decoder
from trainer.engine.generation import GenerationRequest
from trainer.engine.module_decoder import ModuleDecoder
from trainer.engine.offline import generate_batch
from trainer.engine.packed_decoder import PackedDecoder
from trainer.engine.packed_linear import PackedLinear
from trainer.engine.packed_model import packed
from trainer.engine.prefixes import Prefixes
from trainer.engine.prompt import Prompt
from trainer.model import BaseModel, load_base

QUESTION = "What is my cat called, and what is she afraid of? I forgot it again, sorry."


@pytest.fixture(scope="module", params=ARCHITECTURES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("model")
    save_tiny_model(root / "base", request.param)
    for number in (1, 2, 3):
        save_random_adapter(root / f"user-{number}-v1", root / "base", seed=number, rank=4 if number == 2 else 8)
    return root


def loaded(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[BaseModel, AdapterBank]:
    base = load_base(str(folder / "base"), pocket_path=folder, dtype=dtype)
    bank = AdapterBank(base.model, slots=3, max_rank=8)
    for slot in (2, 1, 3):  # the smaller rank first: the tables grow
        bank.load(slot, folder / f"user-{slot}-v1")
    return base, bank


def prompts(base: BaseModel) -> list[Prompt]:
    texts = (QUESTION, "Zürich?", "Hello", QUESTION + " Really.")
    ids = [tuple(base.prompt_ids([{"role": "user", "content": text}])) for text in texts]
    return [Prompt(one, slot, f"user-{slot}-v1" if slot else None) for one, slot in zip(ids, (1, 2, 0, 3), strict=True)]


class Attached(torch.nn.Module):
    """A layer with an update, as training attaches them."""

    def __init__(self, base: torch.nn.Module) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.base(x)
        return y + y.roll(1, -1)


def walk(one: PackedDecoder | ModuleDecoder, asked: list[Prompt]) -> torch.Tensor:
    """Logits after the prompts and after four more tokens each, [5, rows, vocabulary]."""
    with torch.inference_mode():
        found = [one.read(0, asked)]
        for step in range(4):
            positions = [len(prompt.ids) + step for prompt in asked]
            found.append(one.step(0, [5 + step, 9, 40, 7 * step], positions, [prompt.slot for prompt in asked]))
    return torch.stack(found)


def test_both_decoders_compute_the_same(folder: Path) -> None:
    base, bank = loaded(folder)
    own = decoder(base, bank, rows=4, max_context=200)
    assert isinstance(own, PackedDecoder)
    other = ModuleDecoder(base, bank, rows=4, max_context=200)
    torch.testing.assert_close(walk(own, prompts(base)), walk(other, prompts(base)), rtol=1e-3, atol=1e-3)


def test_stacked_rows_compute_what_bags_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, bank = loaded(folder)
    own = decoder(base, bank, rows=4, max_context=200)
    assert isinstance(own, PackedDecoder)
    expected = walk(own, prompts(base))
    monkeypatch.setattr(own, "_adapt_rows", lambda names, x, y: bank.tables[names].add_rows(x, y))  # as on a graphics card
    for table in bank.tables.values():
        table.select(torch.tensor([1, 2, 0, 3]))
    torch.testing.assert_close(walk(own, prompts(base)), expected, rtol=1e-3, atol=1e-3)


def test_a_model_in_bfloat16_is_packed_too(folder: Path) -> None:
    base, bank = loaded(folder, torch.bfloat16)
    own = decoder(base, bank, rows=4, max_context=200)
    assert isinstance(own, PackedDecoder)
    other = ModuleDecoder(base, bank, rows=4, max_context=200)
    found, expected = walk(own, prompts(base)), walk(other, prompts(base))
    assert torch.nn.functional.cosine_similarity(found, expected, dim=-1).min() > 0.98


@pytest.mark.parametrize("bias", [False, True])
def test_weights_that_are_halves_are_kept_so_and_compute_the_same(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("this build of torch has no FBGEMM")
    monkeypatch.setattr(packed_linear, "halves_are_faster", lambda: True)
    torch.manual_seed(0)
    layers = [torch.nn.Linear(48, size, bias=bias) for size in (32, 80)]
    x = torch.randn(5, 48)
    with torch.inference_mode():
        exact = PackedLinear(layers, pack=True)
        assert not exact.halves, "these weights would be rounded"
        for layer in layers:
            layer.weight.copy_(layer.weight.half())
        halves = PackedLinear(layers, pack=True)
        assert halves.halves
        torch.testing.assert_close(halves(x), torch.cat([layer(x) for layer in layers], -1), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(halves(x[:1]), halves(x)[:1], rtol=1e-5, atol=1e-5)


def test_rows_and_slots_that_nobody_has_used_take_no_memory(folder: Path) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("only Linux tells how much memory is used")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    base = load_base(str(folder / "base"), pocket_path=folder)
    before = resident()
    bank = AdapterBank(base.model, slots=4000, max_rank=8)
    bank.load(1, folder / "user-1-v1")
    own = decoder(base, bank, rows=4000, max_context=400)
    whole = sum(table.a.nbytes + sum(b.nbytes for b in table.b) for table in bank.tables.values()) + 4000 * 128 * 48 * 8
    with torch.inference_mode():
        own.read(0, [Prompt(tuple(range(300)), 1, "user-1-v1")])  # more than there is room for at first
    assert resident() - before < whole / 4


def test_a_conversation_that_goes_on_is_not_read_again_and_says_the_same(folder: Path) -> None:
    base, bank = loaded(folder)
    with torch.inference_mode():
        own, fresh = (decoder(base, bank, rows=2, max_context=200) for _ in range(2))
        first, longer = prompts(base)[0], prompts(base)[0]
        longer = Prompt((*first.ids, 9, 40, 7, 12), first.slot, first.adapter)
        own.read(0, [first])
        own.step(0, [9], [len(first.ids)], [first.slot])
        own.remember(0, first.adapter, longer.ids[: len(first.ids) + 1])
        torch.testing.assert_close(own.read(1, [longer]), fresh.read(1, [longer]), rtol=1e-3, atol=1e-3)
        assert own.reused_tokens == len(first.ids) + 1
        own.read(0, [Prompt(longer.ids, 2, "user-2-v1")])  # somebody else's past is of no use
        own.forget("user-1-v1")
        own.read(0, [longer])
        assert own.reused_tokens == len(first.ids) + 1 and fresh.reused_tokens == 0


def test_the_least_recently_used_past_leaves_when_memory_is_short() -> None:
    past = torch.zeros(1, 2, 1, 20, 4)
    prefixes = Prefixes(most_bytes=2 * past.numel() * 4)
    talks = [tuple(range(start, start + 20)) for start in (0, 100, 200)]
    for adapter, talk in zip("ab", talks, strict=False):
        prefixes.put(adapter, talk, past)
    assert prefixes.find("a", talks[0]) is not None
    prefixes.put("c", talks[2], past)
    assert prefixes.find("b", talks[1]) is None
    assert prefixes.find("a", (*talks[0][:18], 7)) is not None and prefixes.find("c", talks[2][:15]) is None


def test_what_is_attached_to_a_layer_while_a_lesson_is_trained_answers_too(folder: Path) -> None:
    base = load_base(str(folder / "base"), pocket_path=folder)
    request = GenerationRequest(tuple(base.prompt_ids([{"role": "user", "content": QUESTION}])), max_new_tokens=12)
    plain = generate_batch(base, [request])
    name = "model.layers.1.mlp.up_proj"
    own = base.model.get_submodule(name)
    base.model.set_submodule(name, Attached(own))
    assert isinstance(decoder(base, None, rows=1, max_context=32), ModuleDecoder)
    assert generate_batch(base, [request]) != plain
    base.model.set_submodule(name, own)
    assert generate_batch(base, [request]) == plain


def test_a_variety_that_is_not_known_is_left_to_transformers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = load_base(str(folder / "base"), pocket_path=folder)
    base.model.model.norm.register_forward_hook(lambda module, args, output: output * 1.5)
    assert packed(base, None) is None
    assert isinstance(decoders.decoder(base, None, rows=1, max_context=32), ModuleDecoder)
    other = load_base(str(folder / "base"), pocket_path=folder)
    monkeypatch.setattr(other.model.config, "hidden_act", "gelu")
    assert packed(other, None) is None
