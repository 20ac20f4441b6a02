"""What all HTTP operations share: a request taken apart, finding what it names, filling messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.discord import errors, limits
from tests.fakes.discord.errors import Refusal
from tests.fakes.discord.messages import Message
from tests.fakes.discord.places import GROUP, PERMISSIONS, PUBLIC_THREAD, Channel, File, Guild, User
from tests.fakes.discord.world import World

Answer = tuple[int, Any]


@dataclass
class Ask:
    """One request, taken apart."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    files: dict[str, File] = field(default_factory=dict)
    """Uploaded files by the name of their field: `files[0]`."""

    def id(self, name: str) -> int:
        """A snowflake in the path."""
        return int(self.path[name])


class Lookups:
    """Finds what a request names, or refuses it as Discord does."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _channel(self, ask: Ask, *permissions: str) -> Channel:
        channel = self._world.channels.get(ask.id("channel_id"))
        if channel is None:
            raise errors.unknown_channel()
        if channel.kind == GROUP or channel.denied & PERMISSIONS["VIEW_CHANNEL"]:
            raise errors.missing_access()
        for name in permissions:
            needed = "SEND_MESSAGES_IN_THREADS" if channel.kind == PUBLIC_THREAD and name == "SEND_MESSAGES" else name
            if channel.guild and channel.denied & PERMISSIONS[needed]:
                raise errors.missing_permissions(needed)
        return channel

    def _message(self, ask: Ask) -> Message:
        message = self._world.find(ask.id("channel_id"), ask.id("message_id"))
        if message is None or message.ephemeral:
            raise errors.unknown_message()
        return message

    def _guild(self, ask: Ask) -> Guild:
        if guild := self._world.guilds.get(ask.id("guild_id")):
            return guild
        raise errors.missing_access()

    def _user(self, identifier: int) -> User:
        for each in self._world.everyone():
            if each.id == identifier:
                return each
        raise Refusal(404, 10013, "Unknown User")

    def _shown(self, message: Message) -> dict[str, Any]:
        return message.payload(self._world.bot, reads_content=self._world.shows_content)

    def _fill(self, message: Message, ask: Ask, body: Mapping[str, Any]) -> None:
        for key, value in self._changes(message, ask, body).items():
            setattr(message, key, value)
        message.history[:] = [message.content]

    def _changes(self, message: Message, ask: Ask, body: Mapping[str, Any]) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if "content" in body:
            changes["content"] = (body["content"] or "").strip()  # Discord trims
        if "embeds" in body:
            changes["embeds"] = [{"type": "rich", **each} for each in body["embeds"] or []]
        if "components" in body:
            changes["components"] = _laid_out(_without_nulls(body["components"] or []), ask.files.values())
        if body.get("flags") is not None:
            changes["flags"] = body["flags"] & ~limits.EPHEMERAL
        if "attachments" in body or ask.files:
            entries = body.get("attachments") or ()
            kept = {str(each["id"]) for each in entries}
            stay = [each for each in message.attachments if str(each.id) in kept]
            for each in ask.files.values():
                each.ephemeral = message.ephemeral
            changes["attachments"] = [*stay, *ask.files.values()]
        return changes


def _laid_out(components: Any, files: Iterable[File]) -> Any:
    """As Discord shows them: with the places of the pictures in them, and with what may be left out."""
    by_name = {f"attachment://{each.name}": each for each in files}
    for each in limits.walk(components):
        if each["type"] == limits.CONTAINER:
            each |= {"accent_color": each.get("accent_color"), "spoiler": each.get("spoiler", False)}
        elif each["type"] == limits.MEDIA_GALLERY:
            for item in each["items"]:
                file = by_name.get(item["media"]["url"])
                found = {"id": str(file.id), "url": file.url, "proxy_url": file.url} if file else {}
                item |= {"media": item["media"] | found, "description": item.get("description"), "spoiler": item.get("spoiler", False)}
    return components


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return value
