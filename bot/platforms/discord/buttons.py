"""Buttons that outlive the process: everything that pressing one needs is in its custom id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import discord

from bot.messages import Action

if TYPE_CHECKING:
    from bot.platforms.discord.client import TuteeClient

LONGEST_ID = 100  # characters of a custom id
MOST = 25  # buttons of one message


class Button(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"tutee:(?P<owner>\d*):(?P<asks>\??)(?P<command>/.+)",
):
    """A button for an action of the user `owner` (None: of whoever presses it)."""

    def __init__(self, action: Action, owner: int | None) -> None:
        self.action = action
        self.owner = owner
        custom_id = f"tutee:{'' if owner is None else owner}:{'?' if action.asks else ''}{action.command}"[:LONGEST_ID]
        style = discord.ButtonStyle.danger if action.danger else discord.ButtonStyle.secondary
        super().__init__(discord.ui.Button(label=action.label, style=style, custom_id=custom_id))

    @classmethod
    async def from_custom_id(
        cls,
        _: discord.Interaction[discord.Client],
        item: discord.ui.Item[Any],
        match: re.Match[str],
        /,
    ) -> Button:
        """The button that was pressed, also one that an earlier process made."""
        label = (item.label if isinstance(item, discord.ui.Button) else None) or match["command"]
        action = Action(label, match["command"], asks=bool(match["asks"]))
        return cls(action, int(match["owner"]) if match["owner"] else None)

    async def interaction_check(self, interaction: discord.Interaction[TuteeClient], /) -> bool:  # type: ignore[override]  # as below
        """Whether no other process has seen it pressed."""
        return await interaction.client.is_first(interaction.id)

    async def callback(self, interaction: discord.Interaction[TuteeClient]) -> None:  # type: ignore[override]  # ours is the only client
        """Do what it is for."""
        await interaction.client.pressed(interaction, self.action, self.owner)


def view(actions: Sequence[Action], owner: int | None) -> discord.ui.View | None:
    """The buttons as one view; None where there are none. No view times out: what its buttons need is in their ids."""
    if not actions:
        return None
    buttons = discord.ui.View(timeout=None)
    for action in actions[:MOST]:
        buttons.add_item(Button(action, owner))
    return buttons
