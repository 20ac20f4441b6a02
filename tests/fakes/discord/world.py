"""Everything there is in the fake Discord, and everything that can happen there, told to the gateway."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from tests.fakes.discord.limits import walk
from tests.fakes.discord.messages import Interaction, Message
from tests.fakes.discord.places import (
    BOT_PERMISSIONS,
    DM,
    GROUP,
    PUBLIC_THREAD,
    TEXT,
    Channel,
    File,
    Guild,
    User,
)

# Gateway intents, as bits.
GUILDS, GUILD_MEMBERS, GUILD_MESSAGES, GUILD_REACTIONS = 1 << 0, 1 << 1, 1 << 9, 1 << 10
DM_MESSAGES, DM_REACTIONS, MESSAGE_CONTENT = 1 << 12, 1 << 13, 1 << 15


class World:
    """Everything there is. `emit` tells the gateway: the event, its data, the intent that it needs."""

    def __init__(self, emit: Callable[[str, Callable[[int], dict[str, Any]], int], None]) -> None:
        self._emit = emit
        self.bot = User("tutee", bot=True)
        self.owner = User("owner")
        self.users: dict[str, User] = {"owner": self.owner}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.files: dict[int, File] = {}
        self.interactions: dict[str, Interaction] = {}
        self.portal_intents = MESSAGE_CONTENT | GUILD_MEMBERS
        """The privileged intents that the developer portal grants."""
        self.commands: dict[int | None, list[dict[str, Any]]] = {None: []}
        """Registered commands by server; None: everywhere."""
        self.guild = self.add_guild("Home")
        self.general = self.add_channel("general")

    @property
    def shows_content(self) -> bool:
        """Whether HTTP shows what is not meant for the bot."""
        return bool(self.portal_intents & MESSAGE_CONTENT)

    @property
    def application_flags(self) -> int:
        """The privileged intents as flags, as they stand for bots in fewer than 100 servers."""
        members, content = self.portal_intents & GUILD_MEMBERS, self.portal_intents & MESSAGE_CONTENT
        return (1 << 15 if members else 0) | (1 << 19 if content else 0)

    def add_guild(self, name: str) -> Guild:
        """A server with the bot in it."""
        guild = Guild(name, self.owner)
        guild.members = {each.id: each for each in (self.owner, self.bot)}
        self.guilds[guild.id] = guild
        return guild

    def add_channel(self, name: str, guild: Guild | None = None, *, tell: bool = False) -> Channel:
        """A text channel."""
        guild = guild or self.guild
        channel = self._add(Channel(TEXT, name, guild))
        if tell:
            self._emit("CHANNEL_CREATE", lambda _: channel.payload(), GUILDS)
        return channel

    def add_thread(self, name: str, parent: Channel, owner: User, message: Message | None = None) -> Channel:
        """A public thread; of a message, it carries the message's id."""
        thread = Channel(PUBLIC_THREAD, name, parent.guild, parent=parent, owner=owner)
        if message:
            thread.id, message.thread = message.id, thread
        self._add(thread)
        self._emit("THREAD_CREATE", lambda _: {**thread.payload(), "newly_created": True}, GUILDS)
        return thread

    def dm(self, user: User) -> Channel:
        """The direct chat of a user with the bot."""
        found = (each for each in self.channels.values() if each.kind == DM and each.people == (user,))
        return next(found, None) or self._add(Channel(DM, people=(user,)))

    def group(self, *users: User) -> Channel:
        """A chat of people without the bot; it sees only interactions from there."""
        return self._add(Channel(GROUP, "Group", people=users))

    def post(self, message: Message) -> Message:
        """A message comes to stand in its channel."""
        message.channel.messages[message.id] = message
        self._number(message.components)
        for each in message.attachments:
            self.files[each.id] = each
        if not message.ephemeral:
            self._emit("MESSAGE_CREATE", self._seen(message), self._message_intent(message))
        return message

    def tell_again(self, message: Message) -> None:
        """Deliver a message once more, as Discord does now and then."""
        self._emit("MESSAGE_CREATE", self._seen(message), self._message_intent(message))

    def change(self, message: Message, changes: dict[str, Any]) -> None:
        """A message is edited."""
        for key, value in changes.items():
            setattr(message, key, deepcopy(value))
        message.edited = True
        message.history.append(message.content)
        self._number(message.components)
        if not message.ephemeral:
            self._emit("MESSAGE_UPDATE", self._seen(message), self._message_intent(message))

    def remove(self, message: Message) -> None:
        """A message is deleted."""
        message.deleted = True
        del message.channel.messages[message.id]
        place = message.place()
        data = {**place, "id": place["message_id"]}
        if not message.ephemeral:
            self._emit("MESSAGE_DELETE", lambda _: data, self._message_intent(message))

    def react(self, message: Message, user: User, emoji: str, *, add: bool) -> None:
        """A reaction comes or goes."""
        people = message.reactions.setdefault(emoji, set())
        (people.add if add else people.discard)(user)
        if not people:
            del message.reactions[emoji]
        guild = message.channel.guild
        data: dict[str, Any] = {
            **message.place(), "user_id": str(user.id), "emoji": {"id": None, "name": emoji}, "burst": False, "type": 0,
        }  # fmt: skip
        if add:
            data["message_author_id"] = str(message.author.id)
            if guild:
                data["member"] = {**guild.member(user), "user": user.payload()}
        intent = GUILD_REACTIONS if guild else DM_REACTIONS
        self._emit(f"MESSAGE_REACTION_{'ADD' if add else 'REMOVE'}", lambda _: data, intent)

    def interact(self, interaction: Interaction) -> Interaction:
        """A person uses a command, a button, …"""
        self.interactions[interaction.token] = interaction
        channel, user = interaction.channel, interaction.user
        data = {
            "id": str(interaction.id), "application_id": str(self.bot.id), "type": interaction.kind, "token": interaction.token,
            "version": 1, "data": interaction.data, "channel_id": str(channel.id), "channel": channel.payload(), "locale": "en-US",
            "entitlements": [], "authorizing_integration_owners": interaction.owners(), "attachment_size_limit": 10485760,
            "context": {DM: 1, GROUP: 2}.get(channel.kind, 0), "app_permissions": str(BOT_PERMISSIONS & ~channel.denied),
        }  # fmt: skip
        if channel.guild:
            member = {**channel.guild.member(user), "user": user.payload(), "permissions": str(BOT_PERMISSIONS)}
            guild = {"id": str(channel.guild.id), "locale": "en-US", "features": []}
            data |= {"member": member, "guild": guild, "guild_id": str(channel.guild.id), "guild_locale": "en-US"}
        else:
            data["user"] = user.payload()
        if interaction.message:
            data["message"] = interaction.message.payload(self.bot)
        self._emit("INTERACTION_CREATE", lambda _: data, 0)
        return interaction

    def find(self, channel_id: int, message_id: int) -> Message | None:
        """A message that stands there."""
        channel = self.channels.get(channel_id)
        return channel.messages.get(message_id) if channel else None

    def mentioned(self, content: str) -> list[User]:
        """Whom a text mentions."""
        by_id = {each.id: each for each in (self.bot, *self.users.values())}
        return [by_id[int(each)] for each in re.findall(r"<@!?(\d+)>", content) if int(each) in by_id]

    def everyone(self) -> Iterator[User]:
        """All accounts."""
        yield self.bot
        yield from self.users.values()

    def _add(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        if channel.guild:
            channel.guild.channels[channel.id] = channel
        return channel

    def _seen(self, message: Message) -> Callable[[int], dict[str, Any]]:
        def data(intents: int) -> dict[str, Any]:
            found = message.payload(self.bot, reads_content=bool(intents & MESSAGE_CONTENT))
            guild = message.channel.guild
            if guild:
                found |= {"guild_id": str(guild.id), "member": guild.member(message.author)}
            return {**found, "channel_type": message.channel.kind}

        return data

    @staticmethod
    def _message_intent(message: Message) -> int:
        return GUILD_MESSAGES if message.channel.guild else DM_MESSAGES

    @staticmethod
    def _number(components: list[dict[str, Any]]) -> None:
        for index, each in enumerate(walk(components), 1):
            each.setdefault("id", index)
