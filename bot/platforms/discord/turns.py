"""One event of Discord's while the core deals with it: how what belongs to it is shown."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

import discord

from bot.messages import Notice, Reply
from bot.platforms.discord.delivery import insist
from bot.platforms.discord.rendering import Part, parts
from bot.platforms.discord.stream import Shown

log = logging.getLogger(__name__)

ALREADY_ACKNOWLEDGED = 40060  # Discord's code: our first try did arrive


class Turn:
    """A message or a reaction: replies to it are messages in its channel."""

    def __init__(self, user_id: int, card_id: int | None = None) -> None:
        self.user_id = user_id
        self.card_id = card_id  # the message whose button was pressed

    async def begin(self) -> None:
        """Tell Discord that we are at it, where it wants to know."""

    async def end(self) -> None:
        """Leave nothing that still says that we are at it."""


class InteractionTurn(Turn):
    """A slash command, a menu, a pressed button or a form: answered through Discord's interaction, for 15 minutes.

    `aloud`: the answer is for all. `speaks`: what the model says goes through the interaction, too, because the bot cannot
    write into the channel by itself, or because the person asked for exactly that.
    """

    def __init__(self, interaction: discord.Interaction[discord.Client], pauses: Sequence[float], *, aloud: bool, speaks: bool) -> None:
        super().__init__(interaction.user.id, interaction.message.id if interaction.message else None)
        self.speaks = speaks
        self._interaction = interaction
        self._pauses = pauses
        self._ephemeral = not aloud and _is_public(interaction)
        self._owes = self.card_id is None  # Discord shows "thinking…" until we say something

    async def begin(self) -> None:
        """Acknowledge within the three seconds that Discord gives. Raises NotFound where they are over."""
        response = self._interaction.response
        try:
            if self._owes:
                await insist(lambda: response.defer(ephemeral=self._ephemeral, thinking=True), self._pauses)
            else:
                await insist(response.defer, self._pauses)
        except discord.InteractionResponded:
            pass
        except discord.HTTPException as error:
            if error.code != ALREADY_ACKNOWLEDGED:
                raise

    async def show(self, reply: Reply) -> str:
        """Show a reply; the id of its last message."""
        wanted = parts(reply)
        if self.card_id is not None and isinstance(reply, Notice) and reply.in_place and len(wanted) == 1:
            await insist(lambda: self._interaction.edit_original_response(**wanted[0].to_edit()), self._pauses)
            return str(self.card_id)
        for part in wanted:
            shown = await self.post(part)
        return str(shown.id)

    async def post(self, part: Part) -> Shown:
        """Send one message."""
        if self._owes:
            first = await insist(lambda: self._interaction.edit_original_response(**part.to_edit()), self._pauses)
            self._owes = False
            return Shown(first.id, first.edit)
        arguments = {"ephemeral": self._ephemeral, "wait": True}
        followup = self._interaction.followup
        further = await insist(lambda: followup.send(**{**part.to_send(), **arguments}), self._pauses)
        return Shown(further.id, further.edit)

    async def end(self) -> None:
        """Take "thinking…" away where nothing had to be said."""
        if self._owes:
            with suppress(discord.HTTPException):
                await insist(self._interaction.delete_original_response, self._pauses)


def _is_public(interaction: discord.Interaction[discord.Client]) -> bool:
    return interaction.guild_id is not None or interaction.context.private_channel
