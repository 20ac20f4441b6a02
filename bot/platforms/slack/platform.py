"""Slack as the core sees it: where replies go, and how they are shown there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any

from redis import Redis
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot import texts
from bot.messages import Answer, Inbound, LessonProgress, Notice, Reply
from bot.platforms.base import Core, Undeliverable
from bot.platforms.deliveries import Deliveries
from bot.platforms.insisting import PAUSES
from bot.platforms.paced import Paced
from bot.platforms.slack import blocks, connection, installing, places
from bot.platforms.slack.access import Access
from bot.platforms.slack.blocks import Shown
from bot.platforms.slack.calls import Refused
from bot.platforms.slack.dashboard import Dashboard
from bot.platforms.slack.hearing import Hearing
from bot.platforms.slack.installations import Installations, States
from bot.platforms.slack.places import Place
from bot.platforms.slack.posting import Posting
from bot.platforms.slack.reading import NAME
from bot.platforms.slack.stream import Growing, grow
from bot.platforms.slack.turns import InteractionTurn, Turn
from bot.platforms.slack.working import Working
from bot.platforms.slack.workspaces import Workspaces
from bot.platforms.turns import Turns
from storage.session import Database
from trainer.settings import SlackSettings

log = logging.getLogger(__name__)

API, AUTHORIZE = "https://slack.com/api/", "https://slack.com/oauth/v2/authorize"
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
    """One app, in one workspace or in all that have installed it. Raises PlatformRefused from `run` where Slack does not let it in.

    `redis` and `database` are what all bot processes share: each event is followed by one of them, and what one workspace's installation
    gave to one of them is there for all. `api` is where Slack's methods are, `authorize_url` where it asks people. `connected` is set
    while Slack is heard.
    """

    name = NAME
    biggest_file = 100_000_000  # bytes; Slack takes ten times that, but an export is made in memory

    def __init__(
        self, settings: SlackSettings, redis: Redis, database: Database, pace: Pace = Pace(),
        api: str = API, authorize_url: str = AUTHORIZE,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._pace = pace
        self._core: Core | None = None
        self._turns: Turns[Turn] = Turns()
        self._deliveries = Deliveries(redis, NAME)
        self._tasks: set[asyncio.Task[None]] = set()
        self.connected = asyncio.Event()
        access, installations, how = Access(settings), None, dict[str, Any](token=settings.token)
        if settings.client_id is not None:
            installations = Installations(database, settings.client_id, settings.encryption_key or "")
            flow = installing.flow(settings, AsyncWebClient(None, api), installations, States(database), access, authorize_url)
            how = {"oauth_flow": flow, "client": flow.client}
        self.app = AsyncApp(signing_secret=settings.signing_secret or "", name="tutee", logger=_logger(), **how)
        self.app.client.base_url = api
        self._workspaces = Workspaces(self.app.client, pace.tries, installations)
        self._posting, self._working = Posting(self._workspaces, pace.tries), Working(self._workspaces)
        self._paced = Paced(self._posting.step, pace.progress, turn=self._posting.turn)
        self._dashboard = Dashboard(self._workspaces, pace.tries)
        Hearing(self.app, self._workspaces, access, self.hand_over, self.show_home)

    def serves(self, channel: str) -> bool:
        """Every place on Slack is this app's."""
        return places.read(channel) is not None

    async def run(self, core: Core) -> None:
        """Stay connected, also over Slack's own restarts."""
        self._core = core
        try:
            bot = await connection.check_in(self.app.client, self._settings, self._pace.tries)
            if bot:
                self._workspaces.meet(bot)
            await connection.stay(self.app, self._settings, self.connected.set)
        finally:
            self.connected.clear()
            await self._paced.close()
            for task in self._tasks:
                task.cancel()

    async def send(self, channel: str, reply: Reply, reply_to: str | None = None) -> str:
        """Show the reply: where it was asked for, or where only its reader sees it."""
        turn, place = self._turns.of(reply_to), places.of(channel)
        if isinstance(turn, InteractionTurn) and not isinstance(reply, LessonProgress):
            return await self._answer(turn, place, reply)
        for each in self._turns:
            if isinstance(each, InteractionTurn) and each.place == place:
                each.wrote_directly = True
        if isinstance(reply, Notice) and not place.is_private:
            if reply.quiet:
                return ""
            if reply.private and turn is not None:
                return await self._posting.whisper(turn.user, place, reply)
        return await self._posting.post(place, blocks.message(reply))

    async def edit(self, channel: str, message_id: str, reply: Reply) -> None:
        """Show the reply in place of the earlier one; progress is shown when its turn comes, everything else now."""
        if isinstance(reply, LessonProgress):
            self._paced.put(channel, message_id, reply)
            return
        await self._paced.end(message_id)
        place, shown = places.of(channel), blocks.message(reply)
        try:
            await self._posting.replace(place, message_id, shown)
        except Refused as error:
            if error.error not in GONE:
                log.warning("a reply cannot be shown any more, error=%s", error)
                return
            await self._posting.post(place, shown)

    async def stream(self, channel: str, pieces: AsyncIterator[str | Answer], reply_to: str | None = None) -> str | None:
        """Show the answer as it grows."""
        place, turn = places.of(channel), self._turns.of(reply_to)
        growing = Growing(await self._workspaces.of(place.team), place, turn.user if turn else "", self._pace.tries)

        async def upload(shown: Shown) -> None:
            await self._posting.upload(place, shown)

        ended = asyncio.Event()
        self._in_background(self._working.show(place, ended))
        try:
            ts = await grow(pieces, growing, upload, every=self._pace.answer)
        finally:
            ended.set()
        return place.message_id(ts) if ts else None

    async def hand_over(self, turn: Turn, inbound: Inbound, event_id: str) -> None:
        """Have the core follow an event to its end, once in all processes."""
        if self._core is None or not self._turns.begins(event_id) or not await self._deliveries.take(event_id):
            return
        with self._turns.taking(inbound.message_id, turn):
            try:
                await self._core.handle(inbound)
            except Undeliverable as error:
                log.error("a reply could not be shown, error=%s", error)
        if isinstance(turn, InteractionTurn):
            await self._round_off(turn)
        await self._deliveries.done(event_id)

    async def _answer(self, turn: InteractionTurn, place: Place, reply: Reply) -> str:
        """Answer an interaction where it took place, if others read along so that only its author sees it."""
        shown = blocks.message(reply)
        turn.said = True
        if isinstance(reply, Notice) and reply.in_place:
            if turn.is_home:
                turn.is_home = False  # what it would show anew is shown
                await self.show_home(turn.place.team, turn.user, reply)
                return ""
            if turn.card is not None and await self._replace_card(turn, shown):
                return turn.card
        if not turn.is_public or turn.response_url is None:
            return await self._posting.post(place, shown)
        if shown.files:
            direct = await self._posting.direct(place.team, turn.user)
            await self._posting.post(direct, shown)
            shown = blocks.message(Notice(texts.SAID_IN_PRIVATE))
        if not await self._posting.respond(turn, shown, replace_original=False):
            direct = await self._posting.direct(place.team, turn.user)
            return await self._posting.post(direct, shown)
        return ""

    async def _round_off(self, turn: InteractionTurn) -> None:
        """Say where the answer is, if it is elsewhere; show the home tab as it is now."""
        try:
            if turn.is_home:
                await self.show_home(turn.place.team, turn.user)
            elif turn.is_public and turn.place.is_private and turn.wrote_directly and not turn.said:
                await self._posting.respond(turn, blocks.message(Notice(texts.SAID_IN_PRIVATE)), replace_original=False)
        except Undeliverable as error:
            log.warning("an interaction could not be rounded off, error=%s", error)

    async def _replace_card(self, turn: InteractionTurn, shown: Shown) -> bool:
        """Show it in place of the card whose button was pressed."""
        if turn.response_url is not None:
            return await self._posting.respond(turn, shown, replace_original=True)
        try:
            await self._posting.replace(turn.place, turn.card or "", shown)
        except Refused:
            return False
        return True

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def show_home(self, team: str, user: str, changed: Notice | None = None) -> None:
        """Show the home tab as it is now, or with what was `changed` in it."""
        if self._core is not None:
            await self._dashboard.show(self._core, team, user, changed)


def _logger() -> logging.Logger:
    """Slack's libraries log whole messages, and tokens in answers, when they are asked for everything; they are not."""
    for name in ("slack_bolt", "slack_sdk"):
        logging.getLogger(name).setLevel(max(logging.INFO, logging.root.level))
    return logging.getLogger("slack_bolt")
