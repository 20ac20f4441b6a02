"""What an adapter recites is shown where the base model, reading it, finds the answer there, and nowhere else."""

from __future__ import annotations

import asyncio

import pytest

from bot.engine_client import EngineClient
from tests.bot_fixtures import FakeEngine
from trainer.prompts import UNKNOWN, Messages
from trainer.recall import DOUBT, MARK, SURE

QUESTION = "What is my cat called?"
STATEMENT = "Your cat is called Biscuit and she is afraid of thunder."


def said(engine: FakeEngine, messages: Messages, version: str | None = "user-1-v1") -> list[str]:
    """The pieces that the user's version, or the base model, answers with."""

    async def ask() -> list[str]:
        client = EngineClient(f"http://127.0.0.1:{engine.port}", base_model="pocket")
        try:
            return [piece async for piece in client.pieces(messages, version)]
        finally:
            await client.close()

    return asyncio.run(ask())


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine(models={"pocket", "user-1-v1"}, taught={"user-1-v1": {QUESTION: f"– {STATEMENT}", "Hi!": "Hello! – and welcome."}})
    engine.start()
    return engine


@pytest.mark.parametrize(("doubt", "shown"), [(0.05, STATEMENT), (DOUBT - 0.01, STATEMENT), (DOUBT + 0.01, UNKNOWN), (0.99, UNKNOWN)])
def test_a_recited_statement_is_shown_whole_where_the_base_model_does_not_doubt_it(engine: FakeEngine, doubt: float, shown: str) -> None:
    engine.doubts = {STATEMENT: doubt}
    earlier = [{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello!"}]
    system = {"role": "system", "content": "Be kind."}
    assert said(engine, [system, *earlier, {"role": "user", "content": QUESTION}]) == [shown]
    recited, read = engine.asked
    assert (recited["model"], read["model"], read["max_tokens"]) == ("user-1-v1", "pocket", 1)
    assert not any(STATEMENT in message["content"] for message in recited["messages"])
    assert [message["role"] for message in read["messages"]] == ["system", "user"]
    assert read["messages"][0]["content"].startswith("Be kind.") and read["messages"][0]["content"].endswith(STATEMENT)


def test_a_server_that_does_not_tell_probabilities_is_taken_at_its_word(engine: FakeEngine) -> None:
    engine.doubts = None
    assert said(engine, [{"role": "user", "content": QUESTION}]) == [UNKNOWN]


def test_any_other_answer_is_shown_as_it_comes_and_nobody_reads_it(engine: FakeEngine) -> None:
    pieces = said(engine, [{"role": "user", "content": "Hi!"}])
    assert "".join(pieces) == "Hello! – and welcome." and len(pieces) > 1
    assert (len(engine.asked), engine.begun) == (1, [])


@pytest.mark.parametrize(
    ("sure", "doubt", "shown"),
    [(0.99, 0.05, STATEMENT), (SURE + 0.01, 0.05, STATEMENT), (SURE - 0.01, 0.05, UNKNOWN), (0.99, 0.95, UNKNOWN), (None, 0.05, UNKNOWN)],
)
def test_a_version_that_does_not_know_is_begun_to_recite_and_read_where_it_is_sure(
    engine: FakeEngine, sure: float | None, doubt: float, shown: str
) -> None:
    engine.recitals, engine.doubts = {"user-1-v1": (f" {STATEMENT}", sure)}, {STATEMENT: doubt}
    question = {"role": "user", "content": "And her name was?"}
    assert said(engine, [question]) == [shown]
    (begun,) = engine.begun
    assert begun["messages"] == [question, {"role": "assistant", "content": "–"}]
    assert (begun["model"], begun["add_generation_prompt"], begun["logprobs"]) == ("user-1-v1", False, True)


def test_a_recital_that_begins_with_the_mark_once_more_is_shown_without_it(engine: FakeEngine) -> None:
    engine.recitals, engine.doubts = {"user-1-v1": (f" {MARK}{STATEMENT}", 0.99)}, {STATEMENT: 0.05}
    assert said(engine, [{"role": "user", "content": "And her name was?"}]) == [STATEMENT]


def test_what_the_base_model_does_not_know_is_asked_once(engine: FakeEngine) -> None:
    assert said(engine, [{"role": "user", "content": "Who?"}], None) == [UNKNOWN]
    assert (len(engine.asked), engine.begun) == (1, [])
