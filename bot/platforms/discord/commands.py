"""The slash commands and the message menu: each says the line that somebody could have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands

from bot import commands, texts
from bot.platforms import forms
from bot.platforms.discord import modals

if TYPE_CHECKING:
    from bot.platforms.discord.client import TuteeClient

_Command = app_commands.Command[Any, ..., None]
Asked = discord.Interaction["TuteeClient"]
Line = app_commands.Range[str, 1, 6000]
Number = app_commands.Range[int, 0, 999_999]

PLAIN = {
    "lessons": "/lessons 1",
    **{name: f"/{name}" for name in ("report", "why", "model", "cancel", "new", "rebuild", "export", "privacy", "help")},
}


class Tree(app_commands.CommandTree["TuteeClient"]):
    """Commands, each of which one process obeys."""

    async def interaction_check(self, interaction: Asked, /) -> bool:
        """Whether it is ours to obey."""
        return await interaction.client.is_first(interaction.id)


def tree(client: TuteeClient) -> Tree:
    """All commands, for servers and for people who install the bot for themselves, everywhere."""
    everywhere = Tree(
        client,
        allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
    )
    for name, line in PLAIN.items():
        everywhere.add_command(_plain(name, line))
    with_arguments: list[_Command] = [ask, learn, compare, share, offer, take, unshare, forget, rollback, delete_me, admin]
    for command in with_arguments:
        everywhere.add_command(command)
    everywhere.add_command(app_commands.ContextMenu(name=texts.TEACH_FROM_MESSAGE, callback=teach_from))
    return everywhere


def _plain(name: str, line: str) -> _Command:
    async def say(interaction: Asked) -> None:
        await interaction.client.asked(interaction, line)

    return app_commands.Command(name=name, description=texts.COMMANDS[name][0], callback=say)


@app_commands.command(name="ask", description=texts.COMMANDS["ask"][0])
@app_commands.describe(**texts.COMMANDS["ask"][1])
async def ask(interaction: Asked, message: Line) -> None:
    """Chat, where the bot hears no messages."""
    await interaction.client.asked(interaction, message, aloud=True)


@app_commands.command(name="learn", description=texts.COMMANDS["learn"][0])
@app_commands.describe(**texts.COMMANDS["learn"][1])
async def learn(interaction: Asked, text: Line | None = None, link: Line | None = None, file: discord.Attachment | None = None) -> None:
    """Teach; with nothing given, a form asks for it."""
    if text is None and link is None and file is None:
        await interaction.response.send_modal(modals.Teaching())
    else:
        await interaction.client.asked(interaction, forms.lesson(text, link), [file] if file else [])


@app_commands.command(name="compare", description=texts.COMMANDS["compare"][0])
@app_commands.describe(**texts.COMMANDS["compare"][1])
async def compare(interaction: Asked, question: Line) -> None:
    """Ask several versions."""
    await interaction.client.asked(interaction, f"/compare {question}")


@app_commands.command(name="share", description=texts.COMMANDS["share"][0])
@app_commands.describe(**texts.COMMANDS["share"][1])
async def share(interaction: Asked, lessons: Line | None = None) -> None:
    """Give lessons to others."""
    await interaction.client.asked(interaction, f"/share {lessons or ''}".strip())


@app_commands.command(name="offer", description=texts.COMMANDS["offer"][0])
@app_commands.describe(**texts.COMMANDS["offer"][1])
async def offer(interaction: Asked, code: Line) -> None:
    """Show a pack to a channel."""
    await interaction.client.asked(interaction, f"/offer {code}", aloud=True)


@app_commands.command(name="take", description=texts.COMMANDS["take"][0])
@app_commands.describe(**texts.COMMANDS["take"][1])
async def take(interaction: Asked, code: Line) -> None:
    """Learn what others give."""
    await interaction.client.asked(interaction, f"/take {code}")


@app_commands.command(name="unshare", description=texts.COMMANDS["unshare"][0])
@app_commands.describe(**texts.COMMANDS["unshare"][1])
async def unshare(interaction: Asked, code: Line) -> None:
    """Withdraw what was given."""
    await interaction.client.asked(interaction, f"/unshare {code}")


@app_commands.command(name="forget", description=texts.COMMANDS["forget"][0])
@app_commands.describe(**texts.COMMANDS["forget"][1])
async def forget(interaction: Asked, lesson: Number) -> None:
    """Forget a lesson."""
    await interaction.client.asked(interaction, f"/forget {lesson}")


@app_commands.command(name="rollback", description=texts.COMMANDS["rollback"][0])
@app_commands.describe(**texts.COMMANDS["rollback"][1])
async def rollback(interaction: Asked, version: Number | None = None) -> None:
    """Answer from another version; from the one before where none is named."""
    await interaction.client.asked(interaction, "/rollback" if version is None else f"/rollback {version}")


@forget.autocomplete("lesson")
@rollback.autocomplete("version")
async def _choices(interaction: Asked, typed: int | str) -> list[app_commands.Choice[int]]:
    line = f"/{interaction.command.name}" if interaction.command else ""
    offered = await interaction.client.choices(interaction.user.id, line, str(typed))
    return [app_commands.Choice(name=each.label[:100], value=int(each.value)) for each in offered]


@app_commands.command(name="delete-me", description=texts.COMMANDS["delete-me"][0])
async def delete_me(interaction: Asked) -> None:
    """Delete everything, after a word of confirmation."""
    await interaction.response.send_modal(modals.Asking("/delete-me", None))


@app_commands.command(name="admin", description=texts.COMMANDS["admin"][0])
@app_commands.describe(**texts.COMMANDS["admin"][1])
@app_commands.default_permissions(manage_guild=True)
async def admin(interaction: Asked, what: Literal["status", "reports", "on", "off"] = "status") -> None:
    """For whoever runs the bot."""
    await interaction.client.asked(interaction, f"/admin {what}")


async def teach_from(interaction: Asked, message: discord.Message) -> None:
    """Teach what a message says: one's own, or one of the bot's."""
    ours = interaction.client.user is not None and message.author.id == interaction.client.user.id
    said = interaction.client.reading.words(message)
    line = said if isinstance(commands.parse(said), commands.Learn) else f"[Learn] {said}"
    foreign = not ours and message.author.id != interaction.user.id
    await interaction.client.asked(interaction, line, () if foreign else message.attachments, foreign=foreign)
