"""The fake Discord lets people do to the real discord.py what Discord lets them do."""

from __future__ import annotations

import io

import discord
import pytest
from discord.http import Route

from tests.echo_bot import Echo, answered, running
from tests.fakes.discord import FakeDiscord, File


async def test_messages_in_channels_and_direct_chats_are_heard_and_replies_seen(fake: FakeDiscord, bot: Echo) -> None:
    ana = fake.user("ana")
    answer = await answered(fake, ana.says(fake.general, "Hello", attachments=[File("a.txt", b"there")]))
    direct = await answered(fake, ana.dm("Hi"))
    assert (answer.text, direct.text) == ("You said Hello there", "You said Hi")
    assert direct.channel is ana.direct
    assert fake.violations == []


async def test_edits_are_kept_as_history(fake: FakeDiscord, bot: Echo) -> None:
    channel = bot.get_partial_messageable(fake.general.id)
    message = await channel.send("One")
    for text in ("Two", "Three"):
        await message.edit(content=text)
    (shown,) = fake.messages(fake.general)
    assert shown.history == ["One", "Two", "Three"]
    await message.delete()
    assert fake.messages() == [] and shown.deleted
    assert fake.violations == []


async def test_files_go_both_ways(fake: FakeDiscord, bot: Echo) -> None:
    channel = await bot.fetch_channel(fake.general.id)
    assert isinstance(channel, discord.TextChannel)
    sent = await channel.send("Here", files=[discord.File(io.BytesIO(b"abc"), "a.txt"), discord.File(io.BytesIO(b"d"), "b")])
    (message,) = fake.messages()
    assert [(each.name, each.content) for each in message.attachments] == [("a.txt", b"abc"), ("b", b"d")]
    assert await sent.attachments[0].read() == b"abc"
    await sent.edit(attachments=[sent.attachments[1]])
    assert [each.name for each in message.attachments] == ["b"]
    assert fake.violations == []


async def test_reactions_on_messages_from_before_the_bot_came(fake: FakeDiscord) -> None:
    ana, old = fake.user("ana"), fake.user("ben").says(fake.general, "Old")
    async with running(fake, Echo()) as bot:
        ana.reacts(old, "👍")
        ana.unreacts(old, "👍")
        await fake.until(lambda: bot.reactions == ["+👍", "-👍"])
        await bot.get_partial_messageable(fake.general.id).get_partial_message(old.id).add_reaction("👎")
    assert {emoji: [each.name for each in people] for emoji, people in old.reactions.items()} == {"👎": ["tutee"]}
    assert fake.violations == []


async def test_a_slash_command_is_deferred_and_followed_up_for_one_person(fake: FakeDiscord, bot: Echo) -> None:
    ana = fake.user("ana")
    used = ana.slash("learn", fake.general, text="The cat is Miso.", file=File("a.txt", b"a file"))
    reply = await fake.until(lambda: used.reply)
    assert reply.text == "The cat is Miso., a file" and reply.ephemeral and reply.channel is fake.general
    with pytest.raises(AssertionError, match="only ana sees"):
        fake.user("ben").menu("Teach from this message", reply)
    direct = ana.slash("learn", text="x")
    assert (await fake.until(lambda: direct.reply)).text == "x, no file"
    assert fake.violations == [] and fake.unanswered == []


def test_people_can_use_only_what_is_offered(fake: FakeDiscord) -> None:
    ana = fake.user("ana")
    fake.world.commands[None] = [{"name": "learn", "type": 1, "contexts": [0], "default_member_permissions": "0", "options": []}]
    with pytest.raises(AssertionError, match="'forget' is not offered here"):
        ana.slash("forget", fake.general)
    with pytest.raises(AssertionError, match="'learn' is not offered here"):
        ana.slash("learn")
    with pytest.raises(AssertionError, match="administrators only"):
        ana.slash("learn", fake.general)


async def test_autocomplete_offers_choices(fake: FakeDiscord, bot: Echo) -> None:
    typed = fake.user("ana").autocomplete("learn", "text", "x")
    await fake.until(lambda: typed.callback)
    assert typed.choices == ["xa", "xb"]
    assert fake.violations == []


async def test_a_menu_entry_brings_the_message(fake: FakeDiscord, bot: Echo) -> None:
    ana = fake.user("ana")
    used = ana.menu("Teach from this message", ana.says(fake.general, "The cat is Miso."))
    assert (await fake.until(lambda: used.reply)).text == "Taught The cat is Miso."
    assert fake.violations == []


async def test_buttons_modals_and_selects_work_after_a_restart(fake: FakeDiscord) -> None:
    ana = fake.user("ana")
    async with running(fake, Echo()):
        message = await answered(fake, ana.says(fake.general, "Hello"))
    assert message.labels == ["Stop", "👎"]
    async with running(fake, Echo()):
        chosen = ana.chooses(message, "Second")
        assert (await fake.until(lambda: chosen.reply)).text == "You chose ['Second']"
        opened = ana.presses(message, "👎")
        await fake.until(lambda: opened.modal)
        as_it_was = ana.submits(opened)
        assert (await fake.until(lambda: as_it_was.reply)).text == "as before []"
        opened = ana.presses(message, "bad")
        await fake.until(lambda: opened.modal)
        changed = ana.submits(opened, {"Better answer": "Miso", "files": [File("a", b"1"), File("b", b"2")]})
        assert (await fake.until(lambda: changed.reply)).text == "Miso ['1', '2']"
        ana.presses(message, "Stop")
        await fake.until(lambda: message.text == "Stopped")
    assert message.labels == []
    assert fake.violations == [] and fake.unanswered == []


async def test_interaction_tokens_expire(fake: FakeDiscord, bot: Echo) -> None:
    used = fake.user("ana").slash("progress", fake.general)
    reply = await fake.until(lambda: used.reply)
    await fake.until(lambda: reply.text == "50 %")
    fake.expire_interactions()
    route = Route(
        "PATCH",
        "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
        webhook_id=fake.bot.id,
        webhook_token=used.token,
    )
    with pytest.raises(discord.HTTPException) as refused:
        await bot.http.request(route, json={"content": "60 %"})
    assert refused.value.code == 50027
    await bot.get_partial_messageable(fake.general.id).get_partial_message(reply.id).edit(content="70 %")
    assert reply.history == ["0 %", "50 %", "70 %"]
    assert fake.violations == []


async def test_threads(fake: FakeDiscord, bot: Echo) -> None:
    ana = fake.user("ana")
    thread = ana.starts_thread(fake.general, "Cats")
    await answered(fake, ana.says(thread, "Hello"))
    channel = await bot.fetch_channel(fake.general.id)
    assert isinstance(channel, discord.TextChannel)
    message = await channel.send("Lesson 1")
    opened = await message.create_thread(name="Lesson 1")
    await opened.send("Inside")
    assert fake.texts(fake.world.channels[opened.id]) == ["Inside"]
    assert fake.violations == []
