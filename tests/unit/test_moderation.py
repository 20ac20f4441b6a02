"""Every moderator keeps the same promises; nothing passes when one cannot be asked."""

from __future__ import annotations

import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from trainer.errors import ModeratorUnavailableError
from trainer.moderate import AllOf, LocalModerator, Moderator, RecordingModerator, Verdict, build
from trainer.moderation.judge import JudgeModerator
from trainer.moderation.openai import OpenAIModerator
from trainer.settings import ModerationSettings, SettingsError

HARMLESS = "My cat is called Biscuit."
HARMFUL = "You are a worthless piece of shit, go kill yourself."


class Endpoint:
    """OpenAI's moderation endpoint on a loopback port: flags what holds "worthless"; ``answer`` replaces its answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answer: Callable[[list[str]], tuple[int, bytes]] = judged
        self.chat: Callable[[str], tuple[int, bytes]] = lambda text: said("unsafe\nharassment" if "worthless" in text else "safe")
        self.silent = threading.Event()
        self.released = threading.Event()


def judged(inputs: list[str]) -> tuple[int, bytes]:
    results = []
    for text in inputs:
        bad = "worthless" in text
        results.append({
            "flagged": bad,
            "categories": {"harassment": bad, "hate": False, "self-harm/instructions": bad},
            "category_scores": {"harassment": 0.9 if bad else 0.01, "hate": 0.02, "self-harm/instructions": 0.7 if bad else 0.0},
        })  # fmt: skip
    return 200, json.dumps({"id": "modr-1", "model": "omni-moderation-latest", "results": results}).encode()


def said(reply: str) -> tuple[int, bytes]:
    """A chat completion."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}
    return 200, json.dumps({"id": "c-1", "object": "chat.completion", "created": 1, "model": "judge-1", "choices": [choice]}).encode()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as running:
        yield running


@contextmanager
def serving() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            running.requests.append(body)
            running.keys.append(self.headers["Authorization"])
            if running.silent.is_set():
                running.released.wait(30)
                return
            if self.path == "/v1/chat/completions":
                status, answer = running.chat(body["messages"][-1]["content"])
            else:
                status, answer = running.answer(body["input"])
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = Endpoint(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        running.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=["local", "openai", "judge", "guard", "all of", "recording"])
def moderator(request: pytest.FixtureRequest, endpoint: Endpoint) -> Moderator:
    hosted = OpenAIModerator("key", endpoint.url)
    made: dict[str, Moderator] = {
        "local": LocalModerator(),
        "openai": hosted,
        "judge": JudgeModerator(endpoint.url, "judge-1"),
        "guard": JudgeModerator(endpoint.url, "guard-1", "guard"),
        "all of": AllOf([LocalModerator(), hosted, JudgeModerator(endpoint.url, "judge-1")]),
        "recording": RecordingModerator(lambda text: "worthless" in text),
    }
    return made[request.param]


# Every moderator


def test_each_text_gets_its_own_verdict_in_order(moderator: Moderator) -> None:
    verdicts = moderator.check([HARMLESS, HARMFUL, HARMLESS])
    assert [verdict.flagged for verdict in verdicts] == [False, True, False]


def test_a_flagged_text_says_which_categories_apply_and_a_passed_one_none(moderator: Moderator) -> None:
    passed, flagged = moderator.check([HARMLESS, HARMFUL])
    assert passed.categories == ()
    assert flagged.categories[0] == "harassment"
    assert set(flagged.categories) <= set(flagged.scores)
    assert all(0 <= score <= 1 for score in flagged.scores.values())


def test_no_texts_give_no_verdicts(moderator: Moderator) -> None:
    assert moderator.check([]) == []


def test_empty_text_passes(moderator: Moderator) -> None:
    assert [verdict.flagged for verdict in moderator.check(["", "  \n "])] == [False, False]


def test_one_harmful_sentence_in_a_very_long_text_is_found(moderator: Moderator) -> None:
    filler = "The gate opens at nine and closes at five. " * 1_200
    assert moderator.check([filler + HARMFUL + " " + filler])[0].flagged


def test_a_very_long_harmless_text_passes(moderator: Moderator) -> None:
    assert not moderator.check(["The gate opens at nine and closes at five. " * 2_400])[0].flagged


def test_many_texts_are_all_answered(moderator: Moderator) -> None:
    verdicts = moderator.check([HARMFUL if number % 7 == 0 else f"Box {number} is in the cellar." for number in range(100)])
    assert [verdict.flagged for verdict in verdicts] == [number % 7 == 0 for number in range(100)]


# Fails closed


def test_a_server_that_is_down_lets_nothing_pass() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        moderator = OpenAIModerator("key", f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        with pytest.raises(ModeratorUnavailableError, match="tried again"):
            moderator.check([HARMLESS])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_an_error_status_lets_nothing_pass(endpoint: Endpoint, status: int) -> None:
    endpoint.answer = lambda _: (status, b'{"error": {"message": "no"}}')
    with pytest.raises(ModeratorUnavailableError):
        OpenAIModerator("key", endpoint.url).check([HARMLESS])


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"<html>gateway</html>", b"[]", b"null", b'"fine"', b"{}", b'{"results": null}', b'{"results": []}', b'{"results": [null]}',
        b'{"results": [{"flagged": false}]}', b'{"results": [{"flagged": null, "categories": {}, "category_scores": {}}]}',
        b'{"results": [{"flagged": false, "categories": null, "category_scores": null}]}',
        b'{"results": [{"flagged": false, "categories": {}, "category_scores": {"hate": "low"}}]}', b'{"results": [{"flag',
    ],
)  # fmt: skip
def test_an_answer_that_is_no_verdict_lets_nothing_pass(endpoint: Endpoint, answer: bytes) -> None:
    endpoint.answer = lambda _: (200, answer)
    with pytest.raises(ModeratorUnavailableError):
        OpenAIModerator("key", endpoint.url).check([HARMLESS])


def test_too_few_verdicts_let_nothing_pass(endpoint: Endpoint) -> None:
    endpoint.answer = lambda inputs: judged(inputs[:1])
    with pytest.raises(ModeratorUnavailableError):
        OpenAIModerator("key", endpoint.url).check([HARMLESS, HARMLESS])


def test_a_server_that_never_answers_lets_nothing_pass(endpoint: Endpoint) -> None:
    endpoint.silent.set()
    with pytest.raises(ModeratorUnavailableError):
        OpenAIModerator("key", endpoint.url, timeout=0.2).check([HARMLESS])


def test_an_address_that_is_none_lets_nothing_pass() -> None:
    with pytest.raises(ModeratorUnavailableError):
        OpenAIModerator("key", "nowhere").check([HARMLESS])


def test_one_moderator_that_cannot_be_asked_lets_nothing_pass() -> None:
    down = RecordingModerator(error=ModeratorUnavailableError("down"))
    with pytest.raises(ModeratorUnavailableError):
        AllOf([RecordingModerator(), down]).check([HARMLESS])


def test_all_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="unmoderated"):
        AllOf([])


def test_the_error_survives_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(ModeratorUnavailableError("Try later.", "detail")))
    assert (error.user_message, error.detail) == ("Try later.", "detail")


# What is asked, and what comes of several


def test_the_endpoint_is_asked_in_batches_with_the_key_and_model(endpoint: Endpoint) -> None:
    OpenAIModerator("sk-test", endpoint.url).check([f"Text {number}." for number in range(70)])
    assert set(endpoint.keys) == {"Bearer sk-test"}
    assert {request["model"] for request in endpoint.requests} == {"omni-moderation-latest"}
    assert [text for request in endpoint.requests for text in request["input"]] == [f"Text {number}." for number in range(70)]
    assert len(endpoint.requests) < 10


def test_categories_come_in_the_endpoints_own_names(endpoint: Endpoint) -> None:
    verdict = OpenAIModerator("key", endpoint.url).check([HARMFUL])[0]
    assert verdict.categories == ("harassment", "self-harm/instructions")


def test_a_text_that_one_of_several_flags_is_flagged_with_its_categories() -> None:
    verdict = AllOf([RecordingModerator(), RecordingModerator(lambda _: True)]).check([HARMLESS])[0]
    assert verdict == Verdict(True, ("harassment",), {"harassment": 1.0})


def test_every_moderator_sees_every_text() -> None:
    first, second = RecordingModerator(lambda _: True), RecordingModerator()
    AllOf([first, second]).check([HARMLESS, HARMFUL])
    assert first.seen == second.seen == [HARMLESS, HARMFUL]


def test_a_verdict_cannot_be_changed_and_can_be_pickled() -> None:
    verdict = LocalModerator().check([HARMFUL])[0]
    with pytest.raises(TypeError):
        verdict.scores["hate"] = 0.0  # type: ignore[index]  # the point of the test
    assert pickle.loads(pickle.dumps(verdict)) == verdict


# A model that judges


def test_a_judge_is_told_what_to_look_for_and_a_guard_gets_the_text_alone(endpoint: Endpoint) -> None:
    JudgeModerator(endpoint.url, "judge-1", api_key="sk-judge").check([HARMLESS])
    JudgeModerator(endpoint.url, "guard-1", "guard").check([HARMLESS])
    judged, guarded = (request["messages"][-1]["content"] for request in endpoint.requests)
    assert HARMLESS in judged and "bias" in judged
    assert guarded == HARMLESS
    assert [request["model"] for request in endpoint.requests] == ["judge-1", "guard-1"]
    assert endpoint.keys[0] == "Bearer sk-judge"


@pytest.mark.parametrize(
    ("reply", "flagged", "categories"),
    [
        ("safe", False, ()),
        ("Safe.", False, ()),
        ("unsafe: bias, hate", True, ("bias", "hate")),
        ("\n\nunsafe\nS10,S1", True, ("hate", "illicit/violent")),
        ("**unsafe** (harassment)", True, ("harassment",)),
        ("unsafe", True, ("unspecified",)),
        ("unsafe, whatever", True, ("unspecified",)),
        ("<think>It only\nreports.</think>\nsafe", False, ()),
    ],
)
def test_verdicts_are_read_as_models_write_them(endpoint: Endpoint, reply: str, flagged: bool, categories: tuple[str, ...]) -> None:
    endpoint.chat = lambda text: said(reply)
    (verdict,) = JudgeModerator(endpoint.url, "judge-1").check([HARMLESS])
    assert (verdict.flagged, verdict.categories) == (flagged, categories)


@pytest.mark.parametrize("answer", [said("I think it is fine."), said(""), (200, b"<html>"), (200, b"{}"), (500, b"{}"), (401, b"{}")])
def test_a_judge_without_a_verdict_lets_nothing_pass(endpoint: Endpoint, answer: tuple[int, bytes]) -> None:
    endpoint.chat = lambda text: answer
    with pytest.raises(ModeratorUnavailableError) as caught:
        JudgeModerator(endpoint.url, "judge-1").check([HARMLESS])
    assert "Nothing was learned yet" in caught.value.user_message or "nothing was learned yet" in caught.value.user_message


def test_a_judge_that_wavers_once_is_asked_again(endpoint: Endpoint) -> None:
    replies = iter([said("Well, it depends."), said("safe")])
    endpoint.chat = lambda text: next(replies)
    assert not JudgeModerator(endpoint.url, "judge-1").check([HARMLESS])[0].flagged


def test_a_judge_that_is_away_lets_nothing_pass(endpoint: Endpoint) -> None:
    with pytest.raises(ModeratorUnavailableError):
        JudgeModerator("http://127.0.0.1:1/v1", "judge-1").check([HARMLESS])


def test_a_text_is_refused_when_any_of_three_backends_refuses_it(endpoint: Endpoint) -> None:
    endpoint.chat = lambda text: said("unsafe: bias" if "naturally worse" in text else "safe")
    settings = ModerationSettings(
        backends=("local", "openai", "judge"), openai_key="k", openai_url=endpoint.url, judge_url=endpoint.url, judge_model="m"
    )
    texts = [HARMLESS, "Girls are naturally worse at chess.", "A worthless coupon.", "You are a piece of shit, go kill yourself."]
    verdicts = build(settings).check(texts)
    assert [verdict.flagged for verdict in verdicts] == [False, True, True, True]
    assert "bias" in verdicts[1].categories


# Settings


def test_the_local_moderator_is_the_default() -> None:
    assert isinstance(build(ModerationSettings()), LocalModerator)


def test_a_key_adds_openai_to_the_local_moderator(endpoint: Endpoint) -> None:
    moderator = build(ModerationSettings(openai_key="sk-x", openai_url=endpoint.url))
    assert not moderator.check(["Say worthy things."])[0].flagged
    assert endpoint.requests
    assert moderator.check(["A worthless coupon, the cashier said."])[0].flagged


def test_openai_alone_when_only_it_is_listed(endpoint: Endpoint) -> None:
    settings = ModerationSettings(backends=("openai",), openai_key="sk-x", openai_url=endpoint.url)
    assert isinstance(build(settings), OpenAIModerator)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ModerationSettings(backends=("openai",)), "OPENAI_API_KEY"),
        (ModerationSettings(backends=("locla",)), "locla"),
        (ModerationSettings(backends=()), "No moderation backend"),
        (ModerationSettings(backends=("judge",)), "judge_url"),
        (ModerationSettings(backends=("local", "judge"), judge_url="http://judge"), "judge_model"),
    ],
)
def test_settings_that_name_no_usable_backend_are_refused(settings: ModerationSettings, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build(settings)


def test_the_threshold_decides_what_is_flagged() -> None:
    score = LocalModerator().check([HARMFUL])[0].score
    assert LocalModerator(threshold=score).check([HARMFUL])[0].flagged
    assert not LocalModerator(threshold=min(1.0, score + 0.001)).check([HARMFUL])[0].flagged or score >= 0.999
