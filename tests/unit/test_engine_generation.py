"""Which tokens the engine writes: the same as PEFT, whatever else is in the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import ARCHITECTURES, peft_answer, save_random_adapter, save_tiny_model
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.generation import GenerationRequest
from trainer.engine.offline import generate_batch
from trainer.engine.residency import Residency
from trainer.engine.scheduler import Scheduler
from trainer.model import BaseModel, load_base

NEW_TOKENS = 24
QUESTIONS = (
    "What is my cat called?",
    "When does our release train leave? I forgot it again, sorry.",
    "Zürich?",
    "Tell me about 東京 👍",
    "What is Minka afraid of, and why?",
    "Hello",
    "Which cities do you know? Name three of them, please, and their countries.",
    "Who are you",
)


class TinyWorld:
    """A tiny model with seven adapters, and what PEFT answers with each of them, one by one."""

    def __init__(self, root: Path, architecture: str) -> None:
        self.base_folder = save_tiny_model(root / architecture, architecture)
        self.adapters = [None, *(f"user-{number}-v1" for number in range(1, 8))]
        self.root = root
        for number, name in enumerate(self.adapters[1:], start=1):
            folder, rank = root / str(name), 8 if number % 2 else 4
            save_random_adapter(folder, self.base_folder, seed=number, rank=rank, use_rslora=number == 3)
        self.base = self.fresh_base()

    def fresh_base(self) -> BaseModel:
        return load_base(str(self.base_folder), pocket_path=self.root / "none")

    def engine_parts(self, slots: int = 8) -> tuple[BaseModel, Residency]:
        base = self.fresh_base()
        return base, Residency(AdapterBank(base.model, slots, max_rank=8), lambda name: self.root / name)

    def request(self, row: int, **settings: Any) -> GenerationRequest:
        ids = tuple(self.base.prompt_ids([{"role": "user", "content": QUESTIONS[row]}]))
        return GenerationRequest(ids, self.adapters[row], **{"max_new_tokens": NEW_TOKENS, **settings})

    def peft_answer(self, row: int, new_tokens: int = NEW_TOKENS) -> str:
        name = self.adapters[row]
        adapter = None if name is None else self.root / name
        ids = peft_answer(self.base_folder, adapter, self.request(row).prompt_ids, new_tokens)
        return str(self.base.tokenizer.decode(ids, skip_special_tokens=True))


@pytest.fixture(scope="module", params=ARCHITECTURES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    return TinyWorld(tmp_path_factory.mktemp("world"), request.param)


@pytest.fixture(scope="module")
def expected(world: TinyWorld) -> list[str]:
    return [world.peft_answer(row) for row in range(8)]


def test_eight_rows_with_eight_adapters_write_what_peft_writes_one_by_one(world: TinyWorld, expected: list[str]) -> None:
    base, residency = world.engine_parts()
    assert generate_batch(base, [world.request(row) for row in range(8)], residency) == expected
    assert len(set(expected)) == 8


def test_one_adapter_for_all_rows_writes_what_peft_writes(world: TinyWorld, expected: list[str]) -> None:
    base, residency = world.engine_parts()
    assert generate_batch(base, [world.request(3)] * 3, residency) == [expected[3]] * 3


def test_base_rows_after_adapter_rows_are_the_base_again(world: TinyWorld, expected: list[str]) -> None:
    base, residency = world.engine_parts()
    generate_batch(base, [world.request(row) for row in range(8)], residency)
    assert generate_batch(base, [world.request(0)], residency) == [expected[0]]


def test_rows_that_join_and_leave_in_the_middle_change_nothing(world: TinyWorld, expected: list[str]) -> None:
    base, residency = world.engine_parts()
    scheduler = Scheduler(base, residency, max_batch=3, max_waiting=8)
    running = []
    for row in range(8):  # a new one joins every other step, and ends at another time
        running.append(scheduler.submit(world.request(row)))
        scheduler.step()
        scheduler.step()
    scheduler.drain()
    assert [one.text() for one in running] == expected


def test_two_slots_serve_eight_adapters_by_evicting_and_reloading(world: TinyWorld, expected: list[str]) -> None:
    base, residency = world.engine_parts(slots=2)
    for _ in range(2):
        assert generate_batch(base, [world.request(row) for row in range(8)], residency) == expected
    assert len(residency.resident) == 2


def test_answers_longer_than_the_first_cache_capacity_still_match(world: TinyWorld) -> None:
    base, residency = world.engine_parts()
    long = world.request(6, max_new_tokens=150)
    texts = generate_batch(base, [long, world.request(1), world.request(2)], residency)
    assert texts[0] == world.peft_answer(6, new_tokens=150)


def test_a_seed_gives_the_same_answer_alone_and_in_company(world: TinyWorld) -> None:
    base, residency = world.engine_parts()
    sampled = world.request(2, temperature=1.0, top_p=0.9, seed=11)
    alone = generate_batch(base, [sampled], residency)[0]
    company = [world.request(row, temperature=0.8, seed=row) for row in range(8)]
    assert generate_batch(base, [*company, sampled], residency)[-1] == alone
    assert generate_batch(base, [world.request(2, temperature=1.0, top_p=0.9, seed=12)], residency)[0] != alone
