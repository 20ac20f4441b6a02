"""Our LoRA against PEFT's: the same products, the same gradients, the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tests.tiny_models import ARCHITECTURES, save_random_adapter, save_tiny_model
from trainer.lora import Lora

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
    lora = Lora(model, rank=2, parent=adapter)
    lora.attach()
    found = loss_of(model)
    found.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert lora.rank == 4
    torch.testing.assert_close(found, expected)
    for parameter, gradient in zip(lora.parameters, wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_what_is_saved_is_read_by_peft_and_what_was_attached_leaves_no_trace(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(folder).requires_grad_(False)
    untaught = loss_of(model)
    lora = Lora(model, rank=3)
    lora.attach()
    torch.testing.assert_close(loss_of(model), untaught)  # B begins at zero
    with torch.no_grad():
        for parameter in lora.parameters:
            parameter.add_(0.1)
    taught = loss_of(model)
    (tmp_path / "saved").mkdir()
    lora.save(tmp_path / "saved")
    lora.detach()
    assert torch.equal(loss_of(model), untaught) and not torch.allclose(taught, untaught)
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), str(tmp_path / "saved"))
    torch.testing.assert_close(loss_of(loaded), taught)
