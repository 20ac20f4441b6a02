"""What goes wrong with Discord goes wrong with the fake: limits, lost lines, events that come twice, missing rights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import aiohttp
import discord
import pytest

from tests.echo_bot import Echo, answered, running
from tests.fakes.discord import FakeDiscord


async def test_too_many_requests_are_refused_and_come_again(fake: FakeDiscord, bot: Echo) -> None:
    fake.fail("create_message", 502)  # first, for discord.py waits longer after each try
    fake.refuse("create_message", times=2)
    fake.refuse("create_message", times=1, everywhere=True)
    question = fake.user("ana").says(fake.general, "Hello")
    await answered(fake, question)
    assert fake.count("create_message", 429) == 3 and fake.count("create_message", 502) == 1
    assert len(fake.replies(question)) == 1
    assert fake.violations == []


@pytest.mark.parametrize("everything", [False, True])
async def test_limits_hold_and_lose_nothing(fake: FakeDiscord, bot: Echo, everything: bool) -> None:
    if everything:
        fake.limit_everything(4, 0.2)
    else:
        fake.limit("create_message", 2, 0.1)
    questions = [fake.user("ana").says(fake.general, f"Message {number}") for number in range(8)]
    await fake.until(lambda: all(fake.replies(each) for each in questions))
    assert [len(fake.replies(each)) for each in questions] == [1] * 8
    served = [each.at for each in fake.requests if each.operation == "create_message" and each.status == 200]
    assert served[-1] - served[0] > 0.15
    assert fake.violations == []


async def test_what_happened_while_the_line_was_down_comes_on_resuming(fake: FakeDiscord, bot: Echo) -> None:
    breaks: list[Callable[[], object]] = [
        lambda: asyncio.create_task(fake.gateway.close(4000)),
        fake.gateway.drop,
        fake.gateway.reconnect,
        lambda: fake.gateway.invalidate(resumable=True),
    ]
    for number, break_it in enumerate(breaks, 1):
        before = fake.gateway.resumed
        kept = break_it()
        question = fake.user("ana").says(fake.general, f"Message {number}")
        await answered(fake, question)
        await fake.until(lambda: fake.gateway.resumed > before)  # noqa: B023  # awaited at once
        del kept
    assert bot.heard == [f"Message {number}" for number in range(1, 5)]
    assert fake.gateway.identified == 1
    assert fake.violations == []


async def test_an_invalid_session_is_begun_anew_without_what_was_missed(fake: FakeDiscord, bot: Echo) -> None:
    fake.gateway.invalidate()
    fake.user("ana").says(fake.general, "Missed")
    await fake.until_connected()
    question = fake.user("ana").says(fake.general, "Heard")
    await answered(fake, question)
    assert bot.heard == ["Heard"] and fake.gateway.identified == 2


async def test_events_come_twice_when_asked_for(fake: FakeDiscord, bot: Echo) -> None:
    fake.gateway.duplicate("MESSAGE_CREATE")
    question = fake.user("ana").says(fake.general, "Hello")
    await fake.until(lambda: len(fake.replies(question)) == 2)
    again = fake.user("ana").says(fake.general, "Again")
    await answered(fake, again)
    assert bot.heard == ["Hello", "Hello", "Again"]


async def test_a_slow_gateway_and_a_slow_api(fake: FakeDiscord, bot: Echo) -> None:
    fake.gateway.delay = 0.1
    fake.slow_down("create_message", 0.1)
    started = asyncio.get_running_loop().time()
    await answered(fake, fake.user("ana").says(fake.general, "Hello"))
    assert asyncio.get_running_loop().time() - started > 0.2


async def test_a_lost_answer_to_a_request_that_was_carried_out(fake: FakeDiscord, bot: Echo) -> None:
    channel = bot.get_partial_messageable(fake.general.id)
    fake.lose("create_message")
    with suppress(aiohttp.ClientError):  # which discord.py passes on
        await channel.send("One")
    fake.heal()
    fake.lose("create_message", when="after")
    with suppress(aiohttp.ClientError):
        await channel.send("Two", nonce="n")
    await channel.send("Two", nonce="n")
    assert fake.texts().count("Two") == 1


async def test_the_heart_beats(fake: FakeDiscord) -> None:
    fake.gateway.heartbeat = 0.05
    async with running(fake, Echo()):
        await fake.until(lambda: fake.gateway.heartbeats >= 3)


async def test_without_the_intent_only_what_is_meant_for_the_bot_can_be_read(fake: FakeDiscord) -> None:
    ana = fake.user("ana")
    async with running(fake, Echo(content=False)) as bot:
        ana.says(fake.general, "private")
        ana.says(fake.general, "public", mention=True)
        ana.dm("direct")
        await fake.until(lambda: len(bot.heard) == 3)
        assert sorted(bot.heard) == ["", f"<@{fake.bot.id}> public", "direct"]


async def test_an_intent_that_was_not_granted_closes_the_gateway(fake: FakeDiscord) -> None:
    fake.world.portal_intents = 0
    async with Echo() as bot:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await bot.start(fake.token)
    async with Echo() as bot:
        with pytest.raises(discord.LoginFailure):
            await bot.start("wrong")


async def test_refusals_that_are_nobodys_fault(fake: FakeDiscord) -> None:
    ana = fake.user("ana")
    closed, quiet = fake.user("shy"), fake.world.add_channel("quiet")
    closed.user.closed = True
    quiet.deny("SEND_MESSAGES")
    async with running(fake, Echo()) as bot:
        for channel, code in ((quiet, 50013), (closed.direct, 50007), (fake.world.group(ana.user), 50001)):
            with pytest.raises(discord.Forbidden) as refused:
                await bot.get_partial_messageable(channel.id).send("Hello")
            assert refused.value.code == code
        gone = ana.says(quiet, "Hello")
        ana.deletes(gone)
        with pytest.raises(discord.NotFound):
            await bot.get_partial_messageable(quiet.id).get_partial_message(gone.id).edit(content="x")
        reference = discord.MessageReference(message_id=gone.id, channel_id=fake.general.id)
        with pytest.raises(discord.HTTPException):
            await bot.get_partial_messageable(fake.general.id).send("x", reference=reference)
        reference.fail_if_not_exists = False
        await bot.get_partial_messageable(fake.general.id).send("x", reference=reference)
    assert fake.violations == []
