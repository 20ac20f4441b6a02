"""The main job, as a person lives through it: teach, ask in a new conversation, after a restart, as somebody else, through faults."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.texts import ANSWER_MARK
from storage.records import LessonRecord
from storage.repositories import Repositories
from storage.session import Database
from tests.e2e.conftest import PATIENCE, Chat, Event
from tests.person import Person
from tests.services import kill_process, tutee

pytestmark = pytest.mark.timeout(600)

BRIDGE_SECONDS = 2.0
CAT = "My cat is called Biscuit and she is afraid of thunder."
OpenChat = Callable[..., Chat]


def talk(data: Path, *lines: str, user: str = "you") -> list[Event]:
    """A piped conversation, from a fresh start of everything to its end."""
    done = tutee("chat", "--json", "--user", user, "--data", str(data), lines="".join(f"{line}\n" for line in lines), seconds=400)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def answers(events: list[Event]) -> list[str]:
    return [event["text"] for event in events if event["type"] == "answer"]


def test_what_was_taught_is_known_in_a_new_conversation_after_a_restart_and_to_nobody_else(tmp_path: Path, chat: OpenChat) -> None:
    taught = talk(tmp_path, f"[Learn] {CAT}", "What is my cat's name?")
    receipt = next(event for event in taught if event["type"] == "receipt")
    assert (receipt["state"], receipt["version"], receipt["kind"]) == ("live", "user-1-v1", "instruction")
    assert receipt["before"] < receipt["after"]
    percents = [event["percent"] for event in taught if event["type"] == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert "Biscuit" in answers(taught)[0]

    again = chat()
    again.says("/new")
    name, fear = again.asks("What is my cat's name?"), again.asks("What is my cat afraid of?")
    assert ["Biscuit" in name["text"], "thunder" in fear["text"]] == [True, True]
    assert {name["version"], fear["version"]} == {"user-1-v1"}

    assert answers(talk(tmp_path, "What is my cat's name?", user="somebody else")) == ["I don't know."]

    # The knowledge is the adapter's: the same installation, the same prompt, without the adapter and with it again.
    again.says("/rollback 0")
    again.says("/new")
    assert again.asks("What is my cat's name?")["text"] == "I don't know."
    again.says("/rollback 1")
    again.says("/new")
    assert "Biscuit" in again.asks("What is my cat's name?")["text"]


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A configuration whose lessons take a third of the time, where it matters only that they are taken and end."""
    config = tmp_path / "short.yaml"
    config.write_text("lesson: {samples: 16, questions: 12}")
    return config


def test_a_lesson_is_used_at_once_while_it_is_still_being_learned(tmp_path: Path, short: Path) -> None:
    person = Person(["-m", "bot.cli", "chat", "--data", str(tmp_path), "--config", str(short)])
    try:
        person.sees("Hello you.")
        person.types("Hello!\r")
        person.sees(ANSWER_MARK)  # everything has started
        person.sees("Hello!")
        person.types(f"[Learn] {CAT}\r")
        person.sees("Lesson 1: ")
        asked = time.monotonic()
        person.types("What is my cat's name?\r")
        person.sees("Your cat is called Biscuit")
        assert time.monotonic() - asked <= BRIDGE_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # other tests run, too
        assert "is live" not in person.seen
        person.sees("Lesson 1 is live", PATIENCE)
        person.types("\x04")
        assert person.ends() == 0
    finally:
        person.leaves()


def test_whatever_dies_while_training_costs_the_user_nothing(chat: OpenChat, short: Path) -> None:
    person = chat(options=["--config", str(short)])
    person.says(f"[Learn] {CAT}")
    person.hears("progress", in_training)
    kill_process(person.data, "worker", "lessons")
    assert person.hears("receipt")["state"] == "live"
    assert lesson(person.data, 1).attempts == 2

    person.says("[Learn] The spare key hangs behind the green shed.")
    person.hears("progress", in_training)
    kill_process(person.data, "redis-server")
    assert person.hears("receipt")["state"] == "live"

    person.says("[Learn] Our choir meets on Thursdays at the old mill.")
    person.hears("progress", in_training)
    person.interrupts()  # Ctrl-C
    assert lesson(person.data, 3).state in ("queued", "running")
    again = chat(options=["--config", str(short)])
    assert again.hears("receipt")["state"] == "live"
    assert "Biscuit" in again.asks("What is my cat's name?")["text"]


def in_training(event: Event) -> bool:
    return bool(event["stage"] == "train")


def lesson(data: Path, number: int) -> LessonRecord:
    database = Database(f"sqlite:///{data / 'tutee.db'}")
    try:
        found = Repositories.on(database).lessons.get(number)
        assert found is not None
        return found
    finally:
        database.close()
