"""Tables of chat: conversations and the exchanges in them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from storage.models.base import Base, ForeignText, one_of
from storage.records import ExchangeState


class Conversation(Base):
    """A stretch of chat; the newest of a user in a channel is the current one."""

    __tablename__ = "conversations"
    __table_args__ = (Index(None, "user_id", "platform", "channel"), {"sqlite_autoincrement": True})

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    platform: Mapped[str]
    channel: Mapped[str]
    started_at: Mapped[datetime]


class Exchange(Base):
    """A question and its answer; pending until answered, so that no message is lost."""

    __tablename__ = "exchanges"
    __table_args__ = (
        UniqueConstraint("platform", "inbound_message_id"),
        Index(None, "platform", "reply_message_id"),
        one_of("state", ExchangeState),
        {"sqlite_autoincrement": True},
    )

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    platform: Mapped[str]
    inbound_message_id: Mapped[str]
    reply_message_id: Mapped[str | None]
    question: Mapped[str] = mapped_column(ForeignText)
    answer: Mapped[str | None] = mapped_column(ForeignText)
    version: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="pending", index=True)
    seconds: Mapped[float | None]
    created_at: Mapped[datetime]

    conversation: Mapped[Conversation] = relationship(lazy="joined", innerjoin=True)
