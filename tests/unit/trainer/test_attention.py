"""Attention for short sequences gives what PyTorch's own gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trainer.attention import LONGEST, NAME, Layout, in_one_row, use_short_attention


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48)
    return LlamaForCausalLM(config)


@pytest.mark.parametrize("length", [1, 7, LONGEST + 1])
def test_logits_and_gradients_are_those_of_the_fused_kernel(model: LlamaForCausalLM, length: int) -> None:
    ids = torch.randint(64, (3, length))

    def outcome() -> tuple[torch.Tensor, list[torch.Tensor]]:
        model.zero_grad()
        logits = model(input_ids=ids).logits
        logits.square().mean().backward()
        return logits.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]

    logits, gradients = outcome()
    use_short_attention(model)
    assert model.config._attn_implementation == NAME
    own_logits, own_gradients = outcome()
    torch.testing.assert_close(own_logits, logits)
    torch.testing.assert_close(own_gradients, gradients)


def test_padding_on_the_left_and_a_cache_still_work(model: Any) -> None:  # transformers' types name every kind of output
    ids, mask = torch.randint(64, (2, 6)), torch.tensor([[0, 0, 1, 1, 1, 1], [1] * 6])

    settings: dict[str, Any] = {"attention_mask": mask, "max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}

    def generated() -> object:
        return model.generate(ids, **settings).tolist()

    before = generated()
    use_short_attention(model)
    assert generated() == before


def test_sequences_in_one_row_are_read_as_if_each_were_alone(model: LlamaForCausalLM) -> None:
    use_short_attention(model)
    sequences = [torch.randint(64, (length,)) for length in (5, 1, 9, 3)]

    def gradients() -> list[torch.Tensor]:
        found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        model.zero_grad()
        return found

    alone = [model(input_ids=each[None]).logits[0] for each in sequences]
    torch.cat(alone).square().sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    wanted = gradients()
    layout = Layout.of([len(each) for each in sequences], torch.device("cpu"))
    assert layout.positions.tolist() == [place for each in sequences for place in range(len(each))]
    with in_one_row(layout):
        together = model(input_ids=torch.cat(sequences)[None], position_ids=layout.positions[None]).logits[0]
        together.square().sum().backward()
    torch.testing.assert_close(together, torch.cat(alone))
    torch.testing.assert_close(gradients(), wanted)
