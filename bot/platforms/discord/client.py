"""The connection to Discord: hears its events and hands them over as what they mean to the core."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import discord

from bot import texts
from bot.messages import Action, Choice, Inbound, Reaction
from bot.platforms.discord import buttons, commands, modals, places
from bot.platforms.discord.access import Access
from bot.platforms.discord.reading import Reading
from bot.platforms.discord.turns import InteractionTurn, Turn

log = logging.getLogger(__name__)

NAME = "discord"
THUMBS: dict[str, Literal["up", "down", "report"]] = {"👍": "up", "👎": "down", "🚩": "report"}
# Everything that Tutee does, and nothing more: what the invite link asks for.
PERMISSIONS = discord.Permissions(
    view_channel=True, send_messages=True, send_messages_in_threads=True, read_message_history=True,
    attach_files=True, embed_links=True, add_reactions=True,
)  # fmt: skip

HandOver = Callable[[Turn, Inbound], Awaitable[None]]
Choices = Callable[[int, str, str], Awaitable[Sequence[Choice]]]
AnswerOf = Callable[[int], Awaitable[str | None]]


def intents(*, message_content: bool) -> discord.Intents:
    """The events that are needed. Content of messages that neither mention the bot nor come to it directly is a privilege."""
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = wanted.guild_reactions = wanted.dm_reactions = True
    wanted.message_content = message_content
    return wanted


IsFirst = Callable[[int], Awaitable[bool]]


class TuteeClient(discord.Client):
    """`hand_over` takes each event, `choices` (user id, command, typed) offers arguments, `answer_of` (message id) knows whole answers.

    `is_first` (interaction id) says whether no other process has taken that interaction. `sharding` are discord.py's own arguments.
    """

    def __init__(
        self, access: Access, hand_over: HandOver, choices: Choices, answer_of: AnswerOf,
        *, message_content: bool, pauses: Sequence[float], is_first: IsFirst, **sharding: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            intents=intents(message_content=message_content),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            **sharding,
        )
        self.tree = commands.tree(self)
        self.choices = choices
        self.is_first = is_first
        self.is_logged_in = False
        self._access = access
        self._hand_over = hand_over
        self._answer_of = answer_of
        self._pauses = pauses
        self.reading = Reading(self, access, pauses)

    async def setup_hook(self) -> None:
        """Make the buttons of earlier processes work, and tell Discord which commands there are."""
        self.add_dynamic_items(buttons.Button)
        await self.tree.sync()
        self.is_logged_in = True

    async def on_message(self, message: discord.Message) -> None:
        """Somebody wrote."""
        if not self.reading.is_for_us(message):
            return
        if self._access.allows(message.author, message.guild.id if message.guild else None, message.channel):
            await self._hand_over(Turn(message.author.id), await self.reading.message(message))

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        """Somebody reacted to a message, perhaps one of ours."""
        await self._reacted(event, removed=False)

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        """Somebody took a reaction back."""
        await self._reacted(event, removed=True)

    async def pressed(self, interaction: discord.Interaction[TuteeClient], action: Action, owner: int | None) -> None:
        """Somebody pressed a button."""
        if not action.asks:
            await self.asked(interaction, action.command, meant_for=owner)
        elif await self._is_allowed(interaction):
            shown = ""
            if interaction.message is not None and action.command.startswith("/react"):
                shown = await self._answer_of(interaction.message.id) or interaction.message.content
            await interaction.response.send_modal(modals.Asking(action.command, owner, shown))

    async def asked(
        self,
        interaction: discord.Interaction[TuteeClient],
        line: str,
        files: Sequence[discord.Attachment] = (),
        *,
        meant_for: int | None = None,
        foreign: bool = False,
        aloud: bool = False,
    ) -> None:
        """Somebody asked for something by other means than a message. `aloud`: everybody may read the answer."""
        if await self._is_allowed(interaction):
            inbound = await self.reading.interaction(interaction, line, files, meant_for=meant_for, foreign=foreign)
            speaks = aloud or self.reading.is_elsewhere(interaction)
            await self._hand_over(InteractionTurn(interaction, self._pauses, aloud=aloud, speaks=speaks), inbound)

    async def _is_allowed(self, interaction: discord.Interaction[TuteeClient]) -> bool:
        if self._access.allows(interaction.user, interaction.guild_id, interaction.channel):
            return True
        await interaction.response.send_message(texts.NOT_HERE, ephemeral=True)
        return False

    async def _reacted(self, event: discord.RawReactionActionEvent, *, removed: bool) -> None:
        kind = THUMBS.get(event.emoji.name.rstrip("\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"))
        if kind is None or self.user is None or event.user_id == self.user.id:
            return
        channel = places.of_channel(event.channel_id) if event.guild_id else places.of_person(event.user_id)
        who = str(event.user_id)
        reaction = Reaction(NAME, channel, who, who, str(event.message_id), kind, removed)
        await self._hand_over(Turn(event.user_id), reaction)


class ShardedClient(TuteeClient, discord.AutoShardedClient):
    """Hears some of the shards that Discord splits the bot's servers into, in one process; direct messages come to the first of all."""
