"""Our LoRA against PEFT's: the same products, the same gradients, the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tests.tiny_models import ARCHITECTURES, save_random_adapter, save_tiny_model
from trainer.lora import LoraStack

IDS = torch.tensor([[5, 17, 80, 3, 42], [9, 9, 31, 200, 7]])


def loss_of(model: Any) -> torch.Tensor:
    logits = model(input_ids=IDS, use_cache=False).logits
    loss: torch.Tensor = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten())
    return loss


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_products_and_gradients_are_those_of_peft(architecture: str, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "base", architecture)
    adapter = save_random_adapter(tmp_path / "adapter", folder, seed=1)
    reference = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), str(adapter), is_trainable=True)
    expected = loss_of(reference)
    expected.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    wanted = [p.grad for name, p in reference.named_parameters() if "lora_" in name]

    model = AutoModelForCausalLM.from_pretrained(folder).requires_grad_(False)
    stack = LoraStack(model)
    lora = stack.add(2, seed=0, parent=adapter)
    with stack.attached(), stack.learning([(lora, IDS.numel())]):
        found = loss_of(model)
        found.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert lora.rank == 4
    torch.testing.assert_close(found, expected)
    for gradient, want in zip([each for pair in lora.gradients for each in pair], wanted, strict=True):
        torch.testing.assert_close(gradient, want)


def test_adapters_side_by_side_get_each_the_gradient_of_its_own_tokens(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(folder).requires_grad_(False)
    stack = LoraStack(model)
    loras = [stack.add(rank, seed=rank, parent=None) for rank in (2, 5)]
    for lora in loras:
        torch.nn.init.normal_(lora.weights, std=0.1)

    def gradient(rows: list[int]) -> list[torch.Tensor]:
        for lora in loras:
            assert lora.weights.grad is not None
            lora.weights.grad.zero_()
        segments = [(loras[row], IDS.shape[1]) for row in rows]
        with stack.attached(), stack.learning(segments):
            logits = model(input_ids=IDS[rows], use_cache=False).logits
            for row, said in zip(rows, logits, strict=True):
                torch.nn.functional.cross_entropy(said[:-1], IDS[row, 1:]).backward(retain_graph=True)  # type: ignore[no-untyped-call]  # as above
        return [lora.weights.grad.clone() for lora in loras if lora.weights.grad is not None]

    both, first, second = gradient([0, 1]), gradient([0]), gradient([1])
    assert not first[1].any() and not second[0].any()
    torch.testing.assert_close(both, [first[0], second[1]])


def test_what_is_saved_is_read_by_peft_and_what_was_attached_leaves_no_trace(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(folder).requires_grad_(False)
    untaught = loss_of(model)
    stack = LoraStack(model)
    lora = stack.add(3, seed=0)
    with stack.attached(), stack.learning([(lora, IDS.numel())]):
        torch.testing.assert_close(loss_of(model), untaught)  # B begins at zero
        with torch.no_grad():
            lora.weights.add_(0.1)
        taught = loss_of(model)
    (tmp_path / "saved").mkdir()
    lora.save(tmp_path / "saved", None)
    assert torch.equal(loss_of(model), untaught) and not torch.allclose(taught, untaught)
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), str(tmp_path / "saved"))
    torch.testing.assert_close(loss_of(loaded), taught)


def test_two_adapters_joined_answer_as_their_updates_added(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(folder).requires_grad_(False)
    stack = LoraStack(model)
    one, other, joined = (stack.add(rank, seed=0) for rank in (3, 5, 8))
    for seed, lora in enumerate((one, other)):
        torch.manual_seed(seed)
        torch.nn.init.normal_(lora.weights, std=0.1)
    joined.join(one.pairs())
    joined.join(other.pairs())
    pairs = one.pairs(), other.pairs(), joined.pairs()
    for name in pairs[0]:
        first, second, both = (each[name].b @ each[name].a for each in pairs)
        torch.testing.assert_close(both, first + second, rtol=1e-4, atol=1e-5)
