"""Which tokens the engine writes: the same as PEFT, whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tests.tiny_models import ARCHITECTURES, save_random_adapter, save_tiny_model
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


class Kitchen:
    """A tiny model with seven adapters, and what PEFT answers with each of them, one by one."""

    def __init__(self, root: Path, architecture: str) -> None:
        self.base_folder = save_tiny_model(root / architecture, architecture)
        self.adapters = [None, *(f"user-{number}-v1" for number in range(1, 8))]
        self.root = root / "adapters"
        for number, name in enumerate(self.adapters[1:], start=1):
            folder, rank = self.root / str(name), 8 if number % 2 else 4
            save_random_adapter(folder, self.base_folder, seed=number, rank=rank, use_rslora=number == 3)
        self.base = self.fresh_base()

    def fresh_base(self) -> BaseModel:
        return load_base(str(self.base_folder), pocket_path=self.root / "none")

    def residency(self, slots: int = 8) -> Residency:
        return Residency(AdapterBank(self.fresh_base().model, slots, max_rank=8), lambda name: self.root / name)

    def engine_parts(self, slots: int = 8) -> tuple[BaseModel, Residency]:
        base = self.fresh_base()
        return base, Residency(AdapterBank(base.model, slots, max_rank=8), lambda name: self.root / name)

    def request(self, row: int, **settings: object) -> GenerationRequest:
        ids = tuple(self.base.prompt_ids([{"role": "user", "content": QUESTIONS[row]}]))
        return GenerationRequest(ids, self.adapters[row], **{"max_new_tokens": NEW_TOKENS, **settings})  # type: ignore[arg-type]

    def peft_answer(self, row: int) -> str:
        model = AutoModelForCausalLM.from_pretrained(self.base_folder).eval()
        if self.adapters[row] is not None:
            model = PeftModel.from_pretrained(model, str(self.root / str(self.adapters[row]))).eval()
        ids = torch.tensor([self.request(row).prompt_ids])
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False
        )
        return str(self.base.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))


@pytest.fixture(scope="module", params=ARCHITECTURES)
def kitchen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    yield Kitchen(tmp_path_factory.mktemp("kitchen"), request.param)


@pytest.fixture(scope="module")
def expected(kitchen: Kitchen) -> list[str]:
    return [kitchen.peft_answer(row) for row in range(8)]


def test_eight_rows_with_eight_adapters_write_what_peft_writes_one_by_one(
    kitchen: Kitchen, expected: list[str]
) -> None:
    base, residency = kitchen.engine_parts()
    assert generate_batch(base, [kitchen.request(row) for row in range(8)], residency) == expected
    assert len(set(expected)) == 8


def test_one_adapter_for_all_rows_writes_what_peft_writes(kitchen: Kitchen, expected: list[str]) -> None:
    base, residency = kitchen.engine_parts()
    assert generate_batch(base, [kitchen.request(3)] * 3, residency) == [expected[3]] * 3


def test_base_rows_after_adapter_rows_are_the_base_again(kitchen: Kitchen, expected: list[str]) -> None:
    base, residency = kitchen.engine_parts()
    generate_batch(base, [kitchen.request(row) for row in range(8)], residency)
    assert generate_batch(base, [kitchen.request(0)], residency) == [expected[0]]


def test_rows_that_join_and_leave_in_the_middle_change_nothing(kitchen: Kitchen, expected: list[str]) -> None:
    base, residency = kitchen.engine_parts()
    scheduler = Scheduler(base, residency, max_batch=3, max_waiting=8)
    running = []
    for row in range(8):  # a new one joins every other step, and ends at another time
        running.append(scheduler.submit(kitchen.request(row)))
        scheduler.step()
        scheduler.step()
    scheduler.drain()
    assert [one.text() for one in running] == expected


def test_two_slots_serve_eight_adapters_by_evicting_and_reloading(kitchen: Kitchen, expected: list[str]) -> None:
    base, residency = kitchen.engine_parts(slots=2)
    for _ in range(2):
        assert generate_batch(base, [kitchen.request(row) for row in range(8)], residency) == expected
    assert len(residency.resident) == 2


def test_answers_longer_than_the_first_cache_capacity_still_match(kitchen: Kitchen) -> None:
    base, residency = kitchen.engine_parts()
    row = 6
    request = kitchen.request(row, max_new_tokens=150)
    together = generate_batch(base, [request, kitchen.request(1), kitchen.request(2)], residency)[0]
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(kitchen.base_folder).eval(), str(kitchen.root / str(kitchen.adapters[row]))
    )
    ids = torch.tensor([request.prompt_ids])
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=150, do_sample=False)
    assert together == base.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


def test_a_seed_gives_the_same_answer_alone_and_in_company(kitchen: Kitchen) -> None:
    base, residency = kitchen.engine_parts()
    sampled = kitchen.request(2, temperature=1.0, top_p=0.9, seed=11)
    alone = generate_batch(base, [sampled], residency)[0]
    company = [kitchen.request(row, temperature=0.8, seed=row) for row in range(8)]
    assert generate_batch(base, [*company, sampled], residency)[-1] == alone
    assert generate_batch(base, [kitchen.request(2, temperature=1.0, top_p=0.9, seed=12)], residency)[0] != alone
