"""The adapter that changes nothing, for every kind of model that is served."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoConfig

from tests.tiny_models import ARCHITECTURES, peft_answer, save_tiny_model
from trainer.engine.adapter_file import read_adapter
from trainer.engine.untaught import save_untaught


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_peft_answers_with_it_as_without(architecture: str, tmp_path: Path) -> None:
    base = save_tiny_model(tmp_path / "base", architecture)
    adapter = tmp_path / "untaught"
    adapter.mkdir()

    save_untaught(adapter, AutoConfig.from_pretrained(base))

    assert peft_answer(base, adapter, (5, 6, 7), 12) == peft_answer(base, None, (5, 6, 7), 12)
    assert len(read_adapter(adapter)) == 1
