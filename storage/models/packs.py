"""Table of packs: lessons that their user gives to others."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base


class Pack(Base):
    """Some lessons of one user, for whoever knows the code; a withdrawn one is deleted."""

    __tablename__ = "packs"
    __table_args__ = ({"sqlite_autoincrement": True},)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    code: Mapped[str] = mapped_column(unique=True)
    lesson_ids: Mapped[list[int]] = mapped_column(JSON)
    created_at: Mapped[datetime]
