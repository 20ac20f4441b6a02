"""What all chat platforms share: trying again, each event once, the lines that forms stand for."""

from __future__ import annotations

import pytest

from bot.commands import Learn, React, parse
from bot.platforms import forms
from bot.platforms.base import Undeliverable
from bot.platforms.insisting import Passing, insist
from bot.platforms.turns import Turns


class Line:
    """Fails as told, then works."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.tried = 0

    async def request(self) -> str:
        self.tried += 1
        if self.failures:
            raise self.failures.pop(0)
        return "arrived"


async def test_what_may_pass_is_tried_again_after_each_pause() -> None:
    line = Line(Passing("busy"), Passing("wait", seconds=0.002))
    assert await insist(line.request, (0, 0.001, 0.001)) == "arrived"
    assert line.tried == 3


async def test_after_the_last_pause_it_is_undeliverable() -> None:
    line = Line(*(Passing("busy") for _ in range(5)))
    with pytest.raises(Undeliverable, match="busy"):
        await insist(line.request, (0, 0))
    assert line.tried == 3


async def test_what_is_refused_is_not_tried_again() -> None:
    for refusal in (Undeliverable("no permission"), ValueError("malformed")):
        line = Line(refusal)
        with pytest.raises(type(refusal)):
            await insist(line.request, (0, 0))
        assert line.tried == 1


def test_an_event_begins_once_and_the_oldest_are_let_go_of() -> None:
    turns = Turns[str](remembered=2)
    assert [turns.begins(event) for event in ("a", "a", "b", "c", "b", "a")] == [True, False, True, True, False, True]


def test_replies_belong_to_a_turn_until_it_is_over() -> None:
    turns = Turns[str]()
    with turns.taking("m1", "ada's"), turns.taking("m2", "bob's"):
        assert (turns.of("m1"), turns.of("m2"), turns.of("m3"), turns.of(None)) == ("ada's", "bob's", None, None)
        assert list(turns) == ["ada's", "bob's"]
    assert turns.of("m1") is None and list(turns) == []


def test_forms_stand_for_lines_that_could_have_been_written() -> None:
    assert parse(forms.lesson(" The cat is Miso. ", "https://example.org")) == Learn("The cat is Miso. https://example.org")
    assert parse(forms.lesson(None, "")) == Learn("")
    assert parse(forms.completed("/react 👎", "Miso.", "I don't know.")) == React("down", "Miso.")
    assert parse(forms.completed("/react 👎", " I don't know.\n", "I don't know.")) == React("down", None)
