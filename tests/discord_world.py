"""A simulated Discord with people in it, and our bot, unmodified, on a whole installation behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import simcord
from simcord.builders import ChannelHandle, UserHandle

from bot.following import Following
from bot.platforms.discord.platform import Discord, Pace
from bot.router import Router
from tests.bot_fixtures import Install
from tests.fakes.discord.limits import BUTTON, TEXT_DISPLAY, walk
from trainer.settings import DiscordSettings

QUICK = Pace(answer=0.02, progress=0.02, tries=())
PATIENCE = 30.0  # seconds that anything may take on a busy machine


class World:
    """One server with the channel `general`; `restart` ends the bot's process, so to say, and starts another."""

    def __init__(self, install: Install, env: simcord.Env, bot: Discord, settings: DiscordSettings, pace: Pace) -> None:
        self.install = install
        self.env = env
        self.bot = bot
        self.server = env.create_guild("Office")
        self.channel = self.server.create_text_channel("general")
        self._settings = settings
        self._pace = pace
        self._following: Following | None = None
        self._people: dict[str, simcord.MemberActor] = {}

    async def start(self) -> None:
        """The core starts behind the bot."""
        self._following = await Following(self.install.app, self.bot).__aenter__()
        self.bot.attach(Router(self.install.app, self.bot, self._following))

    async def stop(self) -> None:
        """The core ends."""
        if self._following is not None:
            await self._following.__aexit__()
            self._following = None
        await self.install.app.engine.close()

    async def restart(self, **changes: Any) -> None:
        """Another process takes over."""
        await self.stop()
        self.bot = Discord(DiscordSettings(**{**_fields(self._settings), **changes}), self._pace)
        await self.env.restart_bot(self.bot.client)
        await self.start()

    def person(self, name: str, **more: Any) -> simcord.MemberActor:
        """Somebody in the server."""
        if name not in self._people:
            self._people[name] = self.server.add_member(self.env.create_user(name), **more)
        return self._people[name]

    @property
    def mention(self) -> str:
        """How the bot is addressed."""
        assert self.bot.client.user is not None
        return f"<@{self.bot.client.user.id}>"

    async def says(self, name: str, text: str, *, channel: ChannelHandle | None = None, mention: bool = True, **more: Any) -> discord.Message:
        """Somebody writes to the bot in the server; returns their message once everything that it set off at once is done."""
        return await self.person(name).send(channel or self.channel, f"{self.mention} {text}" if mention else text, **more)

    async def writes(self, name: str, text: str, files: tuple[tuple[str, bytes], ...] = ()) -> None:
        """Somebody writes to the bot directly."""
        user = self.person(name).user
        stored = self.env.backend.store_attachments(user.dm_channel.id, files) if files else []
        await user.send_dm(text, attachments=stored)

    async def learned(self) -> None:
        """Wait for the end of everything that is being learned or owed, and until it is shown."""
        assert self._following is not None
        await asyncio.wait_for(self._following.idle(), PATIENCE)
        await self.env.settle()

    async def sees(self, text: str) -> discord.Message:
        """Wait for a message of the bot's in the server that says exactly that, whatever else is still going on."""
        hear = self.bot.client.wait_for  # a bot hears of its own messages, too
        async with asyncio.timeout(PATIENCE):
            while True:
                news = [asyncio.ensure_future(each) for each in (hear("message"), hear("raw_message_edit"))]  # listen first, then look
                try:
                    for message in reversed(self.shown()):
                        if message.content == text:
                            return message
                    await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in news:
                        each.cancel()

    def shown(self, channel: ChannelHandle | None = None, viewer: simcord.MemberActor | UserHandle | None = None) -> list[discord.Message]:
        """The bot's messages that stand in a channel now, for everybody or (those for their eyes only, too) for one viewer."""
        return [each for each in (channel or self.channel).history(viewer=viewer) if each.author == self.bot.client.user]

    def texts(self, channel: ChannelHandle | None = None) -> list[str]:
        """What they say."""
        return [each.content for each in self.shown(channel)]

    def last(self, channel: ChannelHandle | None = None) -> discord.Message:
        """The newest of them."""
        return self.shown(channel)[-1]

    def requests(self, method: str, path_end: str = "") -> list[Any]:
        """The bodies of the requests that the bot made."""
        return [each.json for each in self.env.http_requests if each.method == method and each.path.endswith(path_end)]

    def direct(self, name: str) -> ChannelHandle:
        """Somebody's direct messages with the bot."""
        return self.person(name).user.dm_channel


@asynccontextmanager
async def discord_world(install: Install, pace: Pace = QUICK, **settings: Any) -> AsyncIterator[World]:
    """A world while it lasts; an error that the bot swallowed fails the test."""
    configured = DiscordSettings(token="x", **settings)
    bot = Discord(configured, pace)
    async with simcord.run(bot.client, settle_timeout=PATIENCE) as env:
        world = World(install, env, bot, configured, pace)
        await env.settle()
        await world.start()
        try:
            yield world
        except BaseException as error:
            error.add_note(f"What happened on Discord:\n{env.transcript()}\nErrors of the bot: {env.errors}")
            raise
        finally:
            await world.stop()


def components(message: discord.Message | simcord.ResponseMessage) -> list[dict[str, Any]]:
    """Every component of a message, outer ones first."""
    found: list[Any] = list(message.components)
    return list(walk(each if isinstance(each, dict) else each.to_dict() for each in found))


def buttons(message: discord.Message | simcord.ResponseMessage) -> list[str]:
    """The labels of a message's buttons."""
    return [each["label"] for each in components(message) if each["type"] == BUTTON]


def words(message: discord.Message | simcord.ResponseMessage) -> str:
    """What a message says, by itself or in its cards."""
    return "\n".join([message.content, *(each["content"] for each in components(message) if each["type"] == TEXT_DISPLAY)]).strip()


def _fields(settings: DiscordSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


__all__ = ["PATIENCE", "QUICK", "Pace", "UserHandle", "World", "buttons", "discord_world", "words"]
