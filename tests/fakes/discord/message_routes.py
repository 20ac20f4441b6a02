"""What the operations on messages and reactions do, by the names that Discord's description gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fakes.discord import errors
from tests.fakes.discord.errors import Refusal
from tests.fakes.discord.messages import Message
from tests.fakes.discord.places import DM, PERMISSIONS, Channel
from tests.fakes.discord.routing import Answer, Ask, Lookups


class MessageRoutes(Lookups):
    """Messages of the bot in channels, threads and direct chats."""

    def list_messages(self, ask: Ask) -> Answer:
        channel = self._channel(ask, "READ_MESSAGE_HISTORY")
        low, high = int(ask.query.get("after", 0)), int(ask.query.get("before", 1 << 63))
        chosen = [each for each in channel.messages.values() if low < each.id < high and not each.ephemeral]
        chosen.sort(key=lambda each: each.id)
        limit = int(ask.query.get("limit", 50))
        chosen = chosen[:limit] if "after" in ask.query else chosen[-limit:]
        return 200, [self._shown(each) for each in reversed(chosen)]

    def get_message(self, ask: Ask) -> Answer:
        self._channel(ask, "READ_MESSAGE_HISTORY")
        return 200, self._shown(self._message(ask))

    def create_message(self, ask: Ask) -> Answer:
        channel, body = self._channel(ask, "SEND_MESSAGES"), ask.body
        if channel.kind == DM and channel.people[0].closed:
            raise Refusal(403, 50007, "Cannot send messages to this user")
        if ask.files and channel.denied & PERMISSIONS["ATTACH_FILES"]:
            raise errors.missing_permissions("ATTACH_FILES")
        nonce = body.get("nonce")
        if nonce is not None and body.get("enforce_nonce"):
            for each in channel.messages.values():
                if each.nonce == nonce:
                    return 200, self._shown(each)
        message = Message(channel, self._world.bot, nonce=nonce, reply_to=self._referenced(channel, body))
        self._fill(message, ask, body)
        return 200, self._shown(self._world.post(message))

    def update_message(self, ask: Ask) -> Answer:
        self._channel(ask)
        message = self._message(ask)
        if message.author is not self._world.bot:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user", fault=True)
        self._world.change(message, self._changes(message, ask, ask.body))
        return 200, self._shown(message)

    def delete_message(self, ask: Ask) -> Answer:
        self._channel(ask)
        message = self._message(ask)
        if message.author is not self._world.bot:
            raise errors.missing_permissions("MANAGE_MESSAGES")
        self._world.remove(message)
        return 204, None

    def add_my_message_reaction(self, ask: Ask) -> Answer:
        self._channel(ask, "ADD_REACTIONS", "READ_MESSAGE_HISTORY")
        self._world.react(self._message(ask), self._world.bot, self._emoji(ask), add=True)
        return 204, None

    def delete_my_message_reaction(self, ask: Ask) -> Answer:
        self._channel(ask)
        message, emoji = self._message(ask), self._emoji(ask)
        if self._world.bot in message.reactions.get(emoji, ()):
            self._world.react(message, self._world.bot, emoji, add=False)
        return 204, None

    def list_message_reactions_by_emoji(self, ask: Ask) -> Answer:
        self._channel(ask, "READ_MESSAGE_HISTORY")
        return 200, [each.payload() for each in self._message(ask).reactions.get(self._emoji(ask), ())]

    def _referenced(self, channel: Channel, body: Mapping[str, Any]) -> Message | None:
        reference = body.get("message_reference")
        if reference is None:
            return None
        if channel.denied & PERMISSIONS["READ_MESSAGE_HISTORY"]:
            raise Refusal(400, 160002, "You cannot reply without permission to read message history")
        found = self._world.find(channel.id, int(reference["message_id"]))
        if found is None and reference.get("fail_if_not_exists", True):
            raise Refusal(400, 50035, "Invalid Form Body: message_reference: Unknown message")
        return found

    def _emoji(self, ask: Ask) -> str:
        name = ask.path["emoji_name"]
        if name.isascii():
            raise Refusal(400, 10014, "Unknown Emoji", fault=True)
        return name
