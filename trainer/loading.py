"""The configured base model, loaded into what this machine computes it with."""

from __future__ import annotations

from pathlib import Path

import torch

from trainer.computing import Computing, Shape, choose, cores
from trainer.model import BaseModel, load_base, read_config
from trainer.settings import AUTO, Settings

POCKET = Path(__file__).parent / "pocket" / "weights"


def base_model(settings: Settings, *, learns: bool = False) -> BaseModel:
    """The configured base model, loaded into what it is computed with here: bfloat16 on a GPU, on a processor what `computing` finds
    fastest, for a model that answers or for one that ``learns``. Sets the threads of torch. Raises ModelError."""
    found = compute(settings, Shape.of(read_config(settings.base_model, pocket_path=POCKET)), learns=learns)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return load_base(settings.base_model, pocket_path=POCKET, device=device, dtype=found.dtype)


def compute(settings: Settings, shape: Shape, *, learns: bool = False) -> Computing:
    """What a model of this shape is computed with; torch's threads are set so. The settings' words go before what would be chosen."""
    wanted, gpu = settings.compute, torch.cuda.is_available()
    dtype = getattr(torch, wanted.dtype) if wanted.dtype != AUTO else torch.bfloat16 if gpu else None
    threads = None if wanted.threads == AUTO else int(wanted.threads)
    if threads is None and gpu:
        threads = max(1, cores() // 2)
    found = choose(shape, learns=learns, dtype=dtype, threads=threads)
    torch.set_num_threads(found.threads)
    return found
