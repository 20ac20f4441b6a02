"""Exchanges: every message that came in, and its one answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from storage.errors import UnknownExchangeError
from storage.models import Conversation, Exchange, Feedback, Lesson
from storage.records import UNFINISHED, ExchangeRecord
from storage.repositories.base import Repository, copied, lock_user

AT_ONCE = 1000  # ids in one statement


class Exchanges(Repository):
    """Questions and answers. A message is noted before it is answered: none is lost and none answered twice."""

    def receive(self, user_id: int, conversation_id: int, platform: str, inbound_message_id: str, question: str) -> tuple[ExchangeRecord, bool]:
        """Note a message as pending; True if it is new, else False with the exchange that it made when first delivered.

        `inbound_message_id` must be unique on the platform (on Slack, channel and timestamp). Raises UnknownUserError.
        """
        with self._database.session() as session:
            lock_user(session, user_id)
            delivered = (Exchange.platform == platform, Exchange.inbound_message_id == inbound_message_id)
            existing = session.scalar(select(Exchange).where(*delivered))
            if existing is not None:
                return record(existing), False
            exchange = Exchange(
                user_id=user_id,
                conversation_id=conversation_id,
                platform=platform,
                inbound_message_id=inbound_message_id,
                question=question,
                created_at=self._now(),
            )
            session.add(exchange)
            session.flush()
            return record(exchange), True

    def answer(self, exchange_id: int, text: str, version: str | None, seconds: float, reply_message_id: str | None = None) -> bool:
        """Keep the answer and the version that gave it (None: the base model).

        False, and nothing changes, if it was answered already. Raises UnknownExchangeError.
        """
        with self._database.session() as session:
            exchange = _lock(session, exchange_id)
            if exchange.state == "answered":
                return False
            exchange.state = "answered"
            exchange.answer = text
            exchange.version = version
            exchange.seconds = seconds
            exchange.reply_message_id = reply_message_id or exchange.reply_message_id
            return True

    def fail(self, exchange_id: int) -> bool:
        """Give up on a pending message; False if it was not pending. Raises UnknownExchangeError."""
        with self._database.session() as session:
            exchange = _lock(session, exchange_id)
            if exchange.state != "pending":
                return False
            exchange.state = "failed"
            return True

    def set_reply_message(self, exchange_id: int, message_id: str) -> None:
        """Remember which message shows the answer, for reactions to find it. Raises UnknownExchangeError."""
        with self._database.session() as session:
            _lock(session, exchange_id).reply_message_id = message_id

    def get(self, exchange_id: int) -> ExchangeRecord | None:
        """The exchange, or None."""
        return self._newest(Exchange.id == exchange_id)

    def by_reply(self, platform: str, reply_message_id: str) -> ExchangeRecord | None:
        """The exchange whose answer is shown in that message, or None."""
        return self._newest(Exchange.platform == platform, Exchange.reply_message_id == reply_message_id)

    def last_answered(self, user_id: int, platform: str, channel: str) -> ExchangeRecord | None:
        """The user's newest answered exchange in the channel, in whichever conversation, or None."""
        here = (Exchange.platform == platform, Exchange.conversation.has(Conversation.channel == channel))
        return self._newest(Exchange.user_id == user_id, Exchange.state == "answered", *here)

    def history(self, conversation_id: int, limit: int) -> tuple[ExchangeRecord, ...]:
        """The last `limit` answered exchanges of a conversation, oldest first."""
        answered = (Exchange.conversation_id == conversation_id, Exchange.state == "answered")
        with self._database.reading() as session:
            query = select(Exchange).where(*answered).order_by(Exchange.id.desc()).limit(limit)
            return tuple(map(record, session.scalars(query)))[::-1]

    def count(self, user_id: int, since: datetime) -> int:
        """How many messages the user has sent since then."""
        sent = (Exchange.user_id == user_id, Exchange.created_at >= since)
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(Exchange).where(*sent)) or 0

    def expire(self, before: datetime) -> int:
        """Delete what was asked before then, with its answer and what was thought of it; how many were deleted.

        What waits for an answer stays, and so does what is learned from: answers with a standing thumb up, and those that are being
        corrected.
        """
        liked = (Feedback.kind == "up", Feedback.withdrawn_at.is_(None))
        waits = Feedback.lesson_id.in_(select(Lesson.id).where(Lesson.state.in_(UNFINISHED)))
        needed = select(Feedback.exchange_id).where(or_(and_(*liked), waits))
        old = (Exchange.created_at < before, Exchange.state != "pending", Exchange.id.not_in(needed))
        with self._database.session() as session:
            gone = session.scalars(delete(Exchange).where(*old).returning(Exchange.id)).all()
        if gone:
            self._database.scrub()
        return len(gone)

    def pending(self) -> tuple[ExchangeRecord, ...]:
        """All messages that wait for an answer, oldest first."""
        return self._all(Exchange.state == "pending")

    def count_pending(self) -> int:
        """How many messages wait for an answer."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(Exchange).where(Exchange.state == "pending")) or 0

    def pending_of(self, exchange_ids: Sequence[int]) -> set[int]:
        """Those of the messages that wait for an answer."""
        found: set[int] = set()
        with self._database.reading() as session:
            for start in range(0, len(exchange_ids), AT_ONCE):
                some = Exchange.id.in_(exchange_ids[start : start + AT_ONCE])
                found.update(session.scalars(select(Exchange.id).where(some, Exchange.state == "pending")))
        return found

    def is_behind(self, exchange: ExchangeRecord) -> bool:
        """Whether an earlier message of the same conversation waits for its answer."""
        earlier = (Exchange.conversation_id == exchange.conversation_id, Exchange.id < exchange.id, Exchange.state == "pending")
        with self._database.reading() as session:
            return session.scalar(select(Exchange.id).where(*earlier).limit(1)) is not None

    def unshown(self, platform: str, since: datetime) -> tuple[ExchangeRecord, ...]:
        """Answers to messages of since then of which no message is known to show them, oldest first."""
        unshown = (Exchange.state == "answered", Exchange.reply_message_id.is_(None))
        return self._all(Exchange.platform == platform, *unshown, Exchange.created_at >= since)

    def of_user(self, user_id: int) -> tuple[ExchangeRecord, ...]:
        """All exchanges of a user, oldest first."""
        return self._all(Exchange.user_id == user_id)

    def _newest(self, *conditions: ColumnElement[bool]) -> ExchangeRecord | None:
        with self._database.reading() as session:
            exchange = session.scalar(select(Exchange).where(*conditions).order_by(Exchange.id.desc()).limit(1))
            return None if exchange is None else record(exchange)

    def _all(self, *conditions: ColumnElement[bool]) -> tuple[ExchangeRecord, ...]:
        with self._database.reading() as session:
            return tuple(map(record, session.scalars(select(Exchange).where(*conditions).order_by(Exchange.id))))


def _lock(session: Session, exchange_id: int) -> Exchange:
    exchange = session.get(Exchange, exchange_id, with_for_update={"of": Exchange})
    if exchange is None:
        raise UnknownExchangeError(exchange_id)
    return exchange


def record(row: Exchange) -> ExchangeRecord:
    return copied(ExchangeRecord, row, channel=row.conversation.channel)
