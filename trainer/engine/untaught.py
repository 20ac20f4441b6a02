"""An adapter that changes nothing, for servers that must have one for everybody."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedConfig

from trainer.lora import Lora

RANK = 8


def save_untaught(folder: Path, config: PreTrainedConfig) -> None:
    """Write it in PEFT's format for a model of this kind: zeros on one layer, since layers without an update are left alone."""
    with torch.device("meta"):  # its shape, without its weights
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    head = model.get_output_embeddings()
    name, layer = next((name, each) for name, each in model.named_modules() if isinstance(each, nn.Linear) and each is not head)
    Lora({name: layer}, RANK, torch.device("cpu"), torch.float32).save(folder, None)
