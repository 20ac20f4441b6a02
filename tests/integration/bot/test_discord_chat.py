"""Chatting on Discord: where the bot answers, how the answer looks, and what it is told of the conversation."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest

from bot import texts
from bot.jobs import Answering
from bot.platforms.discord.platform import Pace
from tests.bot_fixtures import CHAT_QUEUE, Install
from tests.discord_world import QUICK, buttons, discord_world
from trainer.settings import ChatSettings


def asked(install: Install) -> list[str]:
    """The last question of each prompt."""
    return [body["messages"][-1]["content"] for body in install.engine.asked]


async def test_a_mention_is_answered_in_reply_and_nobody_is_pinged(install: Install) -> None:
    install.engine.answers["Hello"] = "Hello @everyone"
    async with discord_world(install) as world:
        message = await world.says("ada", "Hello")
        answer = world.last()
        assert answer.content == "Hello @everyone"
        assert answer.reference is not None and answer.reference.message_id == message.id
        assert buttons(answer) == [texts.GOOD, texts.BAD, texts.AGAIN]
        sent = world.requests("POST", "/messages")
        assert sent
        assert all(each["allowed_mentions"] == {"parse": []} for each in sent)
        assert all(each["enforce_nonce"] and each["nonce"] for each in sent)
    assert asked(install) == ["Hello"]


async def test_typing_is_shown_before_the_first_word(install: Install) -> None:
    async with discord_world(install) as world:
        await world.says("ada", "Hello")
        paths = [request.path for request in world.env.http_requests]
        assert f"/channels/{world.channel.id}/typing" in paths


async def test_what_is_not_for_the_bot_is_left_alone(install: Install) -> None:
    async with discord_world(install, message_content=True) as world:
        await world.says("ada", "Hello Bob", mention=False)
        other = world.env.create_user("other bot", bot=True)
        robot = world.server.add_member(other)
        await robot.send(world.channel, f"{world.mention} Hello")
        assert world.shown() == []
    assert asked(install) == [] and install.stored.users.count() == 0


async def test_direct_messages_need_no_mention(install: Install) -> None:
    async with discord_world(install) as world:
        await world.writes("ada", "Hello")
        answer = world.last(world.direct("ada"))
        assert answer.content == "I don't know." and answer.reference is None


async def test_other_peoples_mentions_become_names(install: Install) -> None:
    async with discord_world(install) as world:
        bob = world.person("bob")
        await world.says("ada", f"Who is {bob.mention}?")
    assert asked(install) == ["Who is @bob?"]


async def test_an_answer_grows_by_edits_and_is_exact_in_the_end(install: Install) -> None:
    install.engine.answers["Count"] = " ".join(map(str, range(60)))
    async with discord_world(install, Pace(answer=0.001, progress=1, tries=())) as world:
        await world.says("ada", "Count")
        assert world.texts() == [install.engine.answers["Count"]]
        edits = world.requests("PATCH")
        assert edits[-1]["content"] == install.engine.answers["Count"]
        assert all(texts.STOP in str(each["components"]) for each in edits[:-1])


async def test_a_long_answer_is_split_and_a_very_long_one_comes_as_a_file(install: Install) -> None:
    lines = [f"This is line {number} of a long answer." for number in range(120)]
    install.engine.answers |= {"Long": "\n".join(lines), "Longer": "\n".join(lines * 2)}
    async with discord_world(install) as world:
        await world.says("ada", "Long")
        shown = world.shown()
        assert len(shown) == 3 and "\n".join(each.content for each in shown) == "\n".join(lines)
        assert [bool(buttons(each)) for each in shown] == [False, False, True]
        await world.says("ada", "Longer")
        *_, last = world.shown()
        assert last.content == texts.REST_IN_FILE
        (file,) = last.attachments
        assert (await file.read()).decode() == install.engine.answers["Longer"]
        reply = install.stored.exchanges.of_user(1)[-1].reply_message_id
        assert reply == str(last.id)


async def test_an_empty_answer_is_still_an_answer(install: Install) -> None:
    install.engine.answers["Hello"] = ""
    async with discord_world(install) as world:
        await world.says("ada", "Hello")
        assert world.texts() == [texts.SAYS_NOTHING]


async def test_a_reply_goes_on_with_its_conversation_and_a_new_mention_opens_another(install: Install) -> None:
    install.engine.answers |= {"One": "1", "Two": "2", "Three": "3"}
    async with discord_world(install) as world:
        await world.says("ada", "One")
        first = world.last()
        await world.says("ada", "Two")
        await world.says("ada", "Three", reply_to=first)
    prompts = [[turn["content"] for turn in body["messages"]] for body in install.engine.asked]
    assert prompts == [["One"], ["Two"], ["One", "1", "Three"]]


async def test_in_direct_messages_the_conversation_goes_on_by_itself(install: Install) -> None:
    install.engine.answers |= {"One": "1", "Two": "2"}
    async with discord_world(install) as world:
        await world.writes("ada", "One")
        await world.writes("ada", "Two")
    assert [turn["content"] for turn in install.engine.asked[-1]["messages"]] == ["One", "1", "Two"]


async def test_what_is_replied_to_is_shown_to_the_model_and_not_kept(install: Install) -> None:
    async with discord_world(install, message_content=True) as world:
        lunch = await world.says("bob", "Lunch is at noon.", mention=False)
        reply = await world.says("cleo", "In the kitchen?", mention=False, reply_to=lunch)
        await world.says("ada", "Where do we eat?", reply_to=reply)
    assert asked(install) == ["bob: Lunch is at noon.\ncleo: In the kitchen?\n\nWhere do we eat?"]
    assert [each.question for each in install.stored.exchanges.of_user(1)] == ["Where do we eat?"]
    assert install.stored.users.count() == 1


async def test_replying_to_anothers_answer_talks_to_ones_own_model(install: Install) -> None:
    install.engine.answers["One"] = "1"
    async with discord_world(install) as world:
        await world.says("ada", "One")
        version = install.publish_version(install.stored.users.identify("discord", str(world.person("bob").id), "bob").id, [])
        await world.says("bob", "Really?", reply_to=world.last())
    assert [body["model"] for body in install.engine.asked] == ["pocket", version]
    assert asked(install)[-1].endswith(": 1\n\nReally?")


async def test_in_its_threads_everything_is_heard_with_the_intent(install: Install) -> None:
    async with discord_world(install, message_content=True) as world:
        start = await world.says("ada", "Hello")
        here = world.bot.client.get_channel(world.channel.id)
        assert isinstance(here, discord.TextChannel)
        await here.create_thread(name="Talk", message=discord.Object(start.id))
        (handle,) = world.channel.threads
        await world.says("ada", "One", channel=handle, mention=False)
        await world.says("ada", "Two", channel=handle, mention=False)
    assert asked(install) == ["Hello", "One", "Two"]
    assert [turn["content"] for turn in install.engine.asked[-1]["messages"]] == ["One", "I don't know.", "Two"]


async def test_without_the_intent_mentions_and_direct_messages_work_and_other_messages_are_left_alone(
    install: Install,
) -> None:
    async with discord_world(install) as world:
        await world.says("ada", "Hello")
        await world.writes("ada", "Hello there")
        await world.says("ada", "And this?", mention=False)
    assert asked(install) == ["Hello", "Hello there"]


async def test_what_was_not_read_is_said_after_the_answer(install: Install) -> None:
    async with discord_world(install) as world:
        await world.says("ada", "Look", attachments=[("cat.png", b"PNG")])
        assert world.texts() == ["I don't know.", texts.file_skipped("cat.png")]
        await world.says("ada", "", attachments=[("cat.png", b"PNG")])
        assert world.texts()[-1] == texts.file_skipped("cat.png")
    assert asked(install) == ["Look"]


async def test_again_gives_another_answer_without_the_first_in_the_prompt(install: Install) -> None:
    async with discord_world(install) as world:
        await world.says("ada", "One")
        install.engine.answers["One"] = "1"
        await world.person("ada").click(world.last(), label=texts.AGAIN)
        assert world.texts() == ["I don't know.", "1"]
        assert buttons(world.last()) == [texts.GOOD, texts.BAD, texts.AGAIN]
        pressed = await world.person("bob").click(world.last(), label=texts.AGAIN)
        (refused,) = pressed.followups
        assert refused.content == texts.NOT_YOURS and refused.ephemeral
    assert [(body["temperature"] > 0, len(body["messages"])) for body in install.engine.asked] == [
        (False, 1),
        (True, 1),
    ]


async def test_stop_ends_an_answer_where_it_is(install: Install) -> None:
    install.engine.answers["Count"] = "one two three"
    install.engine.words_before_gate = 1
    install.engine.gate.clear()
    async with discord_world(install) as world:
        ada = world.person("ada")
        world.env.backend.create_message(world.channel.id, ada.id, f"{world.mention} Count")
        await world.sees("one")
        assert buttons(world.last()) == [texts.STOP]
        with world.env.time_context():
            await ada.click(world.last(), label=texts.STOP)
        assert world.texts() == ["one"] and buttons(world.last()) == [texts.GOOD, texts.BAD, texts.AGAIN]
        install.engine.gate.set()
    (exchange,) = install.stored.exchanges.of_user(1)
    assert (exchange.state, exchange.answer) == ("answered", "one")


async def test_a_message_that_has_to_wait_is_answered_later_in_reply_to_it(install: Install) -> None:
    install.engine.mode = "busy"
    async with discord_world(install) as world:
        message = await world.says("ada", "Hello")
        assert world.texts() == [texts.WAITING]
        install.engine.mode = "ok"
        install.work(CHAT_QUEUE, Answering(install.app, install.queue.publish).answer_pending)
        await world.learned()
        assert world.texts() == [texts.WAITING, "I don't know."]
        reference = world.last().reference
        assert reference is not None and reference.message_id == message.id


async def test_an_answer_that_breaks_off_says_so(install: Install) -> None:
    install.engine.answers["Count"] = "one two three four"
    install.engine.mode = "cut"
    async with discord_world(install) as world:
        await world.says("ada", "Count")
        first, second = world.texts()
        assert first in ("one two" + texts.BROKEN_OFF, "one" + texts.BROKEN_OFF) and second == texts.WAITING


async def test_the_same_message_delivered_twice_is_answered_once(install: Install) -> None:
    async with discord_world(install) as world:
        message = await world.says("ada", "/help")
        await world.bot.client.on_message(message)
        await world.restart()
        chat = await world.says("ada", "Hello")
        await world.restart()
        await world.bot.client.on_message(chat)
        assert world.texts() == [texts.HELP_ON_PLATFORMS, "I don't know."]


async def test_two_people_in_one_channel_talk_to_their_own_models(install: Install) -> None:
    async with discord_world(install) as world:
        versions = {}
        for name in ("ada", "bob"):
            user = install.stored.users.identify("discord", str(world.person(name).id), name)
            versions[name] = install.publish_version(user.id, [])
            install.engine.taught[versions[name]] = {"Who am I?": name}
        await world.says("ada", "Who am I?")
        await world.says("bob", "Who am I?")
        assert world.texts() == ["ada", "bob"]


async def test_without_permission_to_write_nothing_breaks(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    async with discord_world(install) as world:
        world.env.inject_error("POST", f"/channels/{world.channel.id}/messages", status=403, code=50013, times=None)
        await world.says("ada", "Hello")
        await world.writes("ada", "Hello")
        assert world.texts(world.direct("ada")) == ["I don't know."]
    assert "a reply could not be shown" in caplog.text


async def test_trouble_at_discord_is_waited_out(install: Install) -> None:
    async with discord_world(install, replace(QUICK, tries=(0.001, 0.001, 0.001))) as world:
        world.env.inject_error("POST", f"/channels/{world.channel.id}/messages", status=503, times=2)
        await world.says("ada", "Hello")
        assert world.texts() == ["I don't know."]


async def test_history_is_bounded_by_the_configuration(install: Install) -> None:
    install.configured(chat=ChatSettings(history=0))
    async with discord_world(install) as world:
        await world.writes("ada", "One")
        await world.writes("ada", "Two")
    assert [len(body["messages"]) for body in install.engine.asked] == [1, 1]
