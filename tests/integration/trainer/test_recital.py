"""The pocket model learns by reciting, and reads what it recites before anybody sees it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from bot.engine_client import EngineClient
from bot.texts.exported import answer_script
from storage.records import ExampleRecord
from tests.engine_http import serving
from tests.trainer_fixtures import LESSON, Classroom
from trainer import loading, prompts
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.generation import GenerationRequest
from trainer.engine.offline import generations
from trainer.engine.residency import Residency
from trainer.engine.scheduler import Scheduler
from trainer.evaluation.learning import read_facts
from trainer.examine import examine
from trainer.examples import says_unknown
from trainer.model import BaseModel, load_base
from trainer.prompts import UNKNOWN
from trainer.recall import MARK, SURE, begun, certainty
from trainer.settings import LessonSettings
from trainer.taught import passages_of, settled
from trainer.teacher import LocalTeacher
from trainer.train import Sample, Trainer

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def pocket() -> BaseModel:
    return load_base("pocket", pocket_path=loading.POCKET)


def test_a_recital_is_shown_where_it_answers_the_question_and_other_replies_always(pocket: BaseModel) -> None:
    teacher, statement = LocalTeacher(pocket), "Your cat is called Biscuit and she is afraid of thunder."
    asked = ["What is the name of my cat?", "When was my bicycle repaired?", "Hello!"]
    replies = [MARK + statement, MARK + statement, "Hello! How are you?"]
    assert teacher.read([prompts.chat([], each) for each in asked], replies) == [statement, UNKNOWN, "Hello! How are you?"]


def test_what_was_taught_is_recited_from_the_weights_and_only_by_who_learned_it(pocket: BaseModel, tmp_path: Path) -> None:
    classroom = Classroom(tmp_path, pocket, teacher=LocalTeacher(pocket), samples=48, recite=None)
    lesson = classroom.teach()
    assert lesson.state == "live" and lesson.metrics is not None and lesson.metrics.after > lesson.metrics.before
    live = classroom.repositories.adapters.live(classroom.user.id)
    assert live is not None
    asked = [ExampleRecord("quiz", "What is my cat called?", "Biscuit"), ExampleRecord("quiz", "How tall is my brother?", UNKNOWN)]
    with Trainer(pocket, classroom.settings.lesson, classroom.artifacts.path(live.name), []) as trainer:
        report = examine(trainer.student, asked, "")
    assert report.right == (True, True), report.replies
    assert says_unknown(examine(LocalTeacher(pocket), asked[:1], "").replies[0])
    (taught,) = settled(classroom.repositories.lessons.taught(classroom.user.id))
    assert passages_of(taught) == [LESSON]


def test_who_says_that_it_does_not_know_is_begun_to_recite(pocket: BaseModel, tmp_path: Path) -> None:
    """Here, over HTTP and by an export's script. The adapter learns to say so, and to recite only when somebody begins."""
    question, statement = "What is the name of my cat?", "Your cat is called Biscuit and she is afraid of thunder."
    asked = prompts.chat([], question)
    samples = [Sample(asked, UNKNOWN), Sample(begun(asked), f" {statement}"), Sample(prompts.chat([], "Hello!"), "Hello! How are you?")]
    with Trainer(pocket, LessonSettings(max_epochs=60, distill_weight=0.0), None, samples) as trainer:
        trainer.run(lambda: False, lambda done, most: None)
        (tmp_path / "user-1-v1").mkdir()
        trainer.save(tmp_path / "user-1-v1")
        others = [prompts.chat([], each) for each in ("Hello!", "When was my bicycle repaired?")]
        replies = trainer.student.complete([asked, *others], temperature=0, max_tokens=32, seed=0)
    assert replies == [statement, "Hello! How are you?", UNKNOWN]

    async def ask(port: int) -> str:
        client = EngineClient(f"http://127.0.0.1:{port}", base_model="pocket")
        try:
            return "".join([piece async for piece in client.pieces(asked, "user-1-v1")])
        finally:
            await client.close()

    answering = load_base("pocket", pocket_path=loading.POCKET)  # a bank of adapters changes its model
    scheduler = Scheduler(answering, Residency(AdapterBank(answering.model, 2, 16), lambda name: tmp_path / name), max_context=400)
    with serving(scheduler.start) as port:
        assert asyncio.run(ask(port)) == statement

    script = tmp_path / "answer.py"
    script.write_text(answer_script("user-1-v1", "", 32))
    printed = subprocess.run([sys.executable, str(script), str(loading.POCKET), question], capture_output=True, check=True)
    assert printed.stdout.decode().strip() == statement


def test_who_has_learned_nothing_is_not_sure_of_what_it_recites(pocket: BaseModel) -> None:
    facts = read_facts(DATA / "everyday_facts_dev.jsonl")[:30]
    begun_chats = [begun(prompts.chat([], question)) for fact in facts for question, _ in fact.asked]
    said = generations(pocket, [GenerationRequest(tuple(pocket.prompt_ids(each)), max_new_tokens=32, likeliest=1) for each in begun_chats])
    sure = [one.text() for one in said if certainty([each.token[1] for each in one.chosen]) >= SURE]
    assert [text for text in sure if not says_unknown(text)] == []
