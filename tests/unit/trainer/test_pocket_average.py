"""The mean of two sets of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from trainer.pocket.average import FILE, average


def save(folder: Path, **tensors: torch.Tensor) -> Path:
    folder.mkdir()
    save_file(tensors, folder / FILE)
    (folder / "config.json").write_text(folder.name)
    return folder


def test_the_mean_is_weighted_and_keeps_the_first_ones_precision_and_files(tmp_path: Path) -> None:
    first = save(tmp_path / "first", a=torch.tensor([0.0, 1.0], dtype=torch.float16))
    second = save(tmp_path / "second", a=torch.tensor([4.0, 1.0]))
    average(first, second, 0.75, tmp_path / "out")
    mean = load_file(tmp_path / "out" / FILE)["a"]
    assert (mean.dtype, mean.tolist()) == (torch.float16, [3.0, 1.0])
    assert (tmp_path / "out" / "config.json").read_text() == "first"


def test_models_of_other_shapes_have_no_mean(tmp_path: Path) -> None:
    first, second = save(tmp_path / "first", a=torch.zeros(2)), save(tmp_path / "second", b=torch.zeros(2))
    with pytest.raises(KeyError):
        average(first, second, 0.5, tmp_path / "out")
