"""Decides what one inbound event asks for, and has it done: each branch a line or two."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable

from bot import commands, export, texts
from bot.app import App
from bot.conversation import Conversation
from bot.errors import BotError, EarlierPending, EngineUnavailable
from bot.feedback import Opinions
from bot.following import Following
from bot.lessons import Teaching
from bot.messages import Inbound, InboundMessage, Notice, Reaction, Trouble
from bot.platforms.base import ChatPlatform
from storage.errors import StorageError
from storage.records import UserRecord
from storage.repositories.base import Clock, utc_now
from trainer.errors import TrainerError

log = logging.getLogger(__name__)

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def short_id() -> str:
    """Eight characters that find an error in the log."""
    return uuid.uuid4().hex[:8]


async def serve(app: App, platform: ChatPlatform) -> None:
    """Run the platform until it has no more events, following lessons and waiting answers meanwhile."""
    try:
        async with Following(app, platform) as following:
            await platform.run(Router(app, platform, following))
    finally:
        await app.engine.close()


class Router:
    """The core behind one platform."""

    def __init__(
        self, app: App, platform: ChatPlatform, following: Following,
        *, now: Clock = utc_now, new_id: Callable[[], str] = short_id,
    ) -> None:  # fmt: skip
        self._app = app
        self._platform = platform
        self._following = following
        self._conversation = Conversation(app)
        self._teaching = Teaching(app)
        self._opinions = Opinions(app)
        self._now = now
        self._new_id = new_id

    @property
    def busy(self) -> bool:
        """Whether a lesson is being learned or an answer owed."""
        return self._following.busy

    async def idle(self) -> None:
        """Wait until no lesson is being learned and no answer is owed."""
        await self._following.idle()

    async def handle(self, inbound: Inbound) -> None:
        """Do what the event asks for; what cannot be done is said, with an id that is also in the log."""
        try:
            user = await asyncio.to_thread(
                self._app.repositories.users.identify, inbound.platform, inbound.external_user_id, inbound.user_name
            )
            if isinstance(inbound, Reaction):
                await self._react(user, inbound)
            else:
                await self._follow(user, inbound, commands.parse(inbound.text))
        except (BotError, StorageError, TrainerError) as error:
            identifier = self._new_id()
            log.info("an event was refused, id=%s error=%s", identifier, type(error).__name__)
            await self._platform.send(inbound.channel, Trouble(error.user_message, identifier), inbound.message_id)
        except Exception:
            identifier = self._new_id()
            log.exception("an event failed, id=%s", identifier)
            await self._platform.send(inbound.channel, Trouble(texts.bug(identifier), identifier), inbound.message_id)

    async def _follow(self, user: UserRecord, message: InboundMessage, command: commands.Command) -> None:
        match command:
            case commands.Chat(text):
                await self._chat(user, message, text)
            case commands.Learn(text):
                await self._learn(user, message, text)
            case commands.React():
                await self._say(message, await asyncio.to_thread(self._opinions.react, user, message, command))
            case commands.Lessons():
                await self._say(message, await asyncio.to_thread(self._teaching.overview, user))
            case commands.Model():
                await self._say(message, await asyncio.to_thread(self._teaching.versions, user))
            case commands.Compare(question):
                await self._compare(user, message, question)
            case commands.Rollback(number):
                await self._say(message, await asyncio.to_thread(self._teaching.roll_back, user, number))
            case commands.Forget(number):
                await self._say(message, await asyncio.to_thread(self._teaching.forget, user, number))
            case commands.Cancel():
                await self._cancel(user, message)
            case commands.NewConversation():
                await asyncio.to_thread(
                    self._app.repositories.conversations.new, user.id, message.platform, message.channel
                )
                await self._say(message, texts.NEW_CONVERSATION)
            case commands.Export(directory):
                await self._export(user, message, directory)
            case commands.DeleteMe(confirmed):
                await self._delete(user, message, confirmed)
            case commands.Agree():
                await asyncio.to_thread(self._teaching.agree, user)
                await self._say(message, texts.AGREED)
            case commands.AttachFile():
                await self._say(message, texts.ATTACH_ELSEWHERE)
            case commands.Help():
                await self._say(message, texts.HELP)
            case commands.Malformed(reason):
                raise BotError(reason)

    async def _chat(self, user: UserRecord, message: InboundMessage, text: str) -> None:
        question = _CONTROL.sub("", text).strip()
        if message.attachments:
            raise BotError(texts.ATTACH_WITH_LEARN)
        if not question:
            raise BotError(texts.NOTHING_SAID)
        exchange = await self._conversation.receive(user, message, question)
        if exchange is None:
            return
        pieces = self._conversation.answer(exchange)
        try:
            shown = await self._platform.stream(message.channel, pieces, message.message_id)
        except (EngineUnavailable, EarlierPending) as error:
            self._following.exchange(exchange.id, message.channel)
            behind = isinstance(error, EarlierPending)
            await self._say(message, texts.WAITING_BEHIND if behind else texts.WAITING)
            return
        if shown is not None:
            await asyncio.to_thread(self._app.repositories.exchanges.set_reply_message, exchange.id, shown)

    async def _learn(self, user: UserRecord, message: InboundMessage, text: str) -> None:
        lesson, is_new = await asyncio.to_thread(self._teaching.submit, user, message, text)
        try:
            if is_new:
                await self._following.lesson(lesson)
        finally:  # followed first, or its first events would be missed; but learned even where it cannot be shown
            await asyncio.to_thread(self._teaching.begin, lesson)

    async def _compare(self, user: UserRecord, message: InboundMessage, question: str) -> None:
        try:
            await self._say(message, texts.comparison(await self._conversation.compare(user, question)))
        except EngineUnavailable as error:
            raise EngineUnavailable(texts.COMPARE_LATER, error.detail) from error

    async def _cancel(self, user: UserRecord, message: InboundMessage) -> None:
        stopped = await asyncio.to_thread(self._teaching.cancel, user)
        await self._say(
            message, texts.cancelled([each.number for each in stopped]) if stopped else texts.NOTHING_TO_CANCEL
        )
        await self._following.look()

    async def _export(self, user: UserRecord, message: InboundMessage, directory: str | None) -> None:
        if not message.operator:
            raise BotError(texts.EXPORT_OPERATOR_ONLY)
        folder = await asyncio.to_thread(export.export, self._app, user, directory, self._now())
        await self._say(message, texts.exported(str(folder)))

    async def _delete(self, user: UserRecord, message: InboundMessage, confirmed: bool) -> None:
        if not confirmed:
            await self._say(message, texts.DELETE_ASK)
            return
        await export.delete(self._app, user)
        await self._following.look()
        await self._say(message, texts.deleted(user.name))

    async def _react(self, user: UserRecord, reaction: Reaction) -> None:
        sentence = await asyncio.to_thread(self._opinions.react_to_message, user, reaction)
        if sentence is not None:
            await self._platform.send(reaction.channel, Notice(sentence), reaction.message_id)

    async def _say(self, message: InboundMessage, text: str) -> None:
        await self._platform.send(message.channel, Notice(text), message.message_id)
