"""Conversations: which one a message belongs to."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.models import Conversation
from storage.records import ConversationRecord
from storage.repositories.base import Repository, lock_user


class Conversations(Repository):
    """The newest conversation of a user in a channel is the current one."""

    def current(self, user_id: int, platform: str, channel: str) -> ConversationRecord:
        """The user's current conversation in the channel, started if there is none. Raises UnknownUserError."""
        with self._database.reading() as session:
            found = _newest(session, user_id, platform, channel)
        if found is not None:
            return found
        with self._database.session() as session:
            lock_user(session, user_id)
            return _newest(session, user_id, platform, channel) or self._start(session, user_id, platform, channel)

    def new(self, user_id: int, platform: str, channel: str) -> ConversationRecord:
        """Start another conversation, which is then the current one. Raises UnknownUserError."""
        with self._database.session() as session:
            lock_user(session, user_id)
            return self._start(session, user_id, platform, channel)

    def _start(self, session: Session, user_id: int, platform: str, channel: str) -> ConversationRecord:
        row = Conversation(user_id=user_id, platform=platform, channel=channel, started_at=self._now())
        session.add(row)
        session.flush()
        return _record(row)


def _newest(session: Session, user_id: int, platform: str, channel: str) -> ConversationRecord | None:
    here = (Conversation.user_id == user_id, Conversation.platform == platform, Conversation.channel == channel)
    row = session.scalar(select(Conversation).where(*here).order_by(Conversation.id.desc()).limit(1))
    return None if row is None else _record(row)


def _record(row: Conversation) -> ConversationRecord:
    return ConversationRecord(row.id, row.user_id, row.platform, row.channel, row.started_at)
