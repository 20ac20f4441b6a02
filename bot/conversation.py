"""Answers messages: history and bridge into the prompt, the answer streamed, each exchange recorded once and in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from weakref import WeakValueDictionary

from redis.exceptions import RedisError

from bot import texts
from bot.app import App
from bot.errors import EarlierPending, EngineUnavailable, NothingThere, PromptTooLong
from bot.messages import Answer, InboundMessage
from storage.records import ExchangeRecord, UserRecord
from trainer import prompts
from trainer.prompts import Messages

log = logging.getLogger(__name__)


class Conversation:
    """Everybody's conversations with their models. `clock` gives seconds."""

    def __init__(self, app: App, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._repositories = app.repositories
        self._clock = clock
        self._in_turn: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def receive(self, user: UserRecord, message: InboundMessage, question: str) -> ExchangeRecord | None:
        """Note the message's question in the current conversation; None where it was delivered before."""
        exchange, is_new = await asyncio.to_thread(self._receive, user, message, question)
        return exchange if is_new else None

    async def answer(self, exchange: ExchangeRecord) -> AsyncIterator[str | Answer]:
        """Like `stream`, in turn with other messages of the conversation; a message that has to wait is put on the queue."""
        async with self._in_turn.setdefault(exchange.conversation_id, asyncio.Lock()):
            try:
                async for piece in self.stream(exchange):
                    yield piece
            except (EngineUnavailable, EarlierPending) as error:
                log.info("a message has to wait, exchange=%d reason=%s", exchange.id, error)
                await asyncio.to_thread(self._app.queue.enqueue_answer, exchange.id)
                raise

    async def stream(self, exchange: ExchangeRecord) -> AsyncIterator[str | Answer]:
        """Text as it is written, then the Answer, recorded. Nothing for an exchange that is not pending.

        Raises EarlierPending, EngineUnavailable (the exchange stays pending) or EngineRefused (it has failed).
        """
        lease = self._app.queue.answering(exchange.id)
        try:
            if not await asyncio.to_thread(_taken, lease):
                raise EngineUnavailable(texts.ENGINE_AWAY, f"exchange {exchange.id} is in other hands")
            async for piece in self._stream(exchange):
                yield piece
        finally:
            await asyncio.to_thread(lease.__exit__, None, None, None)

    async def _stream(self, exchange: ExchangeRecord) -> AsyncIterator[str | Answer]:
        current = await asyncio.to_thread(self._repositories.exchanges.get, exchange.id)
        if current is None or current.state != "pending":
            return
        if await asyncio.to_thread(self._earlier_pending, exchange):
            raise EarlierPending(texts.WAITING_BEHIND, f"exchange {exchange.id}")
        began, written = self._clock(), ""
        version, asks = await asyncio.to_thread(self._prompts, exchange)
        try:
            async for piece in self._first_that_fits(asks, version):
                written += piece
                yield piece
        except EngineUnavailable:
            raise
        except Exception:  # asking again would end the same way, and hold up the messages behind it
            await asyncio.to_thread(self._repositories.exchanges.fail, exchange.id)
            raise
        answer = Answer(written, version, round(self._clock() - began, 3))
        if await asyncio.to_thread(self._repositories.exchanges.answer, exchange.id, written, version, answer.seconds):
            yield answer

    async def compare(self, user: UserRecord, question: str) -> list[tuple[str | None, str]]:
        """What the base model, the version before the live one and the live version say to a question, out of any conversation.

        Raises EngineUnavailable or EngineRefused.
        """
        live = await asyncio.to_thread(self._repositories.adapters.live, user.id)
        before = (
            await asyncio.to_thread(self._repositories.adapters.by_name, live.parent) if live and live.parent else None
        )
        versions = [None, *(each.name for each in (before, live) if each)]
        ask = self._messages([], question, None)
        return [(version, await self._whole(ask, version)) for version in versions]

    async def _whole(self, messages: Messages, version: str | None) -> str:
        return "".join([piece async for piece in self._app.engine.pieces(messages, version)])

    async def _first_that_fits(self, asks: Iterator[Messages], version: str | None) -> AsyncIterator[str]:
        for messages in asks:
            try:
                async for piece in self._app.engine.pieces(messages, version):
                    yield piece
                return
            except PromptTooLong:  # said before the first piece
                continue
        raise PromptTooLong(texts.PROMPT_TOO_LONG)

    def _receive(self, user: UserRecord, message: InboundMessage, question: str) -> tuple[ExchangeRecord, bool]:
        here = self._repositories.conversations.current(user.id, message.platform, message.channel)
        return self._repositories.exchanges.receive(user.id, here.id, message.platform, message.message_id, question)

    def _earlier_pending(self, exchange: ExchangeRecord) -> bool:
        same = (
            each for each in self._repositories.exchanges.pending() if each.conversation_id == exchange.conversation_id
        )
        return any(each.id < exchange.id for each in same)

    def _prompts(self, exchange: ExchangeRecord) -> tuple[str | None, Iterator[Messages]]:
        """The user's live version and what to ask it: everything first, then less, in case it does not fit."""
        user = self._repositories.users.get(exchange.user_id)
        if user is None:
            raise NothingThere(texts.GAVE_UP, f"user {exchange.user_id} is gone")
        earlier = self._repositories.exchanges.history(exchange.conversation_id, self._app.settings.chat.history)
        history = [turn for each in earlier for turn in _turns(each)]
        taught = "\n".join(self._repositories.lessons.active_texts(exchange.user_id)) or None
        choices = {(len(history), taught), (0, taught), (len(history), None), (0, None)}
        ordered = sorted(choices, key=lambda choice: (choice[1] is None, -choice[0]))
        return user.live_version, (self._messages(history[:kept], exchange.question, text) for kept, text in ordered)

    def _messages(self, history: Messages, question: str, taught: str | None) -> Messages:
        return prompts.chat(history, question, taught, self._app.settings.chat.system_prompt)


def _taken(lease: AbstractContextManager[bool]) -> bool:
    """Whether the message is ours to answer. Without Redis it is: the row still sees to it that one answer is kept."""
    try:
        return lease.__enter__()
    except RedisError as error:
        log.warning("answering without a lease, error=%s", error)
        return True


def _turns(exchange: ExchangeRecord) -> Messages:
    return [{"role": "user", "content": exchange.question}, {"role": "assistant", "content": exchange.answer or ""}]
