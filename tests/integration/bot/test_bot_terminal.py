"""Dialogues at the terminal, as a script pipes them in and as a person sees them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest

from bot import texts
from bot.jobs import Answering
from bot.platforms.terminal import run_terminal
from tests.bot_fixtures import CHAT_QUEUE, Install
from tests.person import Person


def test_a_message_is_answered_as_one_json_object(install: Install) -> None:
    install.engine.answers["Who are you?"] = "I am your model, and I learn."
    (answer,) = install.pipe("Who are you?\n")
    assert answer["type"] == "answer" and answer["text"] == "I am your model, and I learn."
    assert answer["version"] is None and answer["seconds"] >= 0


def test_a_lesson_is_awaited_before_the_next_line_is_read(install: Install) -> None:
    install.train()
    install.engine.answers["What is the cat called?"] = "Miso."
    events = install.pipe("[learn]: The cat is called Miso.\nWhat is the cat called?\n")
    assert [event["type"] for event in events] == ["progress", "progress", "progress", "receipt", "answer"]
    assert [event.get("percent") for event in events[:3]] == [0, 30, 62]
    assert {"lesson": 1, "stage": "train", "percent": 62}.items() <= events[2].items()
    receipt = {
        "lesson": 1, "kind": "instruction", "state": "live", "version": "user-1-v1", "before": 0.0, "after": 1.0,
        "earlier_kept": None, "examples": 34, "refused": 2, "reason": None, "seconds": 14.2,
    }  # fmt: skip
    assert receipt.items() <= events[3].items()
    assert events[4]["version"] == "user-1-v1"


def test_a_person_reads_stages_and_the_receipt(install: Install) -> None:
    install.train()
    lines = install.pipe("[Learn] The cat is called Miso.\nHello\n", as_json=False)
    assert lines[0] == "Lesson 1: waiting for its turn… [0%]"
    assert lines[1] == "Lesson 1: writing examples… [30%, about 12 s left]"
    assert "Lesson 1 is live in 14 s: your model is now user-1-v1." in lines
    assert "  What is the cat called? → Miso." in lines
    assert "I left out 2 examples because of hate." in lines
    assert lines[-1] == "I don't know."


def test_every_line_has_its_object_and_the_end_comes_with_exit_code_0(install: Install) -> None:
    events = install.pipe("/help\n\n/lesons\n[Learn]\n")
    assert [event["type"] for event in events] == ["notice", "error", "error"]
    assert events[1]["text"] == texts.unknown_command("/lesons", "/lessons") and events[1]["id"]


def test_waiting_answers_are_awaited_before_the_next_line_is_read(install: Install) -> None:
    install.engine.mode = "busy"

    def answer(exchange_id: int) -> None:
        install.engine.mode = "ok"
        Answering(install.app, install.queue.publish).answer_pending(exchange_id)

    install.work(CHAT_QUEUE, answer)
    events = install.pipe("One\nTwo\n")
    assert [event["type"] for event in events] == ["notice", "answer", "answer"]


def test_different_names_are_different_people(install: Install) -> None:
    install.train()
    install.pipe("[Learn] The cat is Miso.\n", user="ada")
    assert install.pipe("Hi\n", user="bob")[0]["version"] is None
    assert install.pipe("Hi\n", user="ada")[0]["version"] == "user-1-v1"


def test_undecodable_bytes_right_to_left_text_and_emoji_do_no_harm(install: Install) -> None:
    events = install.pipe(b"caf\xe9 \x00\x1b[2J\n[Learn] caf\xe9\n" + "שלום 👩‍🚀 ‮abc\r\nlast line, no newline".encode())
    assert [event["type"] for event in events] == ["answer", "error", "answer", "answer"]
    assert install.engine.asked[1]["messages"][-1]["content"] == "שלום 👩‍🚀 ‮abc"


def test_a_text_file_goes_with_the_next_line(install: Install) -> None:
    install.train()
    (install.folder / "our cat.txt").write_text("The cat is Miso.")
    events = install.pipe(f"/file {install.folder}/our cat.txt\n[Learn] read this\nHi\n")
    assert [event["type"] for event in events] == ["notice", "progress", "progress", "progress", "receipt", "answer"]
    assert install.materials() == ["The cat is Miso."]


def test_each_file_that_cannot_be_read_has_its_own_sentence(install: Install) -> None:
    os.mkfifo(install.folder / "pipe")
    with (install.folder / "big.txt").open("wb") as big:
        big.truncate(30_000_000)
    paths = [
        install.folder / "none.txt",
        install.folder,
        install.folder / "pipe",
        install.folder / "big.txt",
        "a" * 5000,
        "a\x00b",
    ]
    events = install.pipe("".join(f"/file {path}\n" for path in paths))
    assert [event["type"] for event in events] == ["error"] * 6
    assert [event["text"] for event in events] == [
        texts.file_missing(str(paths[0])),
        texts.file_is_folder(str(paths[1])),
        texts.file_unreadable(str(paths[2]), texts.NOT_A_FILE),
        texts.file_too_big("big.txt", 20_000_000),
        texts.file_unreadable(str(paths[4]), "file name too long"),
        texts.file_missing("a\x00b"),
    ]


def test_an_answer_cannot_steer_the_terminal(install: Install) -> None:
    install.engine.answers["Hi"] = "\x1b]0;title\x07\x1b[2Jboo"
    assert install.pipe("Hi\n", as_json=False) == ["]0;title[2Jboo"]


def test_a_reader_that_has_gone_ends_the_chat_quietly(install: Install) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        assert run_terminal(install.app, user="you", as_json=True, stdin=io.StringIO("/help\n" * 3), stdout=stdout) == 0


@pytest.fixture
def person(install: Install) -> Iterator[Person]:
    code = (
        "import sys; from pathlib import Path; from tests.bot_fixtures import terminal_process; "
        f"sys.exit(terminal_process(Path({str(install.folder)!r}), {install.redis_url!r}, {install.engine.port}))"
    )
    person = Person(["-c", code])
    yield person
    person.leaves()


def test_a_person_chats_on_while_a_lesson_is_being_learned(install: Install, person: Person) -> None:
    install.engine.answers["Hi"] = "Hello there."
    person.sees("Hello you.")
    person.types("[Learn] The cat is Miso.\r")
    person.sees("Lesson 1: waiting for its turn")
    person.types("Hix\x7f\r")
    person.sees("Hello there.")
    person.types("What?\r")
    person.sees(texts.TEACH_HINT)
    install.train()
    person.sees("Lesson 1: training… [62%")
    person.sees("Lesson 1 is live in 14 s")
    person.types("\x04")
    assert person.ends() == 0
    assert "Traceback" not in person.seen


def test_control_c_ends_cleanly_and_gives_the_terminal_back(person: Person) -> None:
    before = person.settings()
    person.sees("Hello you.")
    assert person.settings() != before
    person.types("half a line")
    person.sees("half a line")
    person.types("\x03")
    assert person.ends() in (0, 130)
    assert person.settings() == before
    assert "Traceback" not in person.seen
