"""Answers that could not be given at once: each is shown where its question came from, once, by whichever bot process can."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from bot import texts
from bot.app import App
from bot.conversation import holding
from bot.messages import Answer, Notice
from bot.platforms.base import ChatPlatform
from storage.errors import DatabaseUnavailableError, UnknownExchangeError
from storage.records import ExchangeRecord
from storage.repositories.base import utc_now

log = logging.getLogger(__name__)

K = TypeVar("K")
GRACE_SECONDS = 3.0  # how long an answer that nobody here waits for is left to whoever does
OWED_FOR = timedelta(days=1)  # so long after a message its answer is still worth showing
TRIES = 3  # of a process, at showing what the platform refuses


class Owing:
    """Of one platform. `changed` is called whenever `busy` may have changed."""

    def __init__(self, app: App, platform: ChatPlatform, changed: Callable[[], None]) -> None:
        self._app = app
        self._exchanges = app.repositories.exchanges
        self._platform = platform
        self._changed = changed
        self._awaited: dict[int, str] = {}  # where each waiting message came from
        self._unshown: dict[int, float] = {}  # answers that nobody here waits for, and when to look whether anybody shows them
        self._orphans: set[int] = set()  # answers that nobody had shown when we last looked
        self._showing: Counter[int] = Counter()
        self._tried: Counter[int] = Counter()
        self._unnoted: dict[int, str] = {}  # answers that are shown, and in which message, which the database could not be told yet

    @property
    def busy(self) -> bool:
        """Whether an answer is owed or being shown."""
        return bool(self._awaited or self._unshown or self._showing)

    def wait_for(self, exchange_id: int, channel: str) -> None:
        """Show the answer when there is one."""
        self._awaited[exchange_id] = channel
        self._changed()

    async def shows(self, exchange_id: int, message_id: str) -> None:
        """Note which message shows the answer; where the database takes no notes at the moment, remember it until it does."""
        if not await self._noted(exchange_id, message_id):
            self._unnoted[exchange_id] = message_id

    async def resume(self) -> None:
        """Take up what waited when the bot stopped, and what was answered and not shown."""
        for exchange in await asyncio.to_thread(self._exchanges.pending):
            if self._is_mine(exchange):
                await asyncio.to_thread(self._app.queue.enqueue_answer, exchange.id)
                self.wait_for(exchange.id, exchange.channel)
        for exchange in await self._nobodys():
            self._owe(exchange)

    async def adopt(self) -> None:
        """Take over answers that no process has shown since the last look."""
        found = {each.id: each for each in await self._nobodys() if each.id not in self._unshown and self._tried[each.id] < TRIES}
        for exchange_id in self._orphans & found.keys():
            self._owe(found[exchange_id])
        self._orphans = set(found)

    async def _nobodys(self) -> tuple[ExchangeRecord, ...]:
        """Answers that no message is known to show, or not yet."""
        unshown = await asyncio.to_thread(self._exchanges.unshown, self._platform.name, utc_now() - OWED_FOR)
        return tuple(each for each in unshown if each.id not in self._unnoted)

    async def heard(self, exchange_id: int) -> None:
        """The message has been answered, or failed."""
        if exchange_id in self._awaited:
            await self._end(exchange_id)
            return
        exchange = await asyncio.to_thread(self._exchanges.get, exchange_id)  # perhaps of a bot that died, or could not note that it waits
        if exchange is not None:
            self._owe(exchange)

    async def look(self) -> None:
        """Show what has its answer, and what nobody else has shown in time."""
        await self._note_remembered()
        waiting = await asyncio.to_thread(self._exchanges.pending_of, list(self._awaited)) if self._awaited else set()
        for exchange_id in self._awaited.keys() - waiting:
            await self._end(exchange_id)
        now = asyncio.get_running_loop().time()
        for exchange_id in [each for each, due in self._unshown.items() if due <= now]:
            with in_hand(self._showing, exchange_id, self._changed):
                self._unshown.pop(exchange_id, None)
                self._tried[exchange_id] += 1
                exchange = await asyncio.to_thread(self._exchanges.get, exchange_id)
                if exchange is not None and self._is_unshown(exchange) and self._showing[exchange_id] == 1:
                    await self._show_alone(exchange, exchange.channel)

    async def _end(self, exchange_id: int) -> None:
        exchange = await asyncio.to_thread(self._exchanges.get, exchange_id)
        if exchange is not None and exchange.state == "pending":
            return
        channel = self._awaited.pop(exchange_id, None)  # after the last await: nobody else can be showing it
        if channel is not None and exchange is not None:
            with in_hand(self._showing, exchange_id, self._changed):
                await self._show_alone(exchange, channel)
        self._changed()

    def _owe(self, exchange: ExchangeRecord) -> None:
        """See in a moment whether somebody shows the answer, and show it where nobody does."""
        if self._is_mine(exchange) and exchange.state == "answered" and self._is_unshown(exchange) and exchange.id not in self._showing:
            self._unshown[exchange.id] = asyncio.get_running_loop().time() + GRACE_SECONDS
            self._changed()

    async def _show_alone(self, exchange: ExchangeRecord, channel: str) -> None:
        """Show the answer, unless another bot does, or did meanwhile."""
        async with holding(self._app.queue.answering(exchange.id)) as ours:
            if ours:
                now = await asyncio.to_thread(self._exchanges.get, exchange.id)
                if now is not None and self._is_unshown(now):
                    await self._show(now, channel)
                    self._tried.pop(exchange.id, None)
            else:
                self._tried.pop(exchange.id, None)
                self._unshown[exchange.id] = asyncio.get_running_loop().time() + GRACE_SECONDS

    async def _show(self, exchange: ExchangeRecord, channel: str) -> None:
        if exchange.state == "failed":
            await self._platform.send(channel, Notice(texts.GAVE_UP), exchange.inbound_message_id)
            return
        shown = Answer(exchange.answer or "", exchange.version, exchange.seconds or 0.0, exchange.user_id)
        message_id = await self._platform.send(channel, shown, exchange.inbound_message_id)
        await self.shows(exchange.id, message_id)

    async def _note_remembered(self) -> None:
        for exchange_id in list(self._unnoted):
            message_id = self._unnoted.get(exchange_id)  # None: somebody else has noted it meanwhile
            if message_id is not None and not await self._noted(exchange_id, message_id):
                return
            self._unnoted.pop(exchange_id, None)

    async def _noted(self, exchange_id: int, message_id: str) -> bool:
        try:
            await asyncio.to_thread(self._exchanges.set_reply_message, exchange_id, message_id)
        except DatabaseUnavailableError as error:
            log.warning("which message shows an answer cannot be noted yet, exchange=%d error=%s", exchange_id, error)
            return False
        except UnknownExchangeError:  # its user deleted everything
            pass
        return True

    def _is_unshown(self, exchange: ExchangeRecord) -> bool:
        return exchange.reply_message_id is None and exchange.id not in self._unnoted

    def _is_mine(self, exchange: ExchangeRecord) -> bool:
        return exchange.platform == self._platform.name and self._platform.serves(exchange.channel)


@contextmanager
def in_hand(counts: Counter[K], key: K, changed: Callable[[], None]) -> Iterator[None]:
    """Inside, something of `key` is being shown, and counted: whoever waits until nothing is owed waits for that, too."""
    counts[key] += 1
    changed()
    try:
        yield
    finally:
        counts[key] -= 1
        if not counts[key]:
            del counts[key]
        changed()
