"""An answer that was written while nobody could show it is shown by the next bot, once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.messages import Answer, Notice, Reply
from bot.owing import Owing
from bot.platforms.base import Core
from bot.platforms.recording import RecordingPlatform
from bot.serving import serve
from storage.errors import DatabaseUnavailableError
from storage.repositories.base import utc_now
from tests.bot_fixtures import Install, said
from tests.services import eventually
from trainer.contracts import Answered


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.owing.GRACE_SECONDS", 0.1)
    monkeypatch.setattr("bot.following.LOOK_SECONDS", 0.05)


def answered(install: Install, question: str, *, shown: bool = False) -> int:
    """A message of Ada's whose answer is on record, and that the bot of then did not live to show."""
    ada = install.stored.users.identify("recording", "ada", "Ada")
    here = install.stored.conversations.current(ada.id, "recording", "general")
    exchange, _ = install.stored.exchanges.receive(ada.id, here.id, "recording", f"in: {question}", question)
    install.stored.exchanges.answer(exchange.id, f"The answer to {question}", None, 0.1, "m0" if shown else None)
    return exchange.id


async def replies(install: Install, text: str, user: str = "ada") -> list[str]:
    platform = RecordingPlatform([said(text, user=user)])
    await serve(install.app, platform)
    return [each.text for each in platform.replies if isinstance(each, Answer | Notice)]


async def test_the_next_bot_shows_it_and_no_later_one_does(install: Install) -> None:
    owed, known = answered(install, "one?"), answered(install, "two?", shown=True)
    install.engine.answers["Hello?"] = "Hi."
    assert sorted(await replies(install, "Hello?")) == ["Hi.", "The answer to one?"]
    assert await replies(install, "Hello?") == ["Hi."]
    exchanges = {each.id: each.reply_message_id for each in install.stored.exchanges.of_user(1)}
    assert exchanges[owed] is not None and exchanges[known] == "m0"


async def test_an_answer_that_the_bot_did_not_wait_for_is_shown_when_it_is_told_of(install: Install) -> None:
    class Late(RecordingPlatform):
        async def run(self, core: Core) -> None:
            install.queue.publish(Answered(answered(install, "late?"), 1))
            await asyncio.wait_for(self.shown_it.wait(), 60)

        async def send(self, channel: str, reply: Reply, reply_to: str | None = None) -> str:
            self.shown_it.set()
            return await super().send(channel, reply, reply_to)

        shown_it = asyncio.Event()

    platform = Late()
    await serve(install.app, platform)
    assert [each.text for each in platform.replies] == ["The answer to late?"]


async def test_what_was_shown_while_the_database_took_no_notes_is_not_shown_again(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install.engine.answers["Hello?"] = "Hi."
    noting, refused = install.stored.exchanges.set_reply_message, 0

    def full(exchange_id: int, message_id: str) -> None:
        nonlocal refused
        refused += 1
        raise DatabaseUnavailableError("database or disk is full")

    class Patient(RecordingPlatform):
        async def run(self, core: Core) -> None:
            await super().run(core)
            await asyncio.to_thread(eventually, lambda: refused > 5)
            monkeypatch.setattr(install.stored.exchanges, "set_reply_message", noting)
            await asyncio.to_thread(eventually, lambda: install.stored.exchanges.of_user(1)[0].reply_message_id)

    monkeypatch.setattr(install.stored.exchanges, "set_reply_message", full)
    monkeypatch.setattr("bot.following.ADOPT_SECONDS", 0.05)
    platform = Patient([said("Hello?", user="ada")])
    await serve(install.app, platform)
    assert [each.text for each in platform.replies] == ["Hi."]
    assert await replies(install, "/help") and install.stored.exchanges.unshown("recording", utc_now() - timedelta(days=1)) == ()


async def test_each_answer_is_noted_once_however_many_are_shown_at_the_same_time(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[int] = []
    monkeypatch.setattr(install.stored.exchanges, "set_reply_message", lambda exchange_id, message_id: noted.append(exchange_id))
    owing = Owing(install.app, RecordingPlatform(), lambda: None)
    await asyncio.gather(*(owing.shows(number, f"m{number}") for number in range(20)))
    await owing.look()
    assert sorted(noted) == list(range(20))


async def test_two_bots_show_it_once(install: Install) -> None:
    answered(install, "one?")
    install.engine.answers["Hello?"] = "Hi."
    both = await asyncio.gather(replies(install, "Hello?"), replies(install, "Hello?", user="bob"))
    assert sum("The answer to one?" in each for each in both) == 1
