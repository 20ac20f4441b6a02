"""Discord as the core sees it: where replies go, and how they are shown there."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import discord

from bot import texts
from bot.errors import PlatformRefused
from bot.messages import Answer, Choice, Inbound, LessonProgress, Notice, Reaction, Reply
from bot.platforms.base import Core, Undeliverable
from bot.platforms.deliveries import Deliveries
from bot.platforms.discord import places
from bot.platforms.discord.access import Access
from bot.platforms.discord.client import NAME, ShardedClient, TuteeClient
from bot.platforms.discord.delivery import insist
from bot.platforms.discord.rendering import Part, parts
from bot.platforms.discord.signs import Signs
from bot.platforms.discord.stream import Shown, grow
from bot.platforms.discord.turns import InteractionTurn, Turn
from bot.platforms.insisting import PAUSES
from bot.platforms.paced import Paced
from bot.platforms.turns import Turns
from trainer.settings import DiscordSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between edits of a growing answer, between edits of a lesson's progress, and between tries.

    Discord allows about five edits in five seconds per channel; two answers may well grow in one at the same time.
    """

    answer: float = 1.2
    progress: float = 3.0
    tries: tuple[float, ...] = PAUSES


class Discord:
    """One bot account. Raises PlatformRefused from `run` where Discord does not let it in.

    With `deliveries`, each event is followed by one of all bot processes; without, this one follows whatever it hears.
    """

    name = NAME
    biggest_file = 10_000_000  # bytes, in servers without boosts and in direct messages

    def __init__(self, settings: DiscordSettings, pace: Pace = Pace(), deliveries: Deliveries | None = None) -> None:
        self._token = settings.token or ""
        self._pace = pace
        self._deliveries = deliveries
        self._core: Core | None = None
        self._turns: Turns[Turn] = Turns()
        self._logging_in = asyncio.Lock()
        self._paced = Paced(self._replace, pace.progress, (OSError, discord.HTTPException))
        self._signs = Signs(self._show_typing)
        kind, sharding = TuteeClient, dict[str, Any]()
        if settings.shards > 1:
            kind, sharding = ShardedClient, {"shard_count": settings.shards, "shard_ids": settings.heard}
        self.client = kind(
            Access(settings), self.hand_over, self._choices, self._answer_of,
            message_content=settings.message_content, pauses=pace.tries, is_first=self._is_first, **sharding,
        )  # fmt: skip

    def serves(self, channel: str) -> bool:
        """Every place on Discord is this account's."""
        return places.is_place(channel)

    def attach(self, core: Core) -> None:
        """Hand events to this core from now on."""
        self._core = core

    async def run(self, core: Core) -> None:
        """Stay connected, also over Discord's own restarts."""
        self.attach(core)
        try:
            while not self.client.is_logged_in:
                with _going_on_without_network():
                    await self._log_in()
            await self.client.connect()
        except discord.PrivilegedIntentsRequired as error:
            raise PlatformRefused(texts.DISCORD_INTENT_REFUSED) from error
        except discord.ConnectionClosed as error:
            raise PlatformRefused(texts.discord_closed(error.code)) from error
        finally:
            await self._paced.close()
            await self._signs.close()
            await self.client.close()

    async def send(self, channel: str, reply: Reply, reply_to: str | None = None) -> str:
        """Show the reply: where it was asked for, or where only its reader sees it. Raises Undeliverable."""
        with _translating_refusals():
            return await self._send(channel, reply, reply_to)

    async def _send(self, channel: str, reply: Reply, reply_to: str | None) -> str:
        turn = self._turns.of(reply_to)
        if isinstance(turn, InteractionTurn) and not isinstance(reply, LessonProgress):
            try:
                return await turn.show(reply)
            except discord.HTTPException as error:  # the interaction's fifteen minutes are over
                log.info("an interaction can no longer be answered, error=%s", error)
        if isinstance(reply, Notice) and not places.is_private(channel):
            if reply.quiet:
                return ""
            if reply.private and turn is not None:
                return await self._send_in_private(channel, turn, reply, reply_to)
        return await self._post_all(channel, parts(reply), reply_to)

    async def edit(self, channel: str, message_id: str, reply: Reply) -> None:
        """Show the reply in place of the earlier one; progress when its turn comes, everything else now. Raises Undeliverable."""
        if isinstance(reply, LessonProgress):
            self._paced.put(channel, message_id, reply)
            return
        await self._paced.end(message_id)
        with _translating_refusals():
            try:
                await self._replace(channel, message_id, reply)
            except discord.NotFound:  # somebody deleted the message
                await self._post_all(channel, parts(reply), None)

    async def stream(self, channel: str, pieces: AsyncIterator[str | Answer], reply_to: str | None = None) -> str | None:
        """Show the answer as it grows. Raises Undeliverable."""
        with _translating_refusals():
            return await self._stream(channel, pieces, reply_to)

    async def _stream(self, channel: str, pieces: AsyncIterator[str | Answer], reply_to: str | None) -> str | None:
        turn = self._turns.of(reply_to)
        if isinstance(turn, InteractionTurn) and turn.speaks:
            return await grow(pieces, turn.post, every=self._pace.answer, pauses=self._pace.tries)
        reference = str(turn.card_id) if turn is not None and turn.card_id is not None else reply_to
        first = [reference]
        with ExitStack() as until_the_first_words:
            until_the_first_words.enter_context(self._signs.coming(channel))

            async def post(part: Part) -> Shown:
                until_the_first_words.close()
                return await self._post(channel, part, first.pop() if first else None)

            return await grow(pieces, post, every=self._pace.answer, pauses=self._pace.tries)

    async def hand_over(self, turn: Turn, inbound: Inbound) -> None:
        """Have the core follow an event to its end, once."""
        # The same thumb may be given and taken many times, and belongs to no turn: nothing is shown where it was given.
        event = secrets.token_hex(8) if isinstance(inbound, Reaction) else inbound.message_id
        if self._core is None or not self._turns.begins(event) or not await self._is_ours(turn, inbound):
            return
        try:
            await turn.begin()
        except (discord.HTTPException, Undeliverable) as error:  # too slow for the interaction: it is followed all the same
            log.warning("an interaction could not be acknowledged, error=%s", error)
            turn = Turn(turn.user_id, turn.card_id)
        try:
            with self._turns.taking(event, turn):
                await self._core.handle(inbound)
        except (discord.HTTPException, Undeliverable) as error:
            log.error("a reply could not be shown, error=%s", error)
        finally:
            if self._deliveries is not None and not isinstance(inbound, Reaction):
                await self._deliveries.done(event)
            with suppress(Undeliverable):
                await turn.end()

    async def _is_ours(self, turn: Turn, inbound: Inbound) -> bool:
        if self._deliveries is None or isinstance(turn, InteractionTurn):  # of which the client has asked `_is_first`
            return True
        if isinstance(inbound, Reaction):
            thumb = f"{inbound.message_id}:{inbound.external_user_id}:{inbound.kind}"
            return await self._deliveries.turned(thumb, "off" if inbound.removed else "on")
        return await self._deliveries.take(inbound.message_id)

    async def _is_first(self, interaction_id: int) -> bool:
        return self._deliveries is None or await self._deliveries.take(str(interaction_id))

    async def _choices(self, user_id: int, command: str, typed: str) -> Sequence[Choice]:
        return await self._core.choices(NAME, str(user_id), command, typed) if self._core else ()

    async def _answer_of(self, message_id: int) -> str | None:
        return await self._core.answer(NAME, str(message_id)) if self._core else None

    async def _log_in(self) -> None:
        async with self._logging_in:
            if self.client.is_logged_in:
                return
            try:
                await insist(lambda: self.client.login(self._token), self._pace.tries)
            except discord.LoginFailure as error:
                raise PlatformRefused(texts.DISCORD_LOGIN_REFUSED) from error

    async def _place(self, channel: str) -> discord.DMChannel | discord.PartialMessageable:
        await self._log_in()
        return await insist(lambda: places.find(self.client, channel), self._pace.tries)

    async def _replace(self, channel: str, message_id: str, reply: Reply) -> None:
        place = await self._place(channel)
        message = place.get_partial_message(int(message_id))
        first, *_ = wanted = parts(reply)
        shown = wanted[-1] if len(wanted) == 1 else Part(first.text, wanted[-1].actions, wanted[-1].owner)
        await insist(lambda: message.edit(**shown.to_edit()), self._pace.tries)

    async def _post_all(self, channel: str, wanted: Sequence[Part], reply_to: str | None) -> str:
        for part in wanted:
            shown = await self._post(channel, part, reply_to)
            reply_to = None
        return str(shown.id)

    async def _post(self, channel: str, part: Part, reply_to: str | None) -> Shown:
        place = await self._place(channel)
        nonce = secrets.randbits(63)  # with it Discord takes a message once, however often we try
        arguments: dict[str, Any] = {"nonce": nonce}
        if reply_to is not None and reply_to.isdecimal() and not places.is_private(channel):
            arguments["reference"] = discord.MessageReference(message_id=int(reply_to), channel_id=place.id, fail_if_not_exists=False)
        message = await insist(lambda: place.send(**{**part.to_send(), **arguments}), self._pace.tries)
        return Shown(message.id, message.edit)

    async def _send_in_private(self, channel: str, turn: Turn, reply: Notice, reply_to: str | None) -> str:
        try:
            shown = await self._post_all(places.of_person(turn.user_id), parts(reply), None)
        except discord.Forbidden:
            return await self._post_all(channel, [Part(texts.DIRECT_MESSAGES_CLOSED)], reply_to)
        await self._post_all(channel, [Part(texts.SAID_IN_PRIVATE)], reply_to)
        return shown

    async def _show_typing(self, channel: str) -> None:
        await (await self._place(channel)).typing()


@contextmanager
def _translating_refusals() -> Iterator[None]:
    """What Discord refuses for good (no permission any more, the channel is gone) is undeliverable for the core."""
    try:
        yield
    except discord.HTTPException as error:
        raise Undeliverable(f"{type(error).__name__}: {error}") from error


@contextmanager
def _going_on_without_network() -> Iterator[None]:
    try:
        yield
    except Undeliverable:
        log.error(texts.DISCORD_UNREACHABLE)
