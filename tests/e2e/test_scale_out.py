"""Two bots, three workers and two engines on hosts of their own, with PostgreSQL, Redis and S3 in common; hosts leave while all are at work."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.records import LessonRecord
from tests.buckets import S3, s3, s3_server  # noqa: F401  (fixtures)
from tests.hosts.hosts import Hosts
from tests.services import eventually
from trainer import prompts
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.generation import GenerationRequest
from trainer.engine.offline import generate_batch
from trainer.engine.residency import Residency
from trainer.model import load_base

PEOPLE = ["ada", "bob", "cleo", "dan"]
LESSONS = 3
PATIENCE = 200.0
TRADES = ("baker", "mayor", "barber")
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif("TUTEE_SCALE_OUT" not in os.environ, reason="minutes of two cores: `make scale-out` runs it"),
]


@pytest.fixture
def hosts(tmp_path: Path, s3: S3) -> Iterator[Hosts]:  # noqa: F811
    with Hosts(tmp_path, s3) as running:
        yield running


def test_everybody_learns_in_order_while_hosts_leave(hosts: Hosts) -> None:
    everyone = ["engine-1", "engine-2", "worker-1", "worker-2", "worker-3", "bot-1", "bot-2"]
    hosts.start(*everyone)
    hosts.until_ready(*everyone)

    # Everybody teaches three lessons; each comes through another bot than the one before.
    for number in range(LESSONS):
        for index, person in enumerate(PEOPLE):
            hosts.say(
                f"bot-{1 + (index + number) % 2}", person, f"[Learn] The {TRADES[number]} of {person.title()} is Tom{number}.", f"{person}-{number}"
            )
        eventually(lambda number=number: len(lessons_of(hosts)) == len(PEOPLE) * (number + 1), "the lessons", PATIENCE)  # type: ignore[misc]  # bound
    # Slack and Discord deliver twice when they are unsure, and to whoever is there.
    hosts.say("bot-2", "ada", "[Learn] The baker of Ada is Tom0.", "ada-0")

    # A worker that is teaching, an engine and a bot leave; nobody is told.
    eventually(lambda: len({worker for worker, _ in hosts.began()}) >= 2, "work on several workers", PATIENCE)
    gone = hosts.began()[-1][0]
    hosts.leaves(gone)
    asked = ask_everyone(hosts, "bot-2", "a")
    hosts.leaves("engine-1")
    hosts.leaves("bot-1")
    hosts.start("bot-3")  # elsewhere, in place of the one that left
    hosts.until_ready("bot-3")
    asked += ask_everyone(hosts, "bot-3", "b")

    eventually(lambda: all(each.state == "live" for each in lessons_of(hosts)), "all lessons", PATIENCE)
    asked += ask_everyone(hosts, "bot-2", "c")
    eventually(lambda: answered(hosts) >= set(asked), "all answers", PATIENCE)
    eventually(lambda: len(hosts.in_message("receipt")) == len(PEOPLE) * LESSONS, "the receipts", PATIENCE)

    # Nothing lost, nothing doubled.
    lessons = lessons_of(hosts)
    assert len(lessons) == len(PEOPLE) * LESSONS
    assert Counter(each["reply_to"] for each in hosts.answers) == Counter(asked)
    assert len({worker for worker, _ in hosts.began()}) == 3, "work was spread"

    # Each person's lessons one after the other, each on what the one before had made.
    for user in {each.user_id for each in lessons}:
        mine = [each for each in lessons if each.user_id == user]
        numbers = [each.id for each in mine]
        assert [number for _, number in hosts.began() if number in numbers] == sorted(number for _, number in hosts.began() if number in numbers)
        versions = [each for each in hosts.stored.adapters.of_user(user) if each.published_at]
        assert [list(each.lesson_ids) for each in versions] == [numbers[: count + 1] for count in range(LESSONS)]
        assert [each.parent for each in versions] == [None, versions[0].name, versions[1].name]
        assert [each.version for each in mine] == [each.name for each in versions]
        for earlier, later in itertools.pairwise(versions):
            assert earlier.published_at and later.published_at and earlier.published_at < later.created_at

    # Every answer is what its version says, and the versions are those of who asked.
    assert_answers_are_of_their_versions(hosts)

    # Whoever comes new has everything; and both engines were used.
    left = hosts.resident("engine-2")
    hosts.start("engine-1")
    hosts.until_ready("engine-1")
    asked_again = ask_everyone(hosts, "bot-2", "d")
    eventually(lambda: answered(hosts) >= set(asked_again), "the last answers", PATIENCE)
    served_again = set(hosts.resident("engine-1"))
    assert set(left) and served_again <= set(hosts.artifacts.names())
    assert_answers_are_of_their_versions(hosts)


def lessons_of(hosts: Hosts) -> list[LessonRecord]:
    users = [hosts.stored.users.find("lines", person) for person in PEOPLE]
    return [lesson for user in users if user is not None for lesson in sorted(hosts.stored.lessons.of_user(user.id), key=lambda each: each.id)]


def ask_everyone(hosts: Hosts, bot: str, turn: str) -> list[str]:
    """A question by each; the ids of their messages."""
    for person in PEOPLE:
        hosts.say(bot, person, f"Who is the baker of {person.title()}?", f"{person}-{turn}")
    return [f"{person}-{turn}" for person in PEOPLE]


def answered(hosts: Hosts) -> set[str]:
    return {each["reply_to"] for each in list(hosts.answers)}


def assert_answers_are_of_their_versions(hosts: Hosts) -> None:
    base = load_base(str(hosts.base), pocket_path=hosts.base)
    residency = Residency(AdapterBank(base.model, 16, 4), hosts.artifacts.path)
    differ = set()
    for shown in list(hosts.answers):
        person, version, text = shown["channel"], shown["reply"]["version"], shown["reply"]["text"]
        user = hosts.stored.users.find("lines", person)
        assert user is not None and (version is None or version.startswith(f"user-{user.id}-v"))
        exchange = next(each for each in hosts.stored.exchanges.of_user(user.id) if each.inbound_message_id == shown["reply_to"])
        assert (exchange.version, exchange.answer) == (version, text)
        if version is not None and version == f"user-{user.id}-v{LESSONS}":  # nothing of a lesson is in the prompt any more
            ids = base.prompt_ids(prompts.chat([], exchange.question))
            [expected] = generate_batch(base, [GenerationRequest(tuple(ids), version, 12)], residency)
            assert text == expected.strip() or text == expected
            differ.add(text)
    assert len(differ) >= 2, "versions answer differently, so an answer tells whose it is"
