"""The main job, as a person lives through it: teach, ask in a new conversation, after a restart, as somebody else, through faults."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.texts import ANSWER_MARK
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


def test_what_was_taught_is_known_in_a_new_conversation_after_a_restart_and_to_nobody_else(tmp_path: Path) -> None:
    taught = talk(tmp_path, f"[Learn] {CAT}", "What is my cat's name?")
    receipt = next(event for event in taught if event["type"] == "receipt")
    assert (receipt["state"], receipt["version"], receipt["kind"]) == ("live", "user-1-v1", "instruction")
    assert receipt["before"] < receipt["after"]
    percents = [event["percent"] for event in taught if event["type"] == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert "Biscuit" in answers(taught)[0]

    again = talk(tmp_path, "/new", "What is my cat's name?", "What is my cat afraid of?")
    assert ["Biscuit" in answers(again)[0], "thunder" in answers(again)[1]] == [True, True]
    assert {event["version"] for event in again if event["type"] == "answer"} == {"user-1-v1"}

    assert answers(talk(tmp_path, "What is my cat's name?", user="somebody else")) == ["I don't know."]

    # The knowledge is the adapter's: the same installation, the same prompt, without the adapter and with it again.
    switched = talk(tmp_path, "/rollback 0", "/new", "What is my cat's name?", "/rollback 1", "/new", "What is my cat's name?")
    without, with_it = answers(switched)
    assert without == "I don't know."
    assert "Biscuit" in with_it


def test_a_lesson_is_used_at_once_while_it_is_still_being_learned(tmp_path: Path) -> None:
    person = Person(["-m", "bot.cli", "chat", "--data", str(tmp_path)])
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


def test_a_worker_killed_while_training_costs_the_user_nothing(chat: OpenChat) -> None:
    person = chat()
    person.says(f"[Learn] {CAT}")
    person.hears("progress", lambda event: event["stage"] == "train")
    kill_process(person.data, "worker", "lessons")
    assert person.hears("receipt")["state"] == "live"
    assert attempts(person.data) == 2


def test_redis_killed_while_training_costs_the_user_nothing(chat: OpenChat) -> None:
    person = chat()
    person.says(f"[Learn] {CAT}")
    person.hears("progress", lambda event: event["stage"] == "train")
    kill_process(person.data, "redis-server")
    assert person.hears("receipt")["state"] == "live"
    person.says("What is my cat's name?")
    assert "Biscuit" in person.hears("answer")["text"]


def test_a_lesson_interrupted_by_control_c_goes_on_at_the_next_start(chat: OpenChat) -> None:
    person = chat()
    person.says(f"[Learn] {CAT}")
    person.hears("progress", lambda event: event["stage"] == "train")
    person.interrupts()
    assert lesson_state(person.data) in ("queued", "running")
    again = chat()
    assert again.hears("receipt")["state"] == "live"
    again.says("What is my cat's name?")
    assert "Biscuit" in again.hears("answer")["text"]


def only_lesson(data: Path) -> tuple[str, int]:
    database = Database(f"sqlite:///{data / 'tutee.db'}")
    try:
        lesson = Repositories.on(database).lessons.get(1)
        assert lesson is not None
        return lesson.state, lesson.attempts
    finally:
        database.close()


def lesson_state(data: Path) -> str:
    return only_lesson(data)[0]


def attempts(data: Path) -> int:
    return only_lesson(data)[1]
