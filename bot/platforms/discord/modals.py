"""The forms that ask for what a command still needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot import texts
from bot.platforms import forms

if TYPE_CHECKING:
    from bot.platforms.discord.client import TuteeClient

LONGEST_TEXT = 4000  # characters of a text field
LONGEST_LABEL = 45
MOST_FILES = 5


class Asking(discord.ui.Modal):
    """Asks for the rest of a command's line. `prefilled` is what the field holds at first: unchanged, it says nothing."""

    def __init__(self, command: str, owner: int | None, prefilled: str = "") -> None:
        question = texts.ASKS.get(command, command)
        super().__init__(title=texts.FORM_TITLE, timeout=None)
        self._command = command
        self._owner = owner
        self._prefilled = prefilled[:LONGEST_TEXT]
        self.text = discord.ui.TextInput[Asking](
            custom_id="text",
            style=discord.TextStyle.long if prefilled else discord.TextStyle.short,
            default=self._prefilled or None,
            max_length=LONGEST_TEXT,
        )
        self.add_item(discord.ui.Label(text=question[:LONGEST_LABEL], component=self.text))

    async def on_submit(self, interaction: discord.Interaction[TuteeClient]) -> None:  # type: ignore[override]  # ours is the only client
        """Hand over the whole line."""
        line = forms.completed(self._command, self.text.value, self._prefilled)
        await interaction.client.asked(interaction, line, meant_for=self._owner)


class Teaching(discord.ui.Modal):
    """Asks what to teach: text, link, files, any of them."""

    def __init__(self) -> None:
        super().__init__(title=texts.TEACH_TITLE, timeout=None)
        self.text = discord.ui.TextInput[Teaching](
            custom_id="text",
            style=discord.TextStyle.long,
            placeholder=texts.TEACH_TEXT_EXAMPLE,
            required=False,
            max_length=LONGEST_TEXT,
        )
        self.link = discord.ui.TextInput[Teaching](custom_id="link", required=False, max_length=1000)
        self.files = discord.ui.FileUpload[Teaching](custom_id="files", required=False, min_values=0, max_values=MOST_FILES)
        self.add_item(discord.ui.Label(text=texts.TEACH_TEXT, component=self.text))
        self.add_item(discord.ui.Label(text=texts.TEACH_LINK, component=self.link))
        self.add_item(discord.ui.Label(text=texts.TEACH_FILE, component=self.files))

    async def on_submit(self, interaction: discord.Interaction[TuteeClient]) -> None:  # type: ignore[override]  # ours is the only client
        """Hand over the lesson."""
        line = forms.lesson(self.text.value, self.link.value)
        await interaction.client.asked(interaction, line, self.files.values)
