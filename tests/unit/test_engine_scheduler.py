"""How requests wait, run, stop and fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_models import peft_answer, save_random_adapter, save_tiny_model, tiny_tokenizer
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.generation import FinishReason, GenerationRequest
from trainer.engine.residency import Residency
from trainer.engine.scheduler import Scheduler
from trainer.engine.text_stream import TextStream
from trainer.errors import (
    AdapterNotFoundError,
    ContextTooLongError,
    CorruptAdapterError,
    EngineBusyError,
    EngineStoppedError,
    GenerationFailedError,
)
from trainer.model import BaseModel, load_base


class Shop:
    """One tiny model and two adapters; each test builds its own scheduler on a fresh copy of the model."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = save_tiny_model(root / "base")
        for number in (1, 2):
            save_random_adapter(root / f"user-{number}-v1", self.folder, seed=number)

    def base(self) -> BaseModel:
        return load_base(str(self.folder), pocket_path=self.root / "none")

    def scheduler(self, **limits: int) -> Scheduler:
        base = self.base()
        return Scheduler(base, Residency(AdapterBank(base.model, 2, 4), lambda name: self.root / name), **limits)

    def request(self, text: str = "Hello", adapter: str | None = None, **settings: Any) -> GenerationRequest:
        ids = tuple(self.base().prompt_ids([{"role": "user", "content": text}]))
        return GenerationRequest(ids, adapter, **{"max_new_tokens": 20, **settings})

    def answer(self, request: GenerationRequest) -> list[int]:
        adapter = None if request.adapter is None else self.root / request.adapter
        return peft_answer(self.folder, adapter, request.prompt_ids, request.max_new_tokens)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def scheduler(shop: Shop) -> Iterator[Scheduler]:
    scheduler = shop.scheduler(max_batch=2, max_waiting=3).start()
    yield scheduler
    scheduler.close()


def test_a_full_line_refuses_at_once_and_takes_again_when_it_moves(shop: Shop) -> None:
    scheduler = shop.scheduler(max_batch=1, max_waiting=2)
    line = [scheduler.submit(shop.request()) for _ in range(2)]
    with pytest.raises(EngineBusyError):
        scheduler.submit(shop.request())
    scheduler.step()
    line.append(scheduler.submit(shop.request()))
    scheduler.drain()
    assert len({one.text() for one in line}) == 1


def test_a_cancelled_row_leaves_its_place_and_the_other_goes_on(shop: Shop) -> None:
    scheduler = shop.scheduler(max_batch=2)
    leaving, staying = scheduler.submit(shop.request("Hello")), scheduler.submit(shop.request("Zürich?"))
    for _ in range(4):
        scheduler.step()
    leaving.cancel()
    waiting = scheduler.submit(shop.request("cancelled before it ran"))
    waiting.cancel()
    scheduler.step()
    assert leaving.finish_reason == waiting.finish_reason == FinishReason.CANCELLED
    assert scheduler.status().running == 1 and waiting.completion_tokens == 0
    scheduler.drain()
    expected = shop.base().tokenizer.decode(shop.answer(staying.request), skip_special_tokens=True)
    assert staying.text() == expected


def test_counts_and_the_reason_of_an_end(shop: Shop) -> None:
    scheduler = shop.scheduler(max_context=60)
    length = scheduler.submit(shop.request(max_new_tokens=3))
    context = scheduler.submit(shop.request(max_new_tokens=500))
    scheduler.drain()
    assert (length.finish_reason, length.completion_tokens) == (FinishReason.LENGTH, 3)
    assert context.finish_reason is FinishReason.LENGTH
    assert context.prompt_tokens + context.completion_tokens == 60


def test_the_models_end_token_ends_the_answer(shop: Shop) -> None:
    scheduler = shop.scheduler()
    request = shop.request()
    third = shop.answer(request)[2]
    scheduler._batch._eos = frozenset({third})  # the tiny model never ends a turn by itself
    generation = scheduler.submit(request)
    scheduler.drain()
    assert generation.finish_reason is FinishReason.STOP
    assert generation.completion_tokens == shop.answer(request).index(third) + 1


def test_a_stop_string_ends_the_answer_and_is_not_shown(shop: Shop) -> None:
    scheduler = shop.scheduler()
    plain = scheduler.submit(shop.request())
    scheduler.drain()
    text = plain.text()
    stop = text[3:6]
    generation = scheduler.submit(shop.request(stop=(stop,)))
    scheduler.drain()
    assert generation.finish_reason is FinishReason.STOP
    assert generation.text() == text[: text.index(stop)]


def test_a_prompt_that_does_not_fit_is_refused(shop: Shop) -> None:
    scheduler = shop.scheduler(max_context=30)
    with pytest.raises(ContextTooLongError):
        scheduler.submit(shop.request("long " * 30))


def test_an_unknown_or_broken_adapter_fails_only_its_own_request(shop: Shop, tmp_path: Path) -> None:
    broken = save_random_adapter(tmp_path / "user-3-v1", shop.folder, seed=3)
    (broken / "adapter_model.safetensors").write_bytes(b"damaged")
    base = shop.base()

    def path_of(name: str) -> Path:
        if name == "user-9-v9":
            raise AdapterNotFoundError("unknown")
        return broken if name == "user-3-v1" else shop.root / name

    scheduler = Scheduler(base, Residency(AdapterBank(base.model, 2, 4), path_of))
    with pytest.raises(AdapterNotFoundError):
        scheduler.submit(shop.request(adapter="user-9-v9"))
    bad = scheduler.submit(shop.request(adapter="user-3-v1"))
    good = scheduler.submit(shop.request(adapter="user-1-v1"))
    scheduler.drain()
    with pytest.raises(CorruptAdapterError):
        bad.text()
    assert good.text() and scheduler.status().resident == ["user-1-v1"]


@pytest.mark.parametrize("when", ["prompt", "step"])
def test_an_error_in_the_model_fails_only_the_row_that_caused_it(shop: Shop, when: str) -> None:
    scheduler = shop.scheduler(max_batch=4)
    requests = [shop.request("Hello"), shop.request("東京 👍"), shop.request("What?", "user-1-v1")]
    answers = [shop.answer(one) for one in requests]
    if when == "prompt":
        poison = next(one for one in requests[1].prompt_ids if one not in requests[0].prompt_ids + requests[2].prompt_ids)
    else:
        poison = next(one for one in answers[1] if one not in answers[0] + answers[2])
    tokens = 1 if when == "step" else None

    def fail_on_poison(_: torch.nn.Module, args: tuple[torch.Tensor]) -> None:
        if (args[0] == poison).any() and (tokens is None or args[0].shape[1] == tokens):
            raise RuntimeError("poison")

    scheduler.base.model.get_input_embeddings().register_forward_pre_hook(fail_on_poison)
    generations = [scheduler.submit(one) for one in requests]
    scheduler.drain()
    with pytest.raises(GenerationFailedError, match="poison"):
        generations[1].text()
    decode = scheduler.base.tokenizer.decode
    assert generations[0].text() == decode(answers[0], skip_special_tokens=True)
    assert generations[2].text() == decode(answers[2], skip_special_tokens=True)
    assert scheduler.status().running == 0


def test_the_thread_streams_to_threads_and_to_an_event_loop(shop: Shop, scheduler: Scheduler) -> None:
    request = shop.request("Zürich?", "user-2-v1")
    expected = scheduler.base.tokenizer.decode(shop.answer(request), skip_special_tokens=True)

    async def read() -> list[str]:
        return [piece async for piece in scheduler.submit(request)]

    assert scheduler.submit(request).text() == expected
    assert "".join(asyncio.run(read())) == expected


def test_the_thread_survives_a_step_that_raises(shop: Shop, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = threading.Event()
    step = scheduler._batch.step

    def raise_once() -> None:
        if not raised.is_set():
            raised.set()
            raise MemoryError("out of memory")
        step()

    monkeypatch.setattr(scheduler._batch, "step", raise_once)
    with pytest.raises(GenerationFailedError):
        scheduler.submit(shop.request()).text()
    assert scheduler.submit(shop.request()).text()


def test_closing_ends_what_runs_and_refuses_what_comes(shop: Shop) -> None:
    scheduler = shop.scheduler(max_batch=1)
    line = [scheduler.submit(shop.request(max_new_tokens=400)) for _ in range(2)]
    scheduler.step()
    scheduler.close()
    for generation in line:
        with pytest.raises(EngineStoppedError):
            generation.text()
    with pytest.raises(EngineStoppedError):
        scheduler.submit(shop.request())


def test_an_adapter_is_unloaded_only_when_no_answer_uses_it(shop: Shop) -> None:
    scheduler = shop.scheduler()
    generation = scheduler.submit(shop.request(adapter="user-1-v1"))
    scheduler.step()
    assert not scheduler.unload("user-1-v1")
    scheduler.drain()
    assert generation.text() and scheduler.unload("user-1-v1")
    assert scheduler.status().resident == []


def test_pieces_of_text_never_split_a_character_and_add_up() -> None:
    tokenizer = tiny_tokenizer().backend_tokenizer
    text = "Zürich 東京 👍👩‍👩‍👧 naïve — Ωmega."
    stream = TextStream(tokenizer)
    pieces = [stream.push(one) for one in tokenizer.encode(text).ids]
    assert "".join(pieces) == text and not any("\ufffd" in piece for piece in pieces)
    assert stream.flush() == ""


def test_text_that_only_begins_like_a_stop_string_is_given_out_later() -> None:
    tokenizer = tiny_tokenizer().backend_tokenizer
    stream = TextStream(tokenizer, stop=("a cat!",))
    given = ""
    for one in tokenizer.encode("It is a cat, a cat! And more").ids:
        given += stream.push(one)
        assert not given.endswith("a cat")
        if stream.stopped:
            break
    assert given + stream.flush() == "It is a cat, "
