"""What a processor computes a model with: what is fastest there, and what the settings say instead."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from timeit import repeat

import pytest
import torch

from tests.tiny_models import save_tiny_model
from trainer import computing, loading
from trainer.computing import Computing, Kind, Shape, choose, cores, decide, measure
from trainer.configuration import load
from trainer.settings import ComputeSettings, Settings, SettingsError

F32, BF16 = torch.float32, torch.bfloat16
SMALL = Shape(hidden=288, inner=768, layers=6)


@pytest.fixture(autouse=True)
def threads_as_before() -> object:
    before = torch.get_num_threads()
    choose.cache_clear()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({(F32, 1): 1.0, (BF16, 1): 0.25}, (BF16, 1)),  # a processor that multiplies bfloat16
        ({(F32, 1): 1.0, (BF16, 1): 10.0}, (F32, 1)),  # one that does not
        ({(F32, 1): 1.0, (BF16, 1): 0.85}, (F32, 1)),  # too little for its rounding
        ({(F32, 1): 1.0, (F32, 2): 0.55, (F32, 4): 0.53}, (F32, 2)),  # four hardly gain
        ({(F32, 1): 1.0, (F32, 2): 1.2, (F32, 4): 0.4}, (F32, 4)),
        ({(F32, 1): 1.0, (F32, 2): 3.0, (F32, 4): 9.0}, (F32, 1)),  # a small model, which more threads slow down
        ({(F32, 1): 4.0, (F32, 2): 2.0, (BF16, 1): 1.0, (BF16, 2): 0.95}, (BF16, 1)),
        ({(BF16, 1): 1.0, (BF16, 2): 0.5}, (BF16, 2)),  # only this was asked for
    ],
)
def test_the_fastest_is_chosen_with_no_more_rounding_and_threads_than_pay(seconds: dict[Kind, float], expected: Kind) -> None:
    assert decide(seconds) == expected


@pytest.mark.parametrize("learns", [False, True])
def test_what_is_chosen_is_what_is_faster_on_this_processor(learns: bool) -> None:
    torch.set_num_threads(1)
    spent = {}
    for dtype in (F32, BF16):
        left, right = torch.ones(256 if learns else 16, 1024, dtype=dtype), torch.ones(1024, 1024, dtype=dtype)
        spent[dtype] = min(repeat(partial(torch.matmul, left, right), number=2, repeat=3))
    chosen = choose(SMALL, learns=learns)
    ratio = spent[F32] / spent[BF16]
    if 0.8 < ratio < 2:
        pytest.skip(f"bfloat16 is {ratio:.2f} times as fast here, so either may be right")
    assert chosen.dtype == (BF16 if ratio > 1 else F32), f"bfloat16 is {ratio:.2f} times as fast"
    assert 1 <= chosen.threads <= max(1, cores() // 2)


def test_the_slow_kind_is_not_chosen_whichever_it_is() -> None:
    def work_of(slow: torch.dtype, dtype: torch.dtype) -> object:
        return lambda: time.sleep(0.02 if dtype == slow else 0.002)

    for slow, fast in ((F32, BF16), (BF16, F32)):
        seconds = measure([(F32, 1), (BF16, 1)], lambda dtype, slow=slow: work_of(slow, dtype))  # type: ignore[arg-type, misc]  # a default binds
        assert decide(seconds) == (fast, 1)


@pytest.mark.parametrize("learns", [False, True])
def test_trying_takes_less_than_a_second(learns: bool) -> None:
    began = time.process_time()
    choose(Shape(hidden=4096, inner=14336, layers=32), learns=learns, threads=1)
    assert time.process_time() - began < 2.0  # of processors, with what else the tests' process does


def test_what_the_settings_say_is_done(tmp_path: Path) -> None:
    settings = replace(Settings(data=tmp_path), base_model=str(save_tiny_model(tmp_path / "tiny")))
    slow = choose(SMALL, learns=False).dtype
    wanted = BF16 if slow == F32 else F32  # not what would be chosen
    told = replace(settings, compute=ComputeSettings(dtype=str(wanted).removeprefix("torch."), threads="2"))
    for learns in (False, True):
        assert Computing.of(loading.base_model(told, learns=learns).model) == Computing(wanted, 2)

    file = tmp_path / "config.yaml"
    for text, threads in (("{}", 3), ("compute: {threads: auto}", 3), ("compute: {threads: 2}", 2)):
        file.write_text(text)
        assert loading.compute(load(file, {"OMP_NUM_THREADS": "3"}), SMALL).threads == threads


def test_it_is_said_in_one_line_and_tried_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, computing.__name__):
        chosen = choose(SMALL, learns=True, threads=1)
        assert choose(SMALL, learns=True, threads=1) == chosen
    (line,) = [record.getMessage() for record in caplog.records]
    assert str(chosen) in line and "float32, 1 thread: " in line and "bfloat16, 1 thread: " in line


def test_settings_that_cannot_be_computed_with_are_refused(tmp_path: Path) -> None:
    for text, wrong in (("dtype: float16", "compute.dtype"), ("threads: 0", "compute.threads"), ("threads: many", "compute.threads")):
        file = tmp_path / "config.yaml"
        file.write_text(f"compute:\n  {text}\n")
        with pytest.raises(SettingsError, match=wrong):
            load(file, {})
