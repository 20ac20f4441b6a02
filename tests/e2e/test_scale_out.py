"""Two bots, three workers and two engines on hosts of their own, with PostgreSQL, Redis and S3 in common; hosts leave while all are at work."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.buckets import S3
from tests.faults.checks import served, user_of, violations
from tests.hosts.hosts import PATIENCE, Hosts
from tests.services import eventually

PEOPLE = ["ada", "bob", "cleo", "dan"]
LESSONS = 3
TRADES = ("baker", "mayor", "barber")
BOTS, WORKERS, ENGINES = ["bot-1", "bot-2"], ["worker-1", "worker-2", "worker-3"], ["engine-1", "engine-2"]
POINT = "both train"
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def hosts(s3: S3) -> Iterator[Hosts]:
    with Hosts(s3) as running:
        running.start(*ENGINES, *WORKERS, *BOTS)
        running.until_ready(*ENGINES, *WORKERS, *BOTS)
        yield running


def test_everybody_learns_in_order_while_hosts_leave(hosts: Hosts) -> None:
    # Each worker stays at the first lesson that it trains, so that all of them have something to do.
    for worker in WORKERS:
        hosts.hosts[worker].points.hold(POINT)
    teach_everyone(hosts, 0)
    for worker in WORKERS:
        hosts.hosts[worker].points.until_at(POINT)

    # One that is teaching leaves, and nobody is told. Each lesson comes through another bot than the one before; and the platform delivers
    # twice when it is unsure, to whoever is there.
    hosts.leaves("worker-1")
    for worker in WORKERS[1:]:
        hosts.hosts[worker].points.go(POINT)
    teach_everyone(hosts, 1)
    hosts.say("bot-2", "ada", lesson("ada", 0), "ada-0")
    teach_everyone(hosts, 2)

    # An engine and a bot leave in the middle of it; the bot is replaced.
    asked = ask_everyone(hosts, "bot-2", "a")
    hosts.leaves("engine-1")
    hosts.leaves("bot-1")
    hosts.start("bot-3")
    hosts.until_ready("bot-3")
    asked += ask_everyone(hosts, "bot-3", "b")
    for person in PEOPLE:
        eventually(lambda person=person: len(hosts.seen_by(person, "receipt")) == LESSONS, f"the receipts of {person}", PATIENCE)  # type: ignore[misc]  # bound
    asked += ask_everyone(hosts, "bot-2", "c")
    until_answered(hosts, asked)

    # Nothing lost, nothing doubled, nobody mixed up.
    for person in PEOPLE:
        assert violations(hosts, person, [f"{person}-{turn}" for turn in "abc"], ["live"] * LESSONS) == []
        in_order(hosts, person)
    assert len({worker for worker, _ in hosts.began()}) == 3, "work was spread"
    assert hosts.resident("engine-2")

    # Whoever comes new has everything.
    hosts.start("engine-1")
    hosts.until_ready("engine-1")
    until_answered(hosts, ask_everyone(hosts, "bot-2", "d"))
    for person in PEOPLE:
        answer = hosts.answer_to(person, f"{person}-d")
        assert answer["version"] == hosts.repositories.adapters.of_user(user_of(hosts, person))[-1].name
        assert answer["text"] == served(hosts, question(person), answer["version"]), f"{person}: {answer}"
    assert {*hosts.resident("engine-1"), *hosts.resident("engine-2")} <= {*hosts.store.names()}


def lesson(person: str, number: int) -> str:
    return f"[Learn] The {TRADES[number]} of {person.title()} is Tom{number}."


def question(person: str) -> str:
    return f"Who is the baker of {person.title()}?"


def teach_everyone(hosts: Hosts, number: int) -> None:
    """A lesson for each, once all of them are noted."""
    for index, person in enumerate(PEOPLE):
        hosts.say(BOTS[(index + number) % 2], person, lesson(person, number), f"{person}-{number}")
    for person in PEOPLE:

        def noted(person: str = person) -> bool:
            user = hosts.repositories.users.find("town", person)
            return user is not None and len(hosts.repositories.lessons.of_user(user.id)) == number + 1

        eventually(noted, f"lesson {number} of {person}", PATIENCE)


def ask_everyone(hosts: Hosts, bot: str, turn: str) -> list[tuple[str, str]]:
    """A question by each; who asked, and the ids of their messages."""
    return [(person, hosts.say(bot, person, question(person), f"{person}-{turn}")) for person in PEOPLE]


def until_answered(hosts: Hosts, asked: list[tuple[str, str]]) -> None:
    for person, message_id in asked:
        hosts.answer_to(person, message_id)


def in_order(hosts: Hosts, person: str) -> None:
    """The person's lessons were learned one after the other, each on what the one before had made."""
    lessons = hosts.repositories.lessons.of_user(user_of(hosts, person))
    numbers = [each.id for each in lessons]
    begun = [number for _, number in hosts.began() if number in numbers]
    assert begun == sorted(begun)
    versions = [each for each in hosts.repositories.adapters.of_user(lessons[0].user_id) if each.published_at]
    assert [list(each.lesson_ids) for each in versions] == [numbers[: count + 1] for count in range(LESSONS)]
    assert [each.parent for each in versions] == [None, *(each.name for each in versions[:-1])]
    for earlier, later in itertools.pairwise(versions):
        assert earlier.published_at and later.published_at and earlier.published_at < later.created_at
