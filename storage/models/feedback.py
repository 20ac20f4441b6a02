"""Table of feedback: what users thought of answers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base, ForeignText, one_of
from storage.records import DownReason, FeedbackKind


class Feedback(Base):
    """One reaction, report or correction; withdrawn ones stay, marked."""

    __tablename__ = "feedback"
    __table_args__ = (
        UniqueConstraint("exchange_id", "user_id", "kind"),
        one_of("kind", FeedbackKind),
        one_of("reason", DownReason),
        {"sqlite_autoincrement": True},
    )

    exchange_id: Mapped[int] = mapped_column(ForeignKey("exchanges.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    correction: Mapped[str | None] = mapped_column(ForeignText)
    used_in: Mapped[str | None]
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    proposed: Mapped[str | None] = mapped_column(ForeignText)
    lesson_id: Mapped[int | None] = mapped_column(ForeignKey("lessons.id", ondelete="SET NULL"), index=True)
