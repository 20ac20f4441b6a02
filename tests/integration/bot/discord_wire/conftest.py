"""Every request to Discord is checked against Discord's own description of its API, in every test here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer

import pytest

from bot.engine_client import EngineClient
from bot.jobs import Answering
from tests.bot_fixtures import CHAT_QUEUE, Install
from tests.fakes.discord import FakeDiscord


@pytest.fixture(autouse=True)
def _room_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of the tests takes as many connections as a real one does."""
    monkeypatch.setattr(ThreadingHTTPServer, "request_queue_size", 512)


@pytest.fixture(autouse=True)
def _worker(install: Install) -> None:
    """Answers what the engine could not take at once, as on a machine that has much else to do."""
    engine = EngineClient(f"http://127.0.0.1:{install.engine.port}", base_model="pocket")
    install.work(CHAT_QUEUE, Answering(replace(install.app, engine=engine), install.queue.publish).answer_pending)


@pytest.fixture(autouse=True)
def _nothing_breaks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """discord.py and the router go on after an error that nobody foresaw; here it fails the test."""
    yield
    broken = [each for each in caplog.get_records("call") if each.levelname == "ERROR" and each.exc_info]
    ours = [each for each in broken if each.name.startswith("bot.") or each.getMessage().startswith("Ignoring exception")]
    assert [f"{each.getMessage()}: {each.exc_info}" for each in ours] == []


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as fake:
        yield fake
    assert fake.violations == []
    assert fake.unanswered == []
