"""Reads what people do on Slack into what the core understands."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from bot import commands, texts
from bot.messages import Attachment, InboundMessage, Reaction
from bot.platforms.base import Undeliverable
from bot.platforms.slack.access import Access
from bot.platforms.slack.calls import once
from bot.platforms.slack.places import Place
from bot.platforms.slack.words import plain
from bot.platforms.slack.workspaces import Workspace, Workspaces

log = logging.getLogger(__name__)

NAME = "slack"
WRITTEN = (None, "file_share", "thread_broadcast")  # subtypes of messages that people write
THUMBS: dict[str, Literal["up", "down", "report"]] = {
    "+1": "up", "thumbsup": "up", "-1": "down", "thumbsdown": "down", "triangular_flag_on_post": "report",
}  # fmt: skip

Event = Mapping[str, Any]


class Reading:
    """Of everything that is heard; each workspace is asked about itself. Raises Refused where the app is not installed there."""

    def __init__(self, workspaces: Workspaces, access: Access) -> None:
        self._workspaces = workspaces
        self._access = access

    async def is_for_us(self, team: str, event: Event) -> bool:
        """Whether a person wrote to the bot: directly, with a mention, or in a thread that it began."""
        if event.get("subtype") not in WRITTEN or event.get("bot_id") or not event.get("user"):
            return False
        if event["type"] == "app_mention" or event.get("channel_type") == "im":
            return True
        bot = (await self._workspaces.of(team)).bot
        return f"<@{bot}>" in event.get("text", "") or event.get("parent_user_id") == bot

    async def message(self, team: str, event: Event) -> InboundMessage:
        """What a message asks for. Every message is a thread's first or stands in one, so that a conversation is a thread."""
        thread = event.get("thread_ts") or event["ts"]
        place, workspace = Place(team, event["channel"], thread), await self._workspaces.of(team)
        text = await self._words(workspace, event.get("text", ""))
        files = event.get("files", [])
        if isinstance(commands.parse(text), commands.Learn):
            attachments, skipped = await workspace.files.read(files)
        else:
            attachments, skipped = (), tuple(texts.file_skipped(str(each.get("name", texts.A_FILE))) for each in files)
        return await self.inbound(
            place,
            event["user"],
            place.message_id(event["ts"]),
            text,
            attachments=attachments,
            skipped=skipped,
            reply_to=place.message_id(thread) if event.get("parent_user_id") == workspace.bot else None,
        )

    async def inbound(self, place: Place, user: str, message_id: str, line: str, **more: Any) -> InboundMessage:
        """What somebody asks for there by other means than a message."""
        name = await (await self._workspaces.of(place.team)).people.name(user)
        return InboundMessage(
            NAME, str(place), external_id(place.team, user), name, message_id, line,
            admin=self._access.is_owner(user), **more,
        )  # fmt: skip

    async def reaction(self, team: str, event: Event) -> Reaction | None:
        """A thumb on a message; None for everything else that people react with."""
        item = event.get("item", {})
        kind = THUMBS.get(event["reaction"].partition("::")[0])  # behind it is the colour of the skin
        if kind is None or item.get("type") != "message" or event["user"] == (await self._workspaces.of(team)).bot:
            return None
        place = Place(team, item["channel"])
        if place.is_private:
            place = place.in_thread(await self._thread_of(place, item["ts"]))
        user, message_id = event["user"], place.message_id(item["ts"])
        return Reaction(NAME, str(place), external_id(team, user), user, message_id, kind, event["type"] == "reaction_removed")

    async def words(self, team: str, markup: str) -> str:
        """What a text in Slack's markup says."""
        return await self._words(await self._workspaces.of(team), markup)

    async def said(self, team: str, message: Event) -> str:
        """What a message says that somebody chose."""
        workspace = await self._workspaces.of(team)
        return shown(message) if message.get("user") == workspace.bot else await self._words(workspace, message.get("text", ""))

    async def is_own(self, team: str, user: str, message: Event) -> bool:
        """Whether a message is theirs or the bot's."""
        return message.get("user") in (user, (await self._workspaces.of(team)).bot)

    async def files(self, team: str, ids: Sequence[str], more: Sequence[Event]) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
        """The files with these ids and those, and a sentence for each that could not be had."""
        files = (await self._workspaces.of(team)).files
        return await files.read([*[await files.described(each) for each in ids], *more])

    async def direct(self, team: str, user: str) -> Place:
        """Their direct messages with the bot. Raises Undeliverable."""
        return await (await self._workspaces.of(team)).people.direct(team, user)

    async def _words(self, workspace: Workspace, markup: str) -> str:
        return await plain(markup, workspace.bot, workspace.people.name)

    async def _thread_of(self, place: Place, ts: str) -> str | None:
        client = (await self._workspaces.of(place.team)).client
        try:
            answer = await once(lambda: client.conversations_replies(channel=place.channel, ts=ts, limit=1))
        except Undeliverable as error:
            log.info("a message's thread is not known, error=%s", error)
            return None
        first: Event = answer["messages"][0]
        return first.get("thread_ts") or ts


def external_id(team: str, user: str) -> str:
    """How the database knows them."""
    return f"{team}:{user}"


def shown(message: Event) -> str:
    """What stands in a message of the bot's: its blocks say it, its text is for notifications."""
    found: Sequence[Event] = message.get("blocks") or []
    return "\n".join(each["text"] for each in found if each.get("type") == "markdown") or str(message.get("text", ""))
