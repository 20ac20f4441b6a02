"""RQ entry point of the bot: a message that had to wait is answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bot.app import App
from bot.conversation import Conversation
from bot.errors import EarlierPending, EngineRefused, EngineUnavailable
from bot.messages import Answer
from storage.errors import DatabaseUnavailableError
from storage.records import ExchangeRecord
from trainer.contracts import Answered, Event

log = logging.getLogger(__name__)

_configured: Callable[[int], None] | None = None


def configure(answer_pending: Callable[[int], None]) -> None:
    """Say what answers a waiting message in this process: `Answering(…).answer_pending`."""
    global _configured
    _configured = answer_pending


def answer(exchange_id: int) -> None:
    """Answer a waiting message. Raising has RQ try again later."""
    if _configured is None:
        raise RuntimeError("bot.jobs.configure was not called in this process")
    _configured(exchange_id)


class Answering:
    """Answers messages that wait in the database, each once and in the order of its conversation."""

    def __init__(self, app: App, publish: Callable[[Event], None]) -> None:
        self._app = app
        self._conversation = Conversation(app)
        self._publish = publish

    def answer_pending(self, exchange_id: int) -> None:
        """Answer the message and publish Answered; nothing to do where it is answered, failed, gone or in other hands.

        Raises EarlierPending, EngineUnavailable or DatabaseUnavailableError: call again later. Anything else fails the message, so
        that it does not hold up those behind it.
        """
        exchange = self._app.repositories.exchanges.get(exchange_id)
        if exchange is None or exchange.state != "pending":
            return
        try:
            ended = asyncio.run(self._answered(exchange))
        except (EarlierPending, EngineUnavailable, DatabaseUnavailableError):
            raise
        except Exception as error:
            expected = isinstance(error, EngineRefused)
            log.warning("a waiting message failed, exchange=%d reason=%s", exchange_id, error, exc_info=not expected)
            self._app.repositories.exchanges.fail(exchange_id)
            ended = True
        if ended:
            self._publish(Answered(exchange_id, exchange.user_id))

    async def _answered(self, exchange: ExchangeRecord) -> bool:
        try:
            async with self._conversation.in_hand(exchange):
                return any([isinstance(piece, Answer) async for piece in self._conversation.stream(exchange)])
        finally:
            await self._app.engine.close()  # its connections belong to this event loop
