"""Which source a lesson means, measured on messages written by hand; the rules were written with the dev half only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainer.sources.intent import intent_of, only_points, topic_of

DATA = Path(__file__).parents[1] / "data"


def messages(half: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"intents_{half}.jsonl").read_text().splitlines()]


def meant(message: dict[str, Any]) -> str:
    return intent_of(message["text"], message["files"]).kind or "unclear"


@pytest.mark.parametrize("half", ["dev", "test"])
def test_intents_are_told_apart(half: str) -> None:
    wrong = [f"{each['kind']} taken for {meant(each)}: {each['text']}" for each in messages(half) if meant(each) != each["kind"]]
    assert len(wrong) <= 0.05 * len(messages(half)), wrong


def test_there_are_enough_messages_of_each_kind_and_none_twice() -> None:
    everything = messages("dev") + messages("test")
    assert len(everything) >= 150
    assert all(sum(each["kind"] == kind for each in everything) >= 40 for kind in ("instruction", "document", "web"))
    assert len({(each["text"], *each["files"]) for each in everything}) == len(everything)


def test_links_are_found_whole_and_each_once() -> None:
    assert intent_of("read <https://a.example/x_(y)>, https://a.example/z. and www.b.example/c!").links == (
        "https://a.example/x_(y)", "https://a.example/z", "https://www.b.example/c",
    )  # fmt: skip
    assert intent_of("https://a.example https://a.example").links == ("https://a.example",)
    assert intent_of("write to me@www.example.org").links == ()


@pytest.mark.parametrize(
    "words", ["", "read this", "Please read the attached file!", "learn these", "read this page by heart, please", "study both files"]
)
def test_words_that_only_point_say_nothing(words: str) -> None:
    assert only_points(words)


@pytest.mark.parametrize("words", ["Our boss is Ann.", "the price list of March", "read this, our boss is Ann"])
def test_words_that_say_something_are_kept(words: str) -> None:
    assert not only_points(words)


@pytest.mark.parametrize(
    ("text", "topic"),
    [("keep up with news on coral reefs", "coral reefs"), ("Please search the web for vegan recipes", "vegan recipes"),
     ("Look up the capital of Peru.", "capital of Peru"), ("Who is the king of Spain?", "Who is the king of Spain"), ("whales", "whales")],
)  # fmt: skip
def test_the_topic_is_what_is_searched_for(text: str, topic: str) -> None:
    assert topic_of(text) == topic
