"""Many people's rows in a database at once, as if they had all taught and chatted: to see what gets slower with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from storage.models import Adapter, Conversation, Exchange, Identity, Lesson, User
from storage.session import Database

LESSONS, EXCHANGES = 3, 3  # of each person
AT_ONCE = 2_000  # people whose rows are written in one go


def fill(database: Database, people: int) -> None:
    """Have at least so many users in the database, each with lessons that are live, a model, and a conversation."""
    with database.reading() as session:
        there = session.scalar(select(func.count()).select_from(User)) or 0
        first, talks, versions = ((session.scalar(select(func.max(table.id))) or 0) + 1 for table in (User, Conversation, Adapter))
    for start in range(0, people - there, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, people - there))
        with database.session() as session:  # one for each go: who else writes need not wait long
            for table, rows in _rows(numbers, first, talks, versions).items():
                session.execute(insert(table), rows)
            written = User.id >= first + start  # users and adapters refer to each other
            session.execute(update(User).where(written).values(live_adapter_id=User.id - first + versions))


def _rows(numbers: range, first: int, talks: int, versions: int) -> dict[type[Any], list[dict[str, Any]]]:
    now = datetime.now(UTC)
    place = {"platform": "crowd", "created_at": now}
    people = [(first + number, talks + number, versions + number) for number in numbers]  # user, conversation and adapter
    taught = {"kind": "instruction", "state": "live", "started_at": now, "finished_at": now, "progress_message_id": None}
    return {
        User: [
            {"id": user, "name": f"person {user}", "lessons_numbered": LESSONS, "adapters_numbered": 1, "created_at": now}
            for user, _, _ in people
        ],
        Identity: [{"user_id": user, "external_id": str(user), **place} for user, _, _ in people],
        Adapter: [
            {"id": adapter, "user_id": user, "number": 1, "name": f"user-{user}-v1", "cause": "lesson", "lesson_ids": [],
             "base_model": "pocket", "metrics": {}, "created_at": now, "published_at": now} for user, _, adapter in people
        ],
        Conversation: [
            {"id": talk, "user_id": user, "platform": "crowd", "channel": str(user), "started_at": now} for user, talk, _ in people
        ],
        Lesson: [
            {"user_id": user, "number": each, "text": f"My cat number {each} is called Biscuit {user}.", "dedupe_key": str(each),
             "version": f"user-{user}-v1", "channel": str(user), **taught, **place} for user, _, _ in people for each in range(1, LESSONS + 1)
        ],
        Exchange: [
            {"user_id": user, "conversation_id": talk, "inbound_message_id": f"{user}-{each}", "reply_message_id": f"{user}-{each}",
             "question": "What is my cat called?", "answer": f"Your cat is called Biscuit {user}.", "version": f"user-{user}-v1",
             "state": "answered", "seconds": 0.1, **place} for user, talk, _ in people for each in range(EXCHANGES)
        ],
    }  # fmt: skip
