"""A minimal bot, for tests of the fake Discord itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
from discord import app_commands

from tests.fakes.discord import FakeDiscord, Message

NOBODY: dict[str, Any] = {"parse": []}


class Form(discord.ui.Modal, title="What should I have said?"):
    """A text that stands there already, and a file."""

    said: discord.ui.Label[Any] = discord.ui.Label(
        text="Better answer", component=discord.ui.TextInput(custom_id="said", default="as before", max_length=400)
    )
    files: discord.ui.Label[Any] = discord.ui.Label(text="Files", component=discord.ui.FileUpload(custom_id="files", required=False, max_values=2))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        said, files = self.said.component, self.files.component
        assert isinstance(said, discord.ui.TextInput) and isinstance(files, discord.ui.FileUpload)
        contents = [(await each.read()).decode() for each in files.values]
        await interaction.response.send_message(f"{said.value} {contents}", ephemeral=True)


class Buttons(discord.ui.View):
    """Buttons that work for ever."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Stop", custom_id="stop")
    async def stop_it(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.edit_message(content="Stopped", view=None)

    @discord.ui.button(emoji="👎", custom_id="bad")
    async def bad(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.send_modal(Form())

    @discord.ui.select(
        custom_id="which",
        options=[discord.SelectOption(label="First", value="1"), discord.SelectOption(label="Second")],
    )
    async def which(self, interaction: discord.Interaction, select: discord.ui.Select[Any]) -> None:
        await interaction.response.defer()
        await interaction.followup.send(f"You chose {select.values}")


class Echo(discord.Client):
    """A minimal bot, whose commands are set up by `_add_commands`."""

    def __init__(self, *, content: bool = True, **options: Any) -> None:
        intents = discord.Intents.default()
        intents.message_content = content
        super().__init__(intents=intents, allowed_mentions=discord.AllowedMentions.none(), **options)
        self.tree = app_commands.CommandTree(self)
        self.heard: list[str] = []
        self.reactions: list[str] = []

    async def setup_hook(self) -> None:
        _add_commands(self.tree)
        self.add_view(Buttons())
        await self.tree.sync()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Without the pause of five seconds between sessions."""

    async def on_message(self, message: discord.Message) -> None:
        if message.author != self.user:
            files = [(await each.read()).decode() for each in message.attachments]
            self.heard.append(" ".join([message.content, *files]))
            await message.reply(f"You said {self.heard[-1]}", view=Buttons())

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        self.reactions.append(f"+{event.emoji.name}")

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        self.reactions.append(f"-{event.emoji.name}")


def _add_commands(tree: app_commands.CommandTree[Any]) -> None:
    @tree.command(description="Learn something.")
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def learn(interaction: discord.Interaction, text: str, file: discord.Attachment | None = None) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        content = (await file.read()).decode() if file else "no file"
        await interaction.followup.send(f"{text}, {content}")

    @learn.autocomplete("text")
    async def offered(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{typed}{each}", value=each) for each in "ab"]

    @tree.command(description="Progress.")
    async def progress(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("0 %")
        message = await interaction.original_response()
        assert interaction.channel_id
        await message.edit(content="50 %")

    @tree.context_menu(name="Teach from this message")
    async def teach(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"Taught {message.content}", ephemeral=True)


@asynccontextmanager
async def running(fake: FakeDiscord, bot: Echo) -> AsyncIterator[Echo]:
    """The bot, until the end of the block."""
    async with bot:
        task = asyncio.create_task(bot.start(fake.token))
        await fake.until_connected()
        yield bot
        await bot.close()
        await task


async def answered(fake: FakeDiscord, question: Message) -> Message:
    """The reply to a message."""
    return (await fake.until(lambda: fake.replies(question)))[0]
