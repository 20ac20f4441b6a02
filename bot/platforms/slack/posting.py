"""Messages on their way to Slack: posted, replaced, whispered, with files, or as answers to interactions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot import texts
from bot.messages import Notice, Reply
from bot.platforms.base import Undeliverable
from bot.platforms.slack import blocks, places
from bot.platforms.slack.blocks import Shown
from bot.platforms.slack.calls import Limited, Refused, insist, once
from bot.platforms.slack.places import Place
from bot.platforms.slack.turns import InteractionTurn
from bot.platforms.slack.workspaces import Workspaces

log = logging.getLogger(__name__)


class Posting:
    """`tries` are the pauses between tries. What Slack does not take raises Undeliverable."""

    def __init__(self, workspaces: Workspaces, tries: Sequence[float]) -> None:
        self._workspaces = workspaces
        self._tries = tries

    async def post(self, place: Place, shown: Shown) -> str:
        """Show it there; the id of its message."""
        client = await self._client(place)
        answer = await insist(
            lambda: client.chat_postMessage(channel=place.channel, thread_ts=place.thread, **shown.arguments()),
            self._tries,
        )
        if shown.files or shown.picture:
            await self.upload(place, shown)
        return place.message_id(str(answer["ts"]))

    async def upload(self, place: Place, shown: Shown) -> None:
        """Show its files and its picture there."""
        client, files = await self._client(place), (*shown.files, *filter(None, (shown.picture,)))
        uploads: list[dict[str, Any]] = [{"filename": each.name, "title": each.name, "content": each.content} for each in files]
        await insist(
            lambda: client.files_upload_v2(file_uploads=uploads, channel=place.channel, thread_ts=place.thread),
            self._tries,
        )

    async def whisper(self, user: str, place: Place, reply: Notice) -> str:
        """Show it to one person only: files cannot be shown so, they go into direct messages."""
        shown = blocks.message(reply)
        if shown.files:
            await self.post(await self.direct(place.team, user), shown)
            shown = blocks.message(Notice(texts.SAID_IN_PRIVATE))
        client = await self._client(place)
        await insist(
            lambda: client.chat_postEphemeral(channel=place.channel, user=user, thread_ts=place.thread, **shown.arguments()),
            self._tries,
        )
        return ""

    async def replace(self, place: Place, message_id: str, shown: Shown) -> None:
        """Show it in place of what the message shows. Raises Refused where the message is gone."""
        await insist(lambda: self._update(place, message_id, shown), self._tries)

    async def step(self, channel: str, message_id: str, reply: Reply) -> None:
        """One step of what moves: where it fails, the next one comes soon."""
        place = places.of(channel)
        try:
            await once(lambda: self._update(place, message_id, blocks.message(reply)))
        except Limited as error:
            (await self._workspaces.of(place.team)).tiers.edit.wait(error.seconds)
            raise

    async def turn(self, channel: str) -> float:
        """Take a turn among all that moves in a workspace; how many seconds it is away."""
        try:
            return (await self._workspaces.of(places.of(channel).team)).tiers.edit.turn()
        except Refused:
            return 0.0

    async def _update(self, place: Place, message_id: str, shown: Shown) -> None:
        client, ts = await self._client(place), places.ts_of(message_id)
        await client.chat_update(channel=place.channel, ts=ts, **shown.arguments())

    async def _client(self, place: Place) -> AsyncWebClient:
        return (await self._workspaces.of(place.team)).client

    async def direct(self, team: str, user: str) -> Place:
        """Their direct messages with the bot."""
        return await (await self._workspaces.of(team)).people.direct(team, user)

    async def respond(self, turn: InteractionTurn, shown: Shown, *, replace_original: bool) -> bool:
        """Answer through the interaction; False where Slack does not take that any more."""
        if turn.response_url is None:
            return False
        said: dict[str, Any] = {**shown.arguments(), "replace_original": replace_original}
        if not replace_original:
            said |= {"response_type": "ephemeral"}
            if turn.place.thread is not None:
                said["thread_ts"] = turn.place.thread
        webhook = AsyncWebhookClient(turn.response_url)
        try:
            answer = await once(lambda: webhook.send_dict(said))
        except Undeliverable as error:
            log.info("an interaction cannot be answered, error=%s", error)
            return False
        return answer.status_code == 200
