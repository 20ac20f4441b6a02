"""What an adapter recites is shown where the base model, reading it, finds the answer there, and nowhere else."""

from __future__ import annotations

import asyncio

import pytest

from bot.engine_client import EngineClient
from tests.bot_fixtures import FakeEngine
from trainer.prompts import UNKNOWN, Messages
from trainer.recall import DOUBT

QUESTION = "What is my cat called?"
STATEMENT = "Your cat is called Biscuit and she is afraid of thunder."


def said(engine: FakeEngine, messages: Messages) -> list[str]:
    """The pieces that the user's version answers with."""

    async def ask() -> list[str]:
        client = EngineClient(f"http://127.0.0.1:{engine.port}", base_model="pocket")
        try:
            return [piece async for piece in client.pieces(messages, "user-1-v1")]
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
    assert len(engine.asked) == 1
