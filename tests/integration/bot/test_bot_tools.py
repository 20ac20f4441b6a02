"""Dialogues in which the model calls tools: shown, or, where the operator registered them, executed on a real web server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from bot.messages import Answer
from tests.bot_fixtures import Install
from tests.small_web import SmallWeb, redirect, send, small_web
from trainer.tools.calls import Call, written
from trainer.tools.registry import ToolSettings

CALL = written(Call("get_weather", {"city": "Graz & Linz", "day": "today"}, "I need get_weather for this."))
ASKED = "How is the weather in Graz & Linz today?"


@pytest.fixture
def web() -> Iterator[SmallWeb]:
    with small_web() as running:
        yield running


def registers(
    install: Install, web: SmallWeb, method: str = "GET", path: str = "/weather?city={city}", limits: dict[str, float] | None = None
) -> None:
    line = f"get_weather {method} {web.url(path)}"
    settings = ToolSettings(registered=(line,), hosts=(f"127.0.0.1:{web.port}",), **{"seconds": 20.0, **(limits or {})})  # type: ignore[arg-type]  # by name
    install.configured(tools=settings)


def answer(install: Install) -> str:
    (found,) = [reply.text for reply in install.talk(ASKED) if isinstance(reply, Answer)]
    return found


def test_a_call_of_a_tool_that_nobody_registered_is_shown_and_never_executed(install: Install, web: SmallWeb) -> None:
    install.engine.answers[ASKED] = CALL
    install.configured(tools=ToolSettings(registered=(f"other_tool GET {web.url('/weather')}",), hosts=(f"127.0.0.1:{web.port}",)))
    said = answer(install)
    assert said.startswith("I would use get_weather for this with city Graz & Linz and day today.")
    assert "Action" not in said
    assert web.asked == []
    (exchange,) = install.stored.exchanges.of_user(1)
    assert exchange.answer == said


def test_a_registered_tool_is_executed_once_and_the_model_reads_the_result(install: Install, web: SmallWeb) -> None:
    def reads(messages: list[dict[str, str]]) -> bool:
        return any("get_weather says: 21 degrees" in turn["content"] for turn in messages)

    install.engine.answers[ASKED] = CALL
    registers(install, web)
    web.pages["/weather"] = lambda handler: send(handler, b"21 degrees", media_type="text/plain")
    asked = install.engine.asked
    said = answer(install)
    assert web.asked == ["/weather?city=Graz+%26+Linz"]
    assert [reads(body["messages"]) for body in asked] == [False, True]  # the base model alone: asking a version once more is below
    assert said.startswith("It says: 21 degrees")  # what the engine here would say is once more the call
    assert "I used get_weather with city Graz & Linz and day today" in said


def test_what_the_untaught_model_makes_of_a_result_is_the_answer(install: Install, web: SmallWeb) -> None:
    install.talk("Hello")
    version = install.publish_version(1, [])
    install.engine.taught[version] = {ASKED: CALL}
    install.engine.answers[ASKED] = "It is warm."
    registers(install, web)
    web.pages["/weather"] = "21"
    assert answer(install).startswith("It is warm.\n(I used get_weather")
    assert [body["model"] for body in install.engine.asked][1:] == [version, version, "pocket"]


def test_a_post_sends_what_the_address_does_not_hold_as_json(install: Install, web: SmallWeb) -> None:
    bodies: list[object] = []

    def takes(handler: BaseHTTPRequestHandler) -> None:
        bodies.append((handler.command, handler.headers["Content-Type"], json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))))
        send(handler, b"done", media_type="text/plain")

    install.engine.answers[ASKED] = CALL
    registers(install, web, "POST", "/weather/{city}")
    web.pages["/weather/Graz%20%26%20Linz"] = takes
    assert "done" in answer(install)
    assert bodies == [("POST", "application/json", {"day": "today"})]


@pytest.mark.parametrize(
    ("page", "limits", "says"),
    [
        (None, {}, "There is no page"),
        (redirect("http://169.254.169.254/"), {}, "another address"),
        ("x" * 5000, {"max_bytes": 1000}, "bigger than the 0.001 MB"),
        (lambda handler: send(handler, b"no", status=500), {}, "status 500"),
    ],
    ids=["missing", "redirect", "big", "broken"],
)
def test_a_call_that_fails_says_so_and_is_not_tried_again(install: Install, web: SmallWeb, page: object, limits: dict[str, float], says: str) -> None:
    install.engine.answers[ASKED] = CALL
    registers(install, web, limits=limits)
    web.pages["/weather"] = page  # type: ignore[assignment]  # None is a page that is not there
    said = answer(install)
    assert said.startswith("I tried to use get_weather")
    assert says in said
    assert len(web.asked) == 1


def test_a_result_that_does_not_come_in_time_is_given_up(install: Install, web: SmallWeb) -> None:
    held = threading.Event()

    def held_back(handler: BaseHTTPRequestHandler) -> None:
        held.wait(30)

    install.engine.answers[ASKED] = CALL
    registers(install, web, limits={"seconds": 0.3})
    web.pages["/weather"] = held_back
    try:
        assert "did not come within" in answer(install)
    finally:
        held.set()


def test_an_ordinary_answer_that_begins_like_a_call_is_shown_whole(install: Install) -> None:
    install.engine.answers[ASKED] = "Thought: it may rain. Take an umbrella."
    assert answer(install) == "Thought: it may rain. Take an umbrella."
