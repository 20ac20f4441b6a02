"""What befalls the connection: events that come twice, lines that break, slow and failing requests. Nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.bot_fixtures import Install
from tests.discord_wire import answered, replied, running
from tests.fakes.discord import FakeDiscord


async def test_a_message_delivered_twice_is_answered_once(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers |= {"Hello": "Hello to you", "Last": "The end"}
    ana = fake.user("ana")
    async with running(install, fake):
        fake.gateway.duplicate("MESSAGE_CREATE", times=1)
        question = ana.says(fake.general, "Hello", mention=True)
        await answered(fake, question, "Hello to you")
        fake.gateway.duplicate("INTERACTION_CREATE", times=1)
        used = ana.slash("ask", fake.general, message="Hello")
        await replied(fake, used, "Hello to you")
        await answered(fake, ana.says(fake.general, "Last", mention=True), "The end")
    assert len(fake.replies(question)) == 1 and len(used.messages) == 1
    assert len(install.engine.asked) == 3


async def test_a_message_delivered_again_after_a_restart_is_answered_once(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers |= {"Hello": "Hello to you", "Last": "The end"}
    ana = fake.user("ana")
    async with running(install, fake):
        question = ana.says(fake.general, "Hello", mention=True)
        await answered(fake, question, "Hello to you")
    async with running(install, fake):
        fake.world.tell_again(question)
        await answered(fake, ana.says(fake.general, "Last", mention=True), "The end")
    assert len(fake.replies(question)) == 1


BREAKS: dict[str, Callable[[FakeDiscord], Any]] = {
    "close 4000": lambda fake: asyncio.ensure_future(fake.gateway.close(4000)),
    "line cut": lambda fake: fake.gateway.drop(),
    "asked to reconnect": lambda fake: fake.gateway.reconnect(),
    "session interrupted": lambda fake: fake.gateway.invalidate(resumable=True),
}


@pytest.mark.parametrize("how", BREAKS)
async def test_what_is_written_while_the_gateway_is_away_is_answered_once_on_resuming(install: Install, fake: FakeDiscord, how: str) -> None:
    install.engine.answers |= {f"Question {number}": f"Answer {number}" for number in range(4)}
    ana = fake.user("ana")
    async with running(install, fake):
        await answered(fake, ana.says(fake.general, "Question 0", mention=True), "Answer 0")
        kept = BREAKS[how](fake)
        for number in (1, 2):
            await answered(fake, ana.says(fake.general, f"Question {number}", mention=True), f"Answer {number}")
        await fake.until(lambda: fake.gateway.resumed == 1)
        await answered(fake, ana.says(fake.general, "Question 3", mention=True), "Answer 3")
        del kept
    assert fake.gateway.identified == 1
    assert len(fake.messages()) == len(install.engine.asked) == 4


async def test_a_slow_gateway_and_a_slow_api(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    fake.gateway.delay = 0.1
    async with running(install, fake):
        fake.slow_down(seconds=0.1)
        await answered(fake, fake.user("ana").says(fake.general, "Hello", mention=True), "Hello to you")
        assert (await replied(fake, fake.user("ben").slash("help"))).text.startswith("Write")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", ["create_message", "update_message"])
async def test_a_connection_that_breaks_off_neither_loses_nor_doubles_an_answer(
    install: Install, fake: FakeDiscord, operation: str, when: Any
) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    async with running(install, fake):
        fake.lose(operation, when=when)
        question = fake.user("ana").says(fake.general, "Hello", mention=True)
        await answered(fake, question, "Hello to you")
    assert len(fake.messages()) == 1
    assert fake.count(operation, 0) == 1


async def test_errors_of_discord_are_waited_out(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    async with running(install, fake):
        fake.fail("create_message", 502)
        fake.fail("update_message", 503, times=2)
        await answered(fake, fake.user("ana").says(fake.general, "Hello", mention=True), "Hello to you")
