"""Several bot processes on Discord, on one database: each event is followed by one of them, whichever gets it."""

from __future__ import annotations

from contextlib import AsyncExitStack

from bot import texts
from tests.bot_fixtures import Install
from tests.discord_wire import LESSON, agreed, answered, answers, ended, replied, running, told
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.places import Channel


def server_of(fake: FakeDiscord, shard: int, shards: int) -> Channel:
    """A channel on a server whose events come to that shard."""
    while True:
        guild = fake.world.add_guild(f"Server {len(fake.world.guilds)}")
        if (guild.id >> 22) % shards == shard:
            return fake.world.add_channel("general", guild)


async def test_each_shard_is_heard_by_the_process_that_has_it(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    rooms = [server_of(fake, shard, 3) for shard in range(3)]
    ana = fake.user("ana")
    for room in rooms:
        fake.user("ana", guild=room.guild)
    async with running(install, fake, shards=3, shard_ids=("0",)), running(install, fake, shards=3, shard_ids=("1,2",)):
        assert fake.gateway.shards == [(0, 3), (1, 3), (2, 3)]
        for room in rooms:
            await answered(fake, ana.says(room, "Hello", mention=True), "Hello to you")
        ana.dm("Hello")
        await told(fake, ana, "Hello to you")
        await replied(fake, ana.slash("help", rooms[2]))
        await agreed(fake, ana)
        ana.says(rooms[1], LESSON, mention=True)
        install.train()
        await ended(fake, rooms[1])
    assert [len(answers(fake, room)) for room in rooms] == [1, 2, 2]


async def test_what_two_processes_hear_at_once_is_followed_once(install: Install, fake: FakeDiscord) -> None:
    """As while one process takes another's place, or where two were started by mistake."""
    install.engine.answers["Hello"] = "Hello to you"
    ana, here = fake.user("ana"), fake.general
    async with AsyncExitStack() as both:
        for _ in range(2):
            await both.enter_async_context(running(install, fake))
        assert len(fake.gateway.shards) == 2
        await agreed(fake, ana)
        answer = await answered(fake, ana.says(here, "Hello", mention=True), "Hello to you")
        listed = ana.says(here, "/help", mention=True)  # of which no row tells that it was followed
        await fake.until(lambda: fake.replies(listed))
        await replied(fake, ana.slash("ask", here, message="Hello"), "Hello to you")
        ana.reacts(answer, "👎")
        await fake.until(lambda: any(each.withdrawn_at is None for each in install.stored.feedback.of_user(1)))
        ana.unreacts(answer, "👎")
        await fake.until(lambda: all(each.withdrawn_at is not None for each in install.stored.feedback.of_user(1)))
        ana.presses(answer, texts.GOOD)
        opened = ana.presses(answer, texts.BAD)
        await fake.until(lambda: opened.modal)
        await replied(fake, ana.submits(opened, text="Hi."), texts.THANKS_CORRECTION)
        ana.says(here, LESSON, mention=True)
        install.train()
        await ended(fake, here)
    assert len(fake.replies(listed)) == 1
    assert len([each for each in fake.messages(here) if "is live" in each.text and "Miso" in each.text]) <= 1
    assert len(install.stored.lessons.of_user(1)) == 2  # the lesson and the correction
