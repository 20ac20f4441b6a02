"""Users, conversations, exchanges and feedback, on each real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import func, select

from storage.errors import UnknownExchangeError, UnknownUserError
from storage.models import Base
from storage.records import ExchangeRecord, UserRecord
from storage.repositories import Repositories
from storage.session import Database
from tests.storage_fixtures import at_once


@pytest.fixture
def ada(repositories: Repositories) -> UserRecord:
    return repositories.users.identify("discord", "1001", "Ada")


@pytest.fixture
def asked(repositories: Repositories, ada: UserRecord) -> ExchangeRecord:
    return ask(repositories, ada, "m1")


def ask(on: Repositories, user: UserRecord, message: str, channel: str = "dm") -> ExchangeRecord:
    conversation = on.conversations.current(user.id, "discord", channel)
    return on.exchanges.receive(user.id, conversation.id, "discord", message, f"question {message}")[0]


def rows(database: Database) -> int:
    with database.reading() as session:
        tables = Base.metadata.tables.values()
        return sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in tables)


def test_a_newcomer_is_created_once_and_then_recognised(repositories: Repositories) -> None:
    assert repositories.users.find("discord", "1001") is None

    first = repositories.users.identify("discord", "1001", "Ada")

    assert repositories.users.identify("discord", "1001", "Ada") == first
    assert repositories.users.find("discord", "1001") == first
    assert repositories.users.get(first.id) == first
    assert first.live_version is None
    assert repositories.users.identify("slack", "1001", "Ada").id != first.id


def test_a_newcomer_who_writes_many_messages_at_once_is_one_user(repositories: Repositories, database: Database) -> None:
    users = at_once(lambda _: repositories.users.identify("discord", "1001", "Ada"))

    assert len({user.id for user in users}) == 1
    assert rows(database) == 2  # one user, one identity: no orphan is left by those who came second


def test_a_user_who_changes_their_name_is_called_by_the_new_one(repositories: Repositories, ada: UserRecord) -> None:
    assert repositories.users.identify("discord", "1001", "Countess").name == "Countess"

    found = repositories.users.get(ada.id)
    assert found is not None and found.name == "Countess"


def test_consent_holds_for_the_text_that_was_agreed_to(repositories: Repositories, ada: UserRecord) -> None:
    assert not repositories.users.has_consent(ada.id, "2025-01")

    repositories.users.record_consent(ada.id, "2025-01")
    repositories.users.record_consent(ada.id, "2025-01")

    assert repositories.users.has_consent(ada.id, "2025-01")
    assert not repositories.users.has_consent(ada.id, "2025-02")
    assert [consent.version for consent in repositories.users.consents(ada.id)] == ["2025-01"]


def test_times_are_aware_and_utc_whatever_the_clock_says(database: Database) -> None:
    noon_in_berlin = datetime(2025, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    users = Repositories.on(database, now=lambda: noon_in_berlin).users
    created = users.identify("discord", "1001", "Ada")

    stored = users.get(created.id)

    assert stored is not None
    assert stored.created_at == noon_in_berlin
    assert stored.created_at.tzinfo is UTC


def test_deleting_a_user_removes_every_row_about_them_and_nobody_else(repositories: Repositories, database: Database, ada: UserRecord) -> None:
    def live_a_full_life(user: UserRecord) -> str:
        repositories.users.record_consent(user.id, "2025-01")
        exchange = ask(repositories, user, f"message of {user.id}")
        repositories.feedback.add(exchange.id, user.id, "down")
        lesson, _ = repositories.lessons.create(
            user.id,
            "instruction",
            "Trains leave on Tuesday.",
            dedupe_key="e1",
            platform="discord",
            channel="dm",
            conversation_id=exchange.conversation_id,
        )
        adapter = repositories.adapters.propose(user.id, cause="lesson 1", lesson_ids=[lesson.id], parent=None, base_model="pocket", metrics={})
        repositories.adapters.publish(adapter.id, None)
        return adapter.name

    grace = repositories.users.identify("slack", "U7", "Grace")
    live_a_full_life(grace)
    before = rows(database)
    name = live_a_full_life(ada)
    assert rows(database) == before + 6  # all but Ada's user and identity, which were there

    assert repositories.users.delete(ada.id) == (name,)

    assert rows(database) == before - 2
    assert repositories.users.find("discord", "1001") is None
    assert repositories.users.get(grace.id) is not None
    assert repositories.users.delete(ada.id) == ()


def test_the_number_of_a_deleted_user_is_never_given_out_again(repositories: Repositories, ada: UserRecord) -> None:
    """Or files of `user-1-v1` that are still on some disk would be somebody else's model."""
    repositories.users.delete(ada.id)

    assert repositories.users.identify("discord", "1002", "Eve").id > ada.id


def test_what_databases_cannot_store_does_not_lose_a_message(repositories: Repositories, ada: UserRecord) -> None:
    conversation = repositories.conversations.current(ada.id, "discord", "dm")
    written, _ = repositories.exchanges.receive(ada.id, conversation.id, "discord", "m1", "a\x00b \ud83d c 🚂")

    stored = repositories.exchanges.get(written.id)

    assert stored is not None and stored.question == "ab ? c 🚂"


def test_a_conversation_goes_on_until_a_new_one_is_started(repositories: Repositories, ada: UserRecord) -> None:
    first = repositories.conversations.current(ada.id, "discord", "dm")
    assert repositories.conversations.current(ada.id, "discord", "dm") == first

    second = repositories.conversations.new(ada.id, "discord", "dm")

    assert second.id != first.id
    assert repositories.conversations.current(ada.id, "discord", "dm") == second
    assert repositories.conversations.current(ada.id, "discord", "elsewhere").id not in (first.id, second.id)
    assert repositories.conversations.current(ada.id, "slack", "dm").id not in (first.id, second.id)


def test_messages_at_once_start_one_conversation(repositories: Repositories, ada: UserRecord) -> None:
    conversations = at_once(lambda _: repositories.conversations.current(ada.id, "discord", "dm"))

    assert len(set(conversations)) == 1


def test_a_redelivered_message_is_noticed(repositories: Repositories, ada: UserRecord, asked: ExchangeRecord) -> None:
    again, created = repositories.exchanges.receive(ada.id, asked.conversation_id, "discord", "m1", "question m1")

    assert (again, created) == (asked, False)
    assert (asked.state, asked.channel) == ("pending", "dm")
    assert repositories.exchanges.receive(ada.id, asked.conversation_id, "slack", "m1", "another platform")[1]


def test_a_message_delivered_many_times_at_once_is_received_once(repositories: Repositories, ada: UserRecord) -> None:
    here = repositories.conversations.current(ada.id, "discord", "dm").id

    received = at_once(lambda _: repositories.exchanges.receive(ada.id, here, "discord", "m1", "hello"))

    assert [created for _, created in received].count(True) == 1
    assert len({exchange.id for exchange, _ in received}) == 1


def test_a_message_is_answered_once_with_the_version_that_answered(repositories: Repositories, asked: ExchangeRecord) -> None:
    assert repositories.exchanges.answer(asked.id, "Tuesday.", "user-1-v1", 0.5, "r1")
    assert not repositories.exchanges.answer(asked.id, "Monday.", "user-1-v2", 0.7, "r2")

    answered = repositories.exchanges.get(asked.id)
    assert answered is not None
    assert (answered.state, answered.answer, answered.version) == ("answered", "Tuesday.", "user-1-v1")
    assert (answered.seconds, answered.reply_message_id) == (0.5, "r1")


def test_of_many_workers_that_answer_at_once_one_wins(repositories: Repositories, asked: ExchangeRecord) -> None:
    won = at_once(lambda index: repositories.exchanges.answer(asked.id, f"answer {index}", None, 0.1))

    assert won.count(True) == 1
    answered = repositories.exchanges.get(asked.id)
    assert answered is not None and answered.answer == f"answer {won.index(True)}"


def test_answering_somebody_who_deleted_everything_says_so(repositories: Repositories, ada: UserRecord, asked: ExchangeRecord) -> None:
    repositories.users.delete(ada.id)

    with pytest.raises(UnknownExchangeError):
        repositories.exchanges.answer(asked.id, "Tuesday.", None, 0.5)
    with pytest.raises(UnknownUserError):
        repositories.exchanges.receive(ada.id, asked.conversation_id, "discord", "m2", "and now?")


def test_history_is_the_last_answered_exchanges_oldest_first(repositories: Repositories, ada: UserRecord) -> None:
    exchanges = [ask(repositories, ada, f"m{number}") for number in range(6)]
    for exchange in exchanges[:4]:
        repositories.exchanges.answer(exchange.id, "yes", None, 0.1)
    repositories.exchanges.fail(exchanges[4].id)
    elsewhere = ask(repositories, ada, "n1", channel="elsewhere")
    repositories.exchanges.answer(elsewhere.id, "yes", None, 0.1)

    history = repositories.exchanges.history(exchanges[0].conversation_id, 3)

    assert [exchange.inbound_message_id for exchange in history] == ["m1", "m2", "m3"]


def test_pending_messages_are_found_oldest_first_until_answered_or_given_up(repositories: Repositories, ada: UserRecord) -> None:
    first, second, third, fourth = (ask(repositories, ada, f"m{number}") for number in range(4))
    repositories.exchanges.answer(second.id, "yes", None, 0.1)

    assert repositories.exchanges.fail(third.id)
    assert not repositories.exchanges.fail(second.id)

    elsewhere = ask(repositories, ada, "n1", channel="elsewhere")
    everything = [each.id for each in (first, second, third, fourth, elsewhere)]

    assert repositories.exchanges.pending() == (first, fourth, elsewhere)
    assert repositories.exchanges.count_pending() == 3
    assert repositories.exchanges.pending_of([*everything, *range(10_000, 50_000)]) == {first.id, fourth.id, elsewhere.id}
    assert repositories.exchanges.pending_of([second.id]) == repositories.exchanges.pending_of([]) == set()
    assert [repositories.exchanges.is_behind(each) for each in (first, fourth, elsewhere)] == [False, True, False]
    assert repositories.exchanges.answer(third.id, "after all", None, 9.0)


def test_the_last_answer_in_a_channel_is_found_across_conversations(repositories: Repositories, ada: UserRecord) -> None:
    assert repositories.exchanges.last_answered(ada.id, "discord", "dm") is None
    first = ask(repositories, ada, "m1")
    repositories.exchanges.answer(first.id, "yes", None, 0.1)
    elsewhere = ask(repositories, ada, "m2", channel="elsewhere")
    repositories.exchanges.answer(elsewhere.id, "yes", None, 0.1)
    repositories.conversations.new(ada.id, "discord", "dm")
    ask(repositories, ada, "m3")

    last = repositories.exchanges.last_answered(ada.id, "discord", "dm")

    assert last is not None and last.id == first.id


def test_a_reaction_finds_the_exchange_by_the_message_that_shows_the_answer(repositories: Repositories, asked: ExchangeRecord) -> None:
    repositories.exchanges.set_reply_message(asked.id, "r1")
    repositories.exchanges.answer(asked.id, "Tuesday.", None, 0.5)

    found = repositories.exchanges.by_reply("discord", "r1")

    assert found is not None and found.id == asked.id
    assert repositories.exchanges.by_reply("slack", "r1") is None


def test_feedback_stands_until_withdrawn_and_can_be_given_again(repositories: Repositories, ada: UserRecord, asked: ExchangeRecord) -> None:
    given = repositories.feedback.add(asked.id, ada.id, "up")
    assert repositories.feedback.of_exchange(asked.id) == (given,)

    assert repositories.feedback.withdraw(asked.id, ada.id, "up")
    assert not repositories.feedback.withdraw(asked.id, ada.id, "up")
    assert repositories.feedback.of_exchange(asked.id) == ()
    assert [each.withdrawn_at is None for each in repositories.feedback.of_user(ada.id)] == [False]

    assert repositories.feedback.add(asked.id, ada.id, "up") == given


def test_feedback_waits_until_a_version_was_trained_on_it(repositories: Repositories, ada: UserRecord, asked: ExchangeRecord) -> None:
    down = repositories.feedback.add(asked.id, ada.id, "down", "Every second Tuesday.")
    repositories.feedback.add(asked.id, ada.id, "report")
    repositories.feedback.withdraw(asked.id, ada.id, "report")
    assert repositories.feedback.unused(ada.id) == (down,)

    repositories.feedback.mark_used([down.id], "user-1-v2")
    repositories.feedback.add(asked.id, ada.id, "down")
    assert repositories.feedback.unused(ada.id) == ()

    corrected = repositories.feedback.add(asked.id, ada.id, "down", "Every second Wednesday.")
    assert repositories.feedback.unused(ada.id) == (corrected,)
    assert corrected.correction == "Every second Wednesday."


def test_the_same_reaction_at_once_is_kept_once(repositories: Repositories, ada: UserRecord, asked: ExchangeRecord) -> None:
    given = at_once(lambda _: repositories.feedback.add(asked.id, ada.id, "down"))

    assert len(set(given)) == 1


def test_feedback_on_an_answer_that_is_gone_says_so(repositories: Repositories, ada: UserRecord) -> None:
    with pytest.raises(UnknownExchangeError):
        repositories.feedback.add(999, ada.id, "up")
