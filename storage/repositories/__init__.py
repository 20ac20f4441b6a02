"""Everything that may be asked of the database, by noun; each method is one short transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.repositories.adapters import Adapters
from storage.repositories.base import Clock, utc_now
from storage.repositories.conversations import Conversations
from storage.repositories.exchanges import Exchanges
from storage.repositories.feedback import Feedback
from storage.repositories.lessons import Lessons
from storage.repositories.packs import Packs
from storage.repositories.rebuilds import Rebuilds
from storage.repositories.sources import Sources
from storage.repositories.users import Users
from storage.session import Database

__all__ = ["Adapters", "Conversations", "Exchanges", "Feedback", "Lessons", "Packs", "Rebuilds", "Repositories", "Sources", "Users"]


@dataclass(frozen=True, slots=True)
class Repositories:
    """All repositories on one database; safe to share between threads."""

    users: Users
    lessons: Lessons
    adapters: Adapters
    conversations: Conversations
    exchanges: Exchanges
    feedback: Feedback
    rebuilds: Rebuilds
    sources: Sources
    packs: Packs

    @classmethod
    def on(cls, database: Database, now: Clock = utc_now) -> Repositories:
        """The repositories of `database`; `now` tells the time (aware)."""
        return cls(
            users=Users(database, now),
            lessons=Lessons(database, now),
            adapters=Adapters(database, now),
            conversations=Conversations(database, now),
            exchanges=Exchanges(database, now),
            feedback=Feedback(database, now),
            rebuilds=Rebuilds(database, now),
            sources=Sources(database, now),
            packs=Packs(database, now),
        )
