"""Slack as the core sees it: where replies go, and how they are shown there."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot import texts
from bot.messages import Answer, Inbound, LessonProgress, Notice, Reply
from bot.platforms.base import Core, Undeliverable
from bot.platforms.paced import Paced
from bot.platforms.slack import blocks, connection, home, places
from bot.platforms.slack.access import Access
from bot.platforms.slack.blocks import Shown
from bot.platforms.slack.calls import PAUSES, Refused, insist, once
from bot.platforms.slack.hearing import Hearing
from bot.platforms.slack.places import Place
from bot.platforms.slack.reading import NAME, Reading, external_id
from bot.platforms.slack.stream import Growing, grow
from bot.platforms.slack.turns import InteractionTurn, Turn
from trainer.settings import SlackSettings

log = logging.getLogger(__name__)

API = "https://slack.com/api/"
REMEMBERED = 5_000  # events, so that one that Slack delivers twice is followed once
GONE = ("message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found")


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between steps of a growing answer, between edits of a lesson's progress, and between tries.

    Slack allows some hundred steps a minute of streams, and fifty edits, in a workspace.
    """

    answer: float = 1.5
    progress: float = 4.0
    tries: tuple[float, ...] = PAUSES


class Slack:
    """One app in one workspace. Raises PlatformRefused from `run` where Slack does not let it in."""

    name = NAME
    biggest_file = 100_000_000  # bytes; Slack takes ten times that, but an export is made in memory

    def __init__(self, settings: SlackSettings, pace: Pace = Pace(), api: str = API) -> None:
        self._settings = settings
        self._pace = pace
        self._core: Core | None = None
        self._turns: dict[str, Turn] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._has_sessions = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._paced = Paced(self._step, pace.progress)
        self.app = AsyncApp(token=settings.token, signing_secret=settings.signing_secret or "", name="tutee")
        self._client = self.app.client
        self._client.base_url = api
        access = Access(settings)
        self._reading = Reading(self._client, access, pace.tries)
        Hearing(self.app, self._reading, access, self.hand_over, self._show_home)

    def serves(self, channel: str) -> bool:
        """Every place on Slack is this app's."""
        return places.read(channel) is not None

    async def run(self, core: Core) -> None:
        """Stay connected, also over Slack's own restarts."""
        self._core = core
        try:
            self._reading.bot = await connection.check_in(self._client, self._settings, self._pace.tries)
            await connection.stay(self.app, self._settings)
        finally:
            await self._paced.close()
            for task in self._tasks:
                task.cancel()

    async def send(self, channel: str, reply: Reply, reply_to: str | None = None) -> str:
        """Show the reply: where it was asked for, or where only its reader sees it."""
        turn, place = self._turns.get(reply_to or ""), places.of(channel)
        if isinstance(turn, InteractionTurn) and not isinstance(reply, LessonProgress):
            return await self._answer(turn, place, reply)
        for each in self._turns.values():
            if isinstance(each, InteractionTurn) and each.place == place:
                each.wrote_directly = True
        if isinstance(reply, Notice) and not place.is_private:
            if reply.quiet:
                return ""
            if reply.private and turn is not None:
                return await self._whisper(turn.user, place, reply)
        return await self._post(place, blocks.message(reply))

    async def edit(self, channel: str, message_id: str, reply: Reply) -> None:
        """Show the reply in place of the earlier one; progress is shown when its turn comes, everything else now."""
        if isinstance(reply, LessonProgress):
            self._paced.put(channel, message_id, reply)
            return
        await self._paced.end(message_id)
        place, shown = places.of(channel), blocks.message(reply)
        try:
            await self._replace(place, message_id, shown)
        except Refused as error:
            if error.error not in GONE:
                log.warning("a reply cannot be shown any more, error=%s", error)
                return
            await self._post(place, shown)

    async def stream(self, channel: str, pieces: AsyncIterator[str | Answer], reply_to: str | None = None) -> str | None:
        """Show the answer as it grows."""
        place, turn = places.of(channel), self._turns.get(reply_to or "")
        growing = Growing(self._client, place, turn.user if turn else "", self._pace.tries)

        async def upload(shown: Shown) -> None:
            await self._upload(place, shown)

        ended = asyncio.Event()
        self._in_background(self._show_work(place, ended))
        try:
            ts = await grow(pieces, growing, upload, every=self._pace.answer)
        finally:
            ended.set()
        return place.message_id(ts) if ts else None

    async def hand_over(self, turn: Turn, inbound: Inbound, event_id: str) -> None:
        """Have the core follow an event to its end, once."""
        if self._core is None or event_id in self._seen:
            return
        self._seen[event_id] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        self._turns[inbound.message_id] = turn
        try:
            await self._core.handle(inbound)
        except Undeliverable as error:
            log.error("a reply could not be shown, error=%s", error)
        finally:
            del self._turns[inbound.message_id]
        if isinstance(turn, InteractionTurn):
            await self._round_off(turn)

    async def _answer(self, turn: InteractionTurn, place: Place, reply: Reply) -> str:
        """Answer an interaction where it took place, if others read along so that only its author sees it."""
        shown = blocks.message(reply)
        turn.said = True
        if isinstance(reply, Notice) and reply.in_place:
            if turn.is_home:
                turn.is_home = False  # what it would show anew is shown
                await self._publish(turn.place.team, turn.user, reply)
                return ""
            if turn.card is not None and await self._replace_card(turn, shown):
                return turn.card
        if not turn.is_public or turn.response_url is None:
            return await self._post(place, shown)
        if shown.files:
            direct = await self._reading.people.direct(place.team, turn.user)
            await self._post(direct, shown)
            shown = blocks.message(Notice(texts.SAID_IN_PRIVATE))
        if not await self._respond(turn, shown, replace_original=False):
            direct = await self._reading.people.direct(place.team, turn.user)
            return await self._post(direct, shown)
        return ""

    async def _round_off(self, turn: InteractionTurn) -> None:
        """Say where the answer is, if it is elsewhere; show the home tab as it is now."""
        try:
            if turn.is_home:
                await self._show_home(turn.place.team, turn.user)
            elif turn.is_public and turn.place.is_private and turn.wrote_directly and not turn.said:
                await self._respond(turn, blocks.message(Notice(texts.SAID_IN_PRIVATE)), replace_original=False)
        except Undeliverable as error:
            log.warning("an interaction could not be rounded off, error=%s", error)

    async def _whisper(self, user: str, place: Place, reply: Notice) -> str:
        """Show it to one person only: files cannot be shown so, they go into direct messages."""
        shown = blocks.message(reply)
        if shown.files:
            await self._post(await self._reading.people.direct(place.team, user), shown)
            shown = blocks.message(Notice(texts.SAID_IN_PRIVATE))
        await insist(
            lambda: self._client.chat_postEphemeral(channel=place.channel, user=user, thread_ts=place.thread, **shown.arguments()),
            self._pace.tries,
        )
        return ""

    async def _post(self, place: Place, shown: Shown) -> str:
        answer = await insist(
            lambda: self._client.chat_postMessage(channel=place.channel, thread_ts=place.thread, **shown.arguments()),
            self._pace.tries,
        )
        if shown.files:
            await self._upload(place, shown)
        return place.message_id(str(answer["ts"]))

    async def _upload(self, place: Place, shown: Shown) -> None:
        uploads: list[dict[str, Any]] = [{"filename": each.name, "title": each.name, "content": each.content} for each in shown.files]
        await insist(
            lambda: self._client.files_upload_v2(file_uploads=uploads, channel=place.channel, thread_ts=place.thread),
            self._pace.tries,
        )

    async def _replace(self, place: Place, message_id: str, shown: Shown) -> None:
        await insist(lambda: self._update(place, message_id, shown), self._pace.tries)

    async def _step(self, channel: str, message_id: str, reply: Reply) -> None:
        """One step of what moves: where it fails, the next one comes soon."""
        await once(lambda: self._update(places.of(channel), message_id, blocks.message(reply)))

    async def _update(self, place: Place, message_id: str, shown: Shown) -> None:
        ts = places.ts_of(message_id)
        await self._client.chat_update(channel=place.channel, ts=ts, **shown.arguments())

    async def _replace_card(self, turn: InteractionTurn, shown: Shown) -> bool:
        """Show it in place of the card whose button was pressed."""
        if turn.response_url is not None:
            return await self._respond(turn, shown, replace_original=True)
        try:
            await self._replace(turn.place, turn.card or "", shown)
        except Refused:
            return False
        return True

    async def _respond(self, turn: InteractionTurn, shown: Shown, *, replace_original: bool) -> bool:
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

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _show_work(self, place: Place, ended: asyncio.Event) -> None:
        """Show that an answer is being written, beside writing it."""
        await self._set_status(place, working=True)
        await ended.wait()
        await self._set_status(place, working=False)

    async def _set_status(self, place: Place, *, working: bool) -> None:
        """Show that an answer is coming, with Slack's Stop button where the app is an agent. Nothing depends on it."""
        if place.thread is None:
            return
        thread = place.thread
        try:
            if self._has_sessions:
                status = "processing" if working else "active"
                await once(lambda: self._client.agents_sessions_setStatus(
                    channel_id=place.channel, thread_ts=thread, status=status
                ))  # fmt: skip
            elif working:
                await once(lambda: self._client.assistant_threads_setStatus(
                    channel_id=place.channel, thread_ts=thread, status=texts.IS_THINKING
                ))  # fmt: skip
        except Refused as error:
            if self._has_sessions:
                log.info("no agent sessions in this workspace, error=%s", error)
                self._has_sessions = False
                await self._set_status(place, working=working)
        except Undeliverable as error:
            log.info("a status was not shown, error=%s", error)

    async def _show_home(self, team: str, user: str) -> None:
        await self._publish(team, user, None)

    async def _publish(self, team: str, user: str, changed: Notice | None) -> None:
        """Show the home tab; what was asked for in it stands where it can be turned over, like the pages of lessons."""
        if self._core is None:
            return
        parts = list(await self._core.home(NAME, external_id(team, user)))
        if changed is not None:
            parts = [changed if each.in_place else each for each in parts]
        await insist(lambda: self._client.views_publish(user_id=user, view=home.view(parts)), self._pace.tries)
