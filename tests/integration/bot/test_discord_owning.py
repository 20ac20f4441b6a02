"""On Discord, people look at their model, take things back, take everything with them, delete it; and those who run the bot rule."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from dataclasses import replace

import discord
import pytest

from bot import texts
from bot.platforms.discord.access import Access
from bot.platforms.discord.client import PERMISSIONS, intents
from tests.bot_fixtures import Install
from tests.discord_world import World, buttons, discord_world, words
from trainer.settings import DiscordSettings, LimitSettings


async def taught(world: World, *facts: str, name: str = "ada") -> None:
    """Somebody teaches these facts."""
    user = world.install.stored.users.identify("discord", str(world.person(name).id), name)
    world.install.stored.users.record_consent(user.id, texts.CONSENT_VERSION)
    for fact in facts:
        await world.writes(name, f"[Learn] {fact}")
        await world.learned()


async def test_every_command_of_the_terminal_is_there_and_explained(install: Install) -> None:
    async with discord_world(install) as world:
        known = world.bot.client.tree.get_commands()
        slash = {each.name for each in known if not isinstance(each, discord.app_commands.ContextMenu)}
        assert slash == set(texts.COMMANDS)
        terminal = {
            "model",
            "lessons",
            "compare",
            "forget",
            "rollback",
            "export",
            "privacy",
            "delete-me",
            "cancel",
            "new",
            "help",
        }
        assert terminal < slash
        ada = world.person("ada")
        assert set(ada.available_commands(world.channel)) == slash - {"admin"}
        result = await ada.slash(world.channel, "help")
        assert result.ephemeral and result.response is not None and result.response.content == texts.HELP_ON_PLATFORMS


async def test_lessons_are_paged_and_only_ones_own(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        await taught(world, *(f"Fact number {number}." for number in range(1, 8)))
        ada = world.person("ada")
        result = await ada.slash(world.channel, "lessons")
        card = result.response
        assert card is not None and card.ephemeral
        assert "5. live" in card.content and "6. live" not in card.content and "(page 1 of 2)" in card.content
        assert buttons(card) == [*(texts.forget_lesson(number) for number in range(1, 6)), texts.NEXT]
        await ada.click(card, label=texts.NEXT)
        turned = result.response
        assert turned is not None and turned.id == card.id and "7. live" in turned.content
        assert buttons(turned) == [texts.forget_lesson(6), texts.forget_lesson(7), texts.PREVIOUS]
        of_bob = await world.person("bob").slash(world.channel, "lessons")
        assert of_bob.response is not None and of_bob.response.content == texts.NO_LESSONS


async def test_versions_are_shown_used_and_rolled_back(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        await taught(world, "The cat is Miso.", "The dog is Rex.")
        ada = world.person("ada")
        result = await ada.slash(world.channel, "model")
        assert result.response is not None and result.ephemeral
        assert buttons(result.response) == [texts.use_version(1), texts.UNTAUGHT, texts.COMPARE, texts.ROLL_BACK]
        said = words(result.response)
        assert said.startswith("Version 2 of your model answers you") and "**Version 2 (user-1-v2) · answers you now**\nmade by lesson 2" in said
        (picture,) = result.response.attachments
        assert (await picture.read()).startswith(b"\x89PNG")
        pressed = await ada.click(result.response, label=texts.use_version(1))
        assert [each.content for each in pressed.followups] == ["Version 1 of your model answers you now (user-1-v1)."]
        rolled = await ada.slash(world.channel, "rollback", version=2)
        assert rolled.response is not None and "Version 2" in rolled.response.content
        form = await ada.click(result.response, label=texts.COMPARE)
        compared = await ada.submit_modal(form, {"text": "Who is Miso?"})
        back = await ada.click(result.response, label=texts.ROLL_BACK)
        assert [each.content for each in back.followups] == ["Version 1 of your model answers you now (user-1-v1)."]
        await ada.slash(world.channel, "rollback", version=2)
        (comparison,) = compared.followups
        assert comparison.ephemeral
        assert [line.split()[0] for line in comparison.content.splitlines()] == ["untaught", "user-1-v1", "user-1-v2"]


async def test_arguments_are_offered_while_typing(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        await taught(world, "The cat is Miso.", "The dog is Rex.")
        ada, bob = world.person("ada"), world.person("bob")
        offered = await ada.autocomplete(world.channel, "forget", "lesson", "")
        assert [(each["name"], each["value"]) for each in offered] == [
            ("2: The dog is Rex.", 2),
            ("1: The cat is Miso.", 1),
        ]
        assert [each["value"] for each in await ada.autocomplete(world.channel, "forget", "lesson", "cat")] == [1]
        versions = await ada.autocomplete(world.channel, "rollback", "version", "")
        assert [each["value"] for each in versions] == [2, 1, 0]
        assert await bob.autocomplete(world.channel, "forget", "lesson", "") == []


async def test_what_is_private_but_asked_for_aloud_comes_as_a_direct_message(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        await taught(world, "The cat is Miso.")
        await world.says("ada", "/lessons")
        assert world.texts() == [texts.SAID_IN_PRIVATE]
        assert "1. live" in world.last(world.direct("ada")).content
        world.env.inject_error("POST", f"/channels/{world.direct('ada').id}/messages", status=403, code=50007, times=None)
        await world.says("ada", "/model")
        assert world.texts()[-1] == texts.DIRECT_MESSAGES_CLOSED


async def test_an_export_is_a_file_for_ones_own_eyes(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        await taught(world, "The cat is Miso.")
        result = await world.person("ada").slash(world.channel, "export")
        assert result.ephemeral and result.response is not None and result.response.content == texts.EXPORT_READY
        (file,) = result.response.attachments
        with zipfile.ZipFile(io.BytesIO(await file.read())) as archive:
            assert "user-1-v1/adapter_config.json" in archive.namelist()
            assert json.loads(archive.read("lessons.jsonl"))["text"] == "The cat is Miso."


async def test_an_export_that_is_too_big_comes_without_the_models_files(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        await taught(world, "The cat is Miso.")
        world.bot.biggest_file = 1
        result = await world.person("ada").slash(world.channel, "export")
        assert result.response is not None and result.response.content == texts.EXPORT_WITHOUT_MODEL
        (file,) = result.response.attachments
        with zipfile.ZipFile(io.BytesIO(await file.read())) as archive:
            assert "lessons.jsonl" in archive.namelist() and "user-1-v1/adapter_config.json" not in archive.namelist()


async def test_deleting_everything_takes_a_typed_word(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        await taught(world, "The cat is Miso.")
        ada = world.person("ada")
        form = await ada.slash(world.channel, "delete-me")
        refused = await ada.submit_modal(form, {"text": "no"})
        assert refused.response is not None and refused.response.content == texts.DELETE_ASK
        assert install.stored.users.count() == 1
        privacy = await ada.slash(world.channel, "privacy")
        assert privacy.response is not None and buttons(privacy.response) == [texts.EXPORT, texts.DELETE]
        form = await ada.click(privacy.response, label=texts.DELETE)
        deleted = await ada.submit_modal(form, {"text": "yes"})
        assert [each.content for each in deleted.followups] == [texts.deleted("ada")]
    assert install.stored.users.count() == 0 and install.app.artifacts.names() == ()


async def test_ask_works_where_the_bot_is_no_member(install: Install) -> None:
    install.engine.answers["Hello"] = "Hello Ada"
    async with discord_world(install) as world:
        result = await world.person("ada").slash(world.channel, "ask", message="Hello")
        assert result.response is not None and result.response.content == "Hello Ada" and not result.ephemeral
        assert buttons(result.response) == [texts.GOOD, texts.BAD, texts.AGAIN]
        (registered,) = world.requests("PUT", "/commands")
        assert all(each["integration_types"] == [0, 1] and each["contexts"] == [0, 1, 2] for each in registered)
    assert install.stored.exchanges.of_user(1)[0].reply_message_id == str(result.response.id)


async def test_commands_work_in_direct_messages(install: Install) -> None:
    async with discord_world(install) as world:
        result = await world.person("ada").user.slash("model")
        assert result.response is not None and "untaught" in words(result.response) and not result.ephemeral


async def test_only_listed_servers_channels_and_roles_are_served(install: Install) -> None:
    async with discord_world(install) as world:
        role = world.server.create_role("Members")
        member = world.server.add_member(world.env.create_user("mia"), roles=[role])
        secret = world.server.create_text_channel("secret")
        owner = world.person("ona")
        await world.restart(
            servers=(str(world.server.id),),
            channels=(str(world.channel.id),),
            roles=(str(role.id),),
            owners=(str(owner.id),),
        )
        await member.send(world.channel, f"{world.mention} One")
        await world.says("ada", "Two")
        await member.send(secret, f"{world.mention} Three")
        await owner.send(secret, f"{world.mention} Four")
        refused = await world.person("ada").slash(world.channel, "model")
        assert refused.response is not None and refused.response.content == texts.NOT_HERE and refused.ephemeral
    assert [body["messages"][-1]["content"] for body in install.engine.asked] == ["One", "Four"]


async def test_direct_messages_can_be_switched_off(install: Install) -> None:
    async with discord_world(install, direct_messages=False) as world:
        await world.writes("ada", "Hello")
        assert world.texts(world.direct("ada")) == []


async def test_the_owner_sees_how_it_is_going_and_switches_the_bot_off_for_everybody(install: Install) -> None:
    async with discord_world(install) as world:
        owner = world.person("ona")
        manages = world.server.create_role("Mods", permissions=discord.Permissions(manage_guild=True))
        admin = world.server.add_member(world.env.create_user("mod"), roles=[manages])
        await world.restart(owners=(str(owner.id),))
        refused = await admin.slash(world.channel, "admin")
        assert refused.response is not None and refused.response.content == texts.ADMIN_ONLY
        await world.writes("ona", "/admin")
        assert "2 people know me" in world.last(world.direct("ona")).content
        await world.writes("ona", "/admin off")
        await world.restart(owners=(str(owner.id),))  # off stays off
        await world.writes("ada", "Hello")
        assert world.texts(world.direct("ada")) == [texts.SWITCHED_OFF]
        await world.writes("ona", "/admin on")
        await world.writes("ada", "Hello")
        assert world.texts(world.direct("ada"))[-1] == "I don't know."


async def test_the_days_messages_and_lessons_are_limited(install: Install) -> None:
    install.configured(limits=LimitSettings(messages_per_day=2, lessons_per_day=1))
    async with discord_world(install) as world:
        await taught(world)
        for text in ("One", "Two", "Three", "[Learn] The cat is Miso.", "[Learn] The dog is Rex."):
            await world.writes("ada", text)
        shown = world.texts(world.direct("ada"))
        assert texts.too_many_messages(2) in shown and texts.too_many_lessons(1) in shown
        await world.writes("bob", "One")
        assert world.texts(world.direct("bob")) == ["I don't know."]
    assert len(install.stored.lessons.of_user(1)) == 1 and len(install.engine.asked) == 3


async def test_no_token_and_no_words_are_in_the_log(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="bot")
    async with discord_world(install) as world:
        await world.says("ada", "Quetzalcoatlus")
        await world.says("ada", "[Learn] Quetzalcoatlus")
    assert "Quetzalcoatlus" not in caplog.text


def test_only_what_is_needed_is_asked_for() -> None:
    assert not PERMISSIONS.administrator and not PERMISSIONS.manage_messages
    assert not intents(message_content=False).message_content and intents(message_content=True).message_content
    assert not intents(message_content=True).members and not intents(message_content=True).presences


def test_owners_pass_every_list() -> None:
    class User:
        id = 5

    access = Access(DiscordSettings(owners=("5",), servers=("1",), direct_messages=False))
    assert access.allows(User(), 2, None) and access.allows(User(), None, None)  # type: ignore[arg-type]  # an id is all that is asked of them
    assert not Access(replace(DiscordSettings(), servers=("1",))).allows(User(), 2, None)  # type: ignore[arg-type]  # an id is all that is asked of them
