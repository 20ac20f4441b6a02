"""Where to write: a channel is a string by which a restarted process finds the place again."""

from __future__ import annotations

import discord


def of_channel(channel_id: int) -> str:
    """A channel or thread of a server."""
    return f"channel:{channel_id}"


def of_person(user_id: int) -> str:
    """The direct messages with a person."""
    return f"dm:{user_id}"


def is_place(channel: str) -> bool:
    """Whether the string is one of ours."""
    kind, _, number = channel.partition(":")
    return kind in ("channel", "dm") and number.isdecimal()


def is_private(channel: str) -> bool:
    """Whether nobody else reads along."""
    return channel.startswith("dm:")


async def find(client: discord.Client, channel: str) -> discord.DMChannel | discord.PartialMessageable:
    """The place; a direct message channel is opened where there is none yet."""
    number = int(channel.partition(":")[2])
    if is_private(channel):
        return await client.create_dm(discord.Object(number))
    return client.get_partial_messageable(number)
