"""Reads what people write on Discord into what the core understands."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import discord

from bot import commands, texts
from bot.lessons import BIGGEST_FILE
from bot.messages import Attachment, InboundMessage
from bot.platforms.base import Undeliverable
from bot.platforms.discord import places
from bot.platforms.discord.access import Access
from bot.platforms.discord.delivery import insist

if TYPE_CHECKING:
    from bot.platforms.discord.client import TuteeClient

log = logging.getLogger(__name__)

NAME = "discord"
WRITTEN = (discord.MessageType.default, discord.MessageType.reply)
LONGEST_CHAIN = 5  # messages up a chain of replies that are shown to the model


class Reading:
    """`pauses` between tries to fetch a file."""

    def __init__(self, client: TuteeClient, access: Access, pauses: Sequence[float]) -> None:
        self._client = client
        self._access = access
        self._pauses = pauses

    def is_for_us(self, message: discord.Message) -> bool:
        """Whether a person wrote to the bot: directly, with a mention, in reply to it, or in one of its threads."""
        if message.author.bot or message.type not in WRITTEN or self._client.user is None:
            return False
        if message.guild is None or self._client.user in message.mentions:
            return True
        if message.guild.self_role is not None and message.guild.self_role in message.role_mentions:
            return True
        if not message.content and not message.attachments:  # Discord does not let us read it
            return False
        return _is_by(_resolved(message), self._client.user) or self._is_ours(message.channel)

    async def message(self, message: discord.Message) -> InboundMessage:
        """What the message asks for."""
        author, text = message.author, self.words(message)
        files, skipped = await self._files(text, message)
        reference = message.reference
        return InboundMessage(
            NAME,
            places.of_channel(message.channel.id) if message.guild else places.of_person(author.id),
            str(author.id),
            author.display_name,
            str(message.id),
            text,
            files,
            reply_to=str(reference.message_id) if reference and reference.message_id else None,
            admin=self._access.is_owner(author),
            quoted=await self._quoted(message),
            skipped=skipped,
            opens=message.guild is not None and not isinstance(message.channel, discord.Thread),
        )

    async def interaction(
        self,
        interaction: discord.Interaction[TuteeClient],
        line: str,
        files: Sequence[discord.Attachment],
        *,
        meant_for: int | None,
        foreign: bool,
    ) -> InboundMessage:
        """What a command, a pressed button or a form asks for."""
        attachments, skipped = await self._read(files)
        user = interaction.user
        here = interaction.guild_id is not None and not self.is_elsewhere(interaction)
        return InboundMessage(
            NAME,
            places.of_channel(interaction.channel_id or 0) if here else places.of_person(user.id),
            str(user.id),
            user.display_name,
            f"interaction:{interaction.id}",
            line,
            attachments,
            reply_to=str(interaction.message.id) if interaction.message else None,
            admin=self._access.is_owner(user),
            skipped=skipped,
            foreign=foreign,
            meant_for=meant_for,
        )

    def is_elsewhere(self, interaction: discord.Interaction[TuteeClient]) -> bool:
        """Whether the bot cannot write there by itself: it was installed by the person only, or others talk among themselves."""
        if interaction.guild_id is not None:
            return self._client.get_guild(interaction.guild_id) is None
        return interaction.context.private_channel

    def _is_ours(self, channel: object) -> bool:
        if not isinstance(channel, discord.Thread) or self._client.user is None:
            return False
        return channel.owner_id == self._client.user.id or channel.me is not None

    def words(self, message: discord.Message) -> str:
        """The text without the mention of the bot, other mentions as names."""
        text = message.content
        ours = [f"<@{self._client.user.id}>", f"<@!{self._client.user.id}>"] if self._client.user else []
        if message.guild is not None and message.guild.self_role is not None:
            ours.append(message.guild.self_role.mention)
        for mention in ours:
            text = text.replace(mention, "")
        for user in message.mentions:
            text = text.replace(f"<@{user.id}>", f"@{user.display_name}").replace(f"<@!{user.id}>", f"@{user.display_name}")
        for role in message.role_mentions:
            text = text.replace(role.mention, f"@{role.name}")
        return text.strip()

    async def _files(self, text: str, message: discord.Message) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
        unreadable = [texts.kind_skipped(kind) for kind, found in _unreadable(message) if found]
        if isinstance(commands.parse(text), commands.Learn):
            files, skipped = await self._read(message.attachments)
            return files, (*skipped, *unreadable)
        return (), (*(texts.file_skipped(each.filename) for each in message.attachments), *unreadable)

    async def _read(self, files: Sequence[discord.Attachment]) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
        """The files, and a sentence for each that could not be had."""
        read, skipped = [], []
        for each in files:
            if each.size > BIGGEST_FILE:
                skipped.append(texts.file_too_big(each.filename, BIGGEST_FILE))
                continue
            try:
                read.append(Attachment(each.filename, await insist(each.read, self._pauses)))
            except (discord.HTTPException, Undeliverable) as error:
                log.warning("a file could not be fetched, error=%s", error)
                skipped.append(texts.file_unreadable(each.filename, texts.NOT_GIVEN_OUT))
        return tuple(read), tuple(skipped)

    async def _quoted(self, message: discord.Message) -> str | None:
        """What the message replies to, and what that replies to: who said what, the oldest first."""
        said: list[str] = []
        for _ in range(LONGEST_CHAIN):
            earlier = await self._earlier(message)
            if earlier is None:
                break
            if words := self.words(earlier):  # without the Message Content Intent only the bot's own messages have any
                said.append(f"{earlier.author.display_name}: {words}")
            message = earlier
        return "\n".join(reversed(said)) or None

    async def _earlier(self, message: discord.Message) -> discord.Message | None:
        reference = message.reference
        if reference is None or reference.message_id is None or reference.type is not discord.MessageReferenceType.reply:
            return None
        found = _resolved(message)
        if found is None and not isinstance(reference.resolved, discord.DeletedReferencedMessage):
            try:
                found = await message.channel.fetch_message(reference.message_id)
            except discord.HTTPException:
                return None
        return found


def _resolved(message: discord.Message) -> discord.Message | None:
    found = message.reference.resolved if message.reference else None
    return found if isinstance(found, discord.Message) else None


def _is_by(message: discord.Message | None, user: discord.ClientUser) -> bool:
    return message is not None and message.author.id == user.id


def _unreadable(message: discord.Message) -> tuple[tuple[str, bool], ...]:
    return (
        (texts.STICKERS, bool(message.stickers)),
        (texts.POLLS, message.poll is not None),
        (texts.FORWARDED, bool(message.message_snapshots)),
    )
