"""Answers messages: history and bridge into the prompt, the answer streamed, each exchange recorded once and in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, contextmanager
from typing import Literal
from weakref import WeakValueDictionary

from redis.exceptions import RedisError

from bot import texts
from bot.app import App
from bot.calling import Calling
from bot.errors import EarlierPending, EngineError, EngineUnavailable, NothingThere, PromptTooLong, Stopped
from bot.messages import Answer, InboundMessage
from storage.records import ExchangeRecord, UserRecord
from trainer import prompts
from trainer.prompts import Messages

log = logging.getLogger(__name__)

Show = Callable[[AsyncIterator[str | Answer]], Awaitable[None]]
"""Shows an answer as it grows, and notes which message it is in."""

AGAIN_TEMPERATURE = 0.8  # an answer that is asked for again should be another one


class Conversation:
    """Everybody's conversations with their models. `clock` gives seconds."""

    def __init__(self, app: App, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._repositories = app.repositories
        self._clock = clock
        self._calling = Calling(app)
        self._in_turn: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._stops: dict[int, tuple[ExchangeRecord, asyncio.Event]] = {}  # of the answers that are being written

    async def receive(self, user: UserRecord, message: InboundMessage, question: str) -> ExchangeRecord | None:
        """Note the message's question in the current conversation; None where it was delivered before."""
        exchange, is_new = await asyncio.to_thread(self._receive, user, message, question)
        return exchange if is_new else None

    async def receive_again(self, user: UserRecord, message: InboundMessage) -> ExchangeRecord | None:
        """Note once more the question whose answer the message replies to, or the last one; None where it was delivered before.

        Raises NothingThere.
        """
        exchange, is_new = await asyncio.to_thread(self._receive_again, user, message)
        return exchange if is_new else None

    async def answer(self, exchange: ExchangeRecord, show: Show, *, quoted: str | None = None, again: bool = False) -> None:
        """Have `show` show what `stream` gives, in turn with other messages of the conversation.

        A message that has to wait is put on the queue. Raises like `stream`.
        """
        with self._stoppable(exchange) as stop:
            async with self._in_turn.setdefault(exchange.conversation_id, asyncio.Lock()):
                try:
                    async with self.in_hand(exchange):  # until it is noted, or another process would show it, too
                        await show(self.stream(exchange, quoted=quoted, again=again, stop=stop))
                except (EngineUnavailable, EarlierPending) as error:
                    log.info("a message has to wait, exchange=%d reason=%s", exchange.id, error)
                    await asyncio.to_thread(self._app.queue.enqueue_answer, exchange.id)
                    raise

    @asynccontextmanager
    async def in_hand(self, exchange: ExchangeRecord) -> AsyncIterator[None]:
        """Inside, no other process answers the message or shows its answer. Raises EngineUnavailable where one does."""
        async with holding(self._app.queue.answering(exchange.id)) as ours:
            if not ours:
                raise EngineUnavailable(texts.ENGINE_AWAY, f"exchange {exchange.id} is in other hands")
            yield

    def goes_on(self, user_id: int, message: InboundMessage) -> bool:
        """Whether the message replies to an answer that the user was given."""
        return self._replied_to(user_id, message) is not None

    async def waits(self, exchange: ExchangeRecord) -> bool:
        """Whether the message still waits for its answer."""
        now = await asyncio.to_thread(self._repositories.exchanges.get, exchange.id)
        return now is not None and now.state == "pending"

    def stop(self, user: UserRecord, message: InboundMessage) -> bool:
        """End the user's answers that are being written in the channel; what is there of them is the answer. False: there are none."""
        theirs = [
            stop
            for exchange, stop in self._stops.values()
            if (exchange.user_id, exchange.platform, exchange.channel) == (user.id, message.platform, message.channel)
        ]
        for stop in theirs:
            stop.set()
        return bool(theirs)

    async def stream(
        self,
        exchange: ExchangeRecord,
        *,
        quoted: str | None = None,
        again: bool = False,
        stop: asyncio.Event | None = None,
    ) -> AsyncIterator[str | Answer]:
        """Text as it is written, then the Answer, recorded; for an exchange that is in hand. Nothing for one that is not pending.

        `quoted`: what the question is about; it is shown to the model and not kept. `again`: another answer than before.
        `stop`: set, it ends the answer. Raises EarlierPending, EngineUnavailable (the exchange stays pending), EngineRefused or
        Stopped (it has failed).
        """
        stop = stop or asyncio.Event()
        current = await asyncio.to_thread(self._repositories.exchanges.get, exchange.id)
        if current is None or current.state != "pending":
            return
        if await asyncio.to_thread(self._repositories.exchanges.is_behind, exchange):
            raise EarlierPending(texts.WAITING_BEHIND, f"exchange {exchange.id}")
        began, written = self._clock(), ""
        version, asks = await asyncio.to_thread(self._prompts, exchange, quoted)
        temperature = AGAIN_TEMPERATURE if again else 0.0
        try:
            pieces = _until(stop, self._first_that_fits(asks, version, temperature))
            async for piece in self._calling.told(pieces, exchange.question, version):
                written += piece
                yield piece
            if not written and stop.is_set():
                raise Stopped(texts.STOPPED)
        except EngineUnavailable:
            raise
        except Exception:  # asking again would end the same way, and hold up the messages behind it
            await asyncio.to_thread(self._repositories.exchanges.fail, exchange.id)
            raise
        answer = Answer(written, version, round(self._clock() - began, 3), exchange.user_id)
        if await asyncio.to_thread(self._repositories.exchanges.answer, exchange.id, written, version, answer.seconds):
            yield answer

    async def compare(self, user: UserRecord, question: str, numbers: Sequence[int] = ()) -> list[tuple[str | None, str]]:
        """What versions say to a question, out of any conversation: those of these numbers (0 is the base model), or else the base model,
        the version before the live one and the live version.

        Raises NothingThere, EngineUnavailable or EngineRefused.
        """
        versions = await asyncio.to_thread(self._versions, user, numbers)
        ask = self._messages([], question, None)
        try:
            return [(version, await self._whole(ask, version)) for version in versions]
        except EngineUnavailable as error:
            raise EngineUnavailable(texts.COMPARE_LATER, error.detail) from error

    async def source_of(self, text: str) -> Literal["instruction", "web"] | None:
        """Whether the base model takes a lesson for something to remember or to search the web for; None where it cannot say."""
        try:
            reply = (await self._whole(prompts.which_source(text), None)).strip(" .!\"'").lower()
        except EngineError:
            return None
        return "web" if reply == "search" else "instruction" if reply == "remember" else None

    async def _whole(self, messages: Messages, version: str | None) -> str:
        return "".join([piece async for piece in self._app.engine.pieces(messages, version)])

    async def _first_that_fits(self, asks: Iterator[Messages], version: str | None, temperature: float) -> AsyncGenerator[str, None]:
        for messages in asks:
            try:
                async with aclosing(self._app.engine.pieces(messages, version, temperature)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except PromptTooLong:  # said before the first piece
                continue
        raise PromptTooLong(texts.PROMPT_TOO_LONG)

    def _versions(self, user: UserRecord, numbers: Sequence[int]) -> list[str | None]:
        adapters = self._repositories.adapters
        if not numbers:
            live = adapters.live(user.id)
            before = adapters.by_name(live.parent) if live and live.parent else None
            return [None, *(each.name for each in (before, live) if each and not each.removed_at)]
        known: dict[int, str | None] = {each.number: each.name for each in adapters.of_user(user.id) if each.published_at and not each.removed_at}
        for number in numbers:
            if number not in {0, *known}:
                raise NothingThere(texts.no_such_version(number))
        return [known.get(number) for number in dict.fromkeys(numbers)]

    def _receive(self, user: UserRecord, message: InboundMessage, question: str) -> tuple[ExchangeRecord, bool]:
        here = self._conversation_of(user, message)
        return self._repositories.exchanges.receive(user.id, here, message.platform, message.message_id, question)

    def _receive_again(self, user: UserRecord, message: InboundMessage) -> tuple[ExchangeRecord, bool]:
        exchanges = self._repositories.exchanges
        asked = self._replied_to(user.id, message)
        asked = asked or exchanges.last_answered(user.id, message.platform, message.channel)
        if asked is None:
            raise NothingThere(texts.NO_ANSWER_YET)
        return exchanges.receive(user.id, asked.conversation_id, message.platform, message.message_id, asked.question)

    def _conversation_of(self, user: UserRecord, message: InboundMessage) -> int:
        """The conversation of the user's answer that the message replies to; else the current one, or a new one where it opens one."""
        answered = self._replied_to(user.id, message)
        if answered is not None:
            return answered.conversation_id
        conversations = self._repositories.conversations
        opened = conversations.new if message.opens else conversations.current
        return opened(user.id, message.platform, message.channel).id

    def _replied_to(self, user_id: int, message: InboundMessage) -> ExchangeRecord | None:
        if message.reply_to is None:
            return None
        answered = self._repositories.exchanges.by_reply(message.platform, message.reply_to)
        return answered if answered is not None and answered.user_id == user_id else None

    @contextmanager
    def _stoppable(self, exchange: ExchangeRecord) -> Iterator[asyncio.Event]:
        _, stop = self._stops[exchange.id] = exchange, asyncio.Event()
        try:
            yield stop
        finally:
            del self._stops[exchange.id]

    def _prompts(self, exchange: ExchangeRecord, quoted: str | None) -> tuple[str | None, Iterator[Messages]]:
        """The user's live version and what to ask it: everything first, then less, in case it does not fit."""
        user = self._repositories.users.get(exchange.user_id)
        if user is None:
            raise NothingThere(texts.GAVE_UP, f"user {exchange.user_id} is gone")
        earlier = self._repositories.exchanges.history(exchange.conversation_id, self._app.settings.chat.history)
        if earlier and earlier[-1].question == exchange.question:  # asked again: from the answer of before it would only copy
            earlier = earlier[:-1]
        history = [turn for each in earlier for turn in _turns(each)]
        question = prompts.about_quote(quoted, exchange.question) if quoted else exchange.question
        taught = "\n".join(self._repositories.lessons.active_texts(exchange.user_id)) or None
        choices = {(len(history), taught), (0, taught), (len(history), None), (0, None)}
        ordered = sorted(choices, key=lambda choice: (choice[1] is None, -choice[0]))
        return user.live_version, (self._messages(history[:kept], question, text) for kept, text in ordered)

    def _messages(self, history: Messages, question: str, taught: str | None) -> Messages:
        return prompts.chat(history, question, taught, self._app.settings.chat.system_prompt)


async def _until(stop: asyncio.Event, pieces: AsyncGenerator[str, None]) -> AsyncIterator[str]:
    """The pieces until there are no more or the event is set: also while the next one is long in coming."""
    halted = asyncio.ensure_future(stop.wait())
    try:
        async with aclosing(pieces):
            while not stop.is_set():
                upcoming = asyncio.ensure_future(anext(pieces))
                try:
                    await asyncio.wait({upcoming, halted}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not upcoming.done():
                        upcoming.cancel()
                        await asyncio.wait({upcoming})
                try:
                    piece = upcoming.result()
                except (StopAsyncIteration, asyncio.CancelledError):
                    return
                yield piece
    finally:
        halted.cancel()


@asynccontextmanager
async def holding(lease: AbstractContextManager[bool]) -> AsyncIterator[bool]:
    """The lease on a message, for a task: inside, whether the message is ours.

    It is given back also where the task is cancelled once more on its way out, as at the end of a process, or it would be held for as long
    as the process lives.
    """
    try:
        yield await asyncio.to_thread(_taken, lease)
    finally:
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, lease.__exit__, None, None, None))


def _taken(lease: AbstractContextManager[bool]) -> bool:
    """Whether the message is ours to answer. Without Redis it is: the row still sees to it that one answer is kept."""
    try:
        return lease.__enter__()
    except RedisError as error:
        log.warning("answering without a lease, error=%s", error)
        return True


def _turns(exchange: ExchangeRecord) -> Messages:
    return [{"role": "user", "content": exchange.question}, {"role": "assistant", "content": exchange.answer or ""}]
