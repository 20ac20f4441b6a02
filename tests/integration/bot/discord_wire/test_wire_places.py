"""Where the bot may be, and what it may hear there: channels without permission, lost ones, intents, people among themselves."""

from __future__ import annotations

import pytest

from bot import texts
from bot.errors import PlatformRefused
from bot.platforms.discord.platform import Discord
from bot.serving import serve
from tests.bot_fixtures import Install
from tests.discord_wire import FAST, LESSON, agreed, answered, ended, replied, running, told
from tests.fakes.discord import FakeDiscord
from trainer.settings import DiscordSettings


async def test_a_question_that_was_deleted_meanwhile_is_answered_without_a_reference(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    install.engine.gate.clear()
    ana = fake.user("ana")
    async with running(install, fake):
        ana.deletes(_said := ana.says(fake.general, "Hello", mention=True))
        await fake.until(lambda: install.engine.asked_once.is_set())
        install.engine.gate.set()
        await fake.until(lambda: fake.texts(fake.general) == ["Hello to you"])


async def test_where_the_bot_may_not_write_it_goes_on_elsewhere(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    quiet = fake.world.add_channel("quiet")
    quiet.deny("SEND_MESSAGES")
    ana, shy = fake.user("ana"), fake.user("shy")
    shy.user.closed = True
    async with running(install, fake):
        ana.says(quiet, "Hello", mention=True)
        ana.says(quiet, LESSON, mention=True)
        shy.dm("Hello")
        await fake.until(lambda: fake.count("create_message", 403) >= 3)
        await answered(fake, ana.says(fake.general, "Hello", mention=True), "Hello to you")


async def test_a_channel_that_is_lost_in_the_middle_of_a_lesson_stops_nothing_else(install: Install, fake: FakeDiscord) -> None:
    ana, ben, room = fake.user("ana"), fake.user("ben"), fake.world.add_channel("room")
    async with running(install, fake):
        await agreed(fake, ana)
        await agreed(fake, ben)
        ana.says(room, LESSON, mention=True)
        await fake.until(lambda: fake.messages(room))
        room.deny("VIEW_CHANNEL")
        ben.says(fake.general, LESSON, mention=True)
        await fake.until(lambda: fake.messages(fake.general))
        install.train()
        await ended(fake, fake.general)
        ben.says(fake.general, "[Learn] The dog is Rex.", mention=True)
        await fake.until(lambda: sum("is live" in each for each in fake.texts(fake.general)) == 2)


async def test_a_lesson_in_a_lost_channel_does_not_keep_the_bot_from_starting(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    ana, room = fake.user("ana"), fake.world.add_channel("room")
    async with running(install, fake):
        await agreed(fake, ana)
        ana.says(room, LESSON, mention=True)
        await fake.until(lambda: fake.messages(room))
    room.deny("VIEW_CHANNEL")
    async with running(install, fake):
        await answered(fake, ana.says(fake.general, "Hello", mention=True), "Hello to you")


async def test_without_the_content_intent_mentions_messages_and_commands_still_work(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    fake.world.portal_intents = 0
    ana = fake.user("ana")
    async with running(install, fake, message_content=False):
        await answered(fake, ana.says(fake.general, "Hello", mention=True), "Hello to you")
        await replied(fake, ana.slash("ask", fake.general, message="Hello"), "Hello to you")
        ana.dm("Hello")
        await told(fake, ana, "Hello to you")


@pytest.mark.parametrize("what", ["token", "intent"])
async def test_what_discord_refuses_at_the_door_is_said(install: Install, fake: FakeDiscord, what: str) -> None:
    fake.world.portal_intents = 0
    token = "wrong" if what == "token" else fake.token
    platform = Discord(DiscordSettings(token=token, message_content=True), FAST)
    with pytest.raises(PlatformRefused) as refused:
        await serve(install.app, platform)
    wanted = texts.DISCORD_LOGIN_REFUSED if what == "token" else texts.DISCORD_INTENT_REFUSED
    assert refused.value.user_message == wanted


async def test_where_only_people_are_the_bot_answers_through_the_interaction(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    ana = fake.user("ana")
    group = fake.world.group(ana.user, fake.user("ben").user)
    async with running(install, fake):
        await replied(fake, ana.slash("ask", group, message="Hello"), "Hello to you")
        assert (await replied(fake, ana.slash("lessons", group))).ephemeral
    assert fake.count("create_message") == 0
