"""Reads what people do on Slack into what the core understands."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from slack_sdk.web.async_client import AsyncWebClient

from bot import commands, texts
from bot.messages import InboundMessage, Reaction
from bot.platforms.base import Undeliverable
from bot.platforms.slack.access import Access
from bot.platforms.slack.calls import once
from bot.platforms.slack.files import Files
from bot.platforms.slack.people import People
from bot.platforms.slack.places import Place
from bot.platforms.slack.words import plain

log = logging.getLogger(__name__)

NAME = "slack"
WRITTEN = (None, "file_share", "thread_broadcast")  # subtypes of messages that people write
THUMBS: dict[str, Literal["up", "down"]] = {"+1": "up", "thumbsup": "up", "-1": "down", "thumbsdown": "down"}

Event = Mapping[str, Any]


class Reading:
    """Of the workspace that `client` belongs to; `bot` is the bot's own user id, as soon as it is known."""

    def __init__(self, client: AsyncWebClient, access: Access, pauses: Sequence[float]) -> None:
        self._client = client
        self._access = access
        self.people = People(client, pauses)
        self.files = Files(client, pauses)
        self.bot = ""

    def is_for_us(self, event: Event) -> bool:
        """Whether a person wrote to the bot: directly, with a mention, or in a thread that it began."""
        if event.get("subtype") not in WRITTEN or event.get("bot_id") or not event.get("user"):
            return False
        if event["type"] == "app_mention" or event.get("channel_type") == "im":
            return True
        return f"<@{self.bot}>" in event.get("text", "") or event.get("parent_user_id") == self.bot

    async def message(self, team: str, event: Event) -> InboundMessage:
        """What a message asks for. Every message is a thread's first or stands in one, so that a conversation is a thread."""
        thread = event.get("thread_ts") or event["ts"]
        place = Place(team, event["channel"], thread)
        text = await self.words(event.get("text", ""))
        files = event.get("files", [])
        if isinstance(commands.parse(text), commands.Learn):
            attachments, skipped = await self.files.read(files)
        else:
            attachments, skipped = (), tuple(texts.file_skipped(str(each.get("name", texts.A_FILE))) for each in files)
        return await self.inbound(
            place,
            event["user"],
            place.message_id(event["ts"]),
            text,
            attachments=attachments,
            skipped=skipped,
            reply_to=place.message_id(thread) if event.get("parent_user_id") == self.bot else None,
        )

    async def inbound(self, place: Place, user: str, message_id: str, line: str, **more: Any) -> InboundMessage:
        """What somebody asks for there by other means than a message."""
        name = await self.people.name(user)
        return InboundMessage(
            NAME, str(place), external_id(place.team, user), name, message_id, line,
            admin=self._access.is_owner(user), **more,
        )  # fmt: skip

    async def reaction(self, team: str, event: Event) -> Reaction | None:
        """A thumb on a message; None for everything else that people react with."""
        item = event.get("item", {})
        kind = THUMBS.get(event["reaction"].partition("::")[0])  # behind it is the colour of the skin
        if kind is None or item.get("type") != "message" or event["user"] == self.bot:
            return None
        place = Place(team, item["channel"])
        if place.is_private:
            place = place.in_thread(await self._thread_of(place, item["ts"]))
        user, message_id = event["user"], place.message_id(item["ts"])
        return Reaction(NAME, str(place), external_id(team, user), user, message_id, kind, event["type"] == "reaction_removed")

    async def words(self, markup: str) -> str:
        """What a text in Slack's markup says."""
        return await plain(markup, self.bot, self.people.name)

    async def _thread_of(self, place: Place, ts: str) -> str | None:
        try:
            answer = await once(lambda: self._client.conversations_replies(channel=place.channel, ts=ts, limit=1))
        except Undeliverable as error:
            log.info("a message's thread is not known, error=%s", error)
            return None
        first: Event = answer["messages"][0]
        return first.get("thread_ts") or ts


def external_id(team: str, user: str) -> str:
    """How the database knows them."""
    return f"{team}:{user}"
