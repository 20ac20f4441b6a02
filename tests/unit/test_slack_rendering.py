"""What stands in Slack's messages, forms and tabs: within Slack's limits, whatever it is made of."""

from __future__ import annotations

import pytest

from bot import cards, texts
from bot.messages import Action, Answer, LessonProgress, Notice, Reply, Trouble
from bot.platforms.slack import blocks, home, modals, places, words
from bot.platforms.slack.modals import Origin
from bot.platforms.slack.places import Place
from tests.fakes.slack import limits


@pytest.mark.parametrize(
    "reply",
    [
        Notice(""), Notice("x" * 200_000), Answer("", None, 0.1), Answer("y" * 50_000, None, 0.1, 3), Trouble("<!here>", "1"),
        LessonProgress(1, "train", 5, "…"), Notice("x", tuple(Action(f"Button {number}" * 20, "/x") for number in range(60))),
        Notice("<@U1> & <b>" * 300),
    ],
    ids=repr,
)  # fmt: skip
def test_whatever_is_shown_keeps_to_slacks_limits(reply: Reply) -> None:
    shown = blocks.message(reply)
    assert limits.message_problems(shown.blocks, shown.text) == []
    assert shown.text and "<" not in shown.text
    if isinstance(reply, Notice):
        assert limits.view_problems(home.view([reply] * 3)) == []


@pytest.mark.parametrize("prefilled", ["", "x", "x" * 9000])
@pytest.mark.parametrize("command", [*texts.ASKS, "/learn"])
def test_forms_keep_to_slacks_limits(command: str, prefilled: str) -> None:
    origin = Origin("T1:C1:1.0", "C1:1.0", "https://hooks.slack.com/" + "x" * 200, command=command, files=("F0000000000",) * 5)
    for view in (modals.asking(origin, prefilled), modals.teaching(origin, prefilled)):
        assert limits.view_problems(view) == []
        assert modals.origin(view) == origin


def test_an_answers_pair_of_thumbs_is_slacks_own_feedback() -> None:
    kinds = [each["type"] for each in blocks.buttons(cards.actions(Answer("x", None, 0.1)), 1)]
    assert kinds == ["context_actions", "actions"]
    assert [each["type"] for each in blocks.buttons([cards.STOP], None)] == ["actions"]


async def test_markup_is_read_as_words() -> None:
    async def name(user: str) -> str:
        return {"U1": "ada"}[user]

    for markup, said in {
        "<@UBOT> hi": "hi",
        "hi <@U1>, <@U2|bob>": "hi @ada, @bob",
        "<#C1|general> <#C2>": "#general #C2",
        "<https://a.example/?x=1&amp;y=2|label>": "https://a.example/?x=1&y=2",
        "<mailto:a@b.example|a@b.example> <!subteam^S1|@team> <!here> <!date^1^{date}|today>": "a@b.example @team @here today",
        "1 &lt; 2 &amp;&amp; 3 &gt; 2": "1 < 2 && 3 > 2",
        "&lt;@UBOT&gt;": "<@UBOT>",
    }.items():
        assert await words.plain(markup, "UBOT", name) == said


def test_values_of_buttons_hold_everything_that_pressing_them_needs() -> None:
    for action, owner in ((Action("x", "/react 👎", asks=True), 12), (cards.AGREE, None), (Action("x", "/forget 3", danger=True), 1)):
        assert blocks.pressed(blocks.value(action, owner)) == (action.command, action.asks, owner)


@pytest.mark.parametrize("place", [Place("T1", "C2"), Place("T1", "D2", "1.000002"), Place("E1", "G2", "1.0")])
def test_a_place_is_found_again_by_its_string(place: Place) -> None:
    assert places.of(str(place)) == place
    assert place.is_private == place.channel.startswith("D")
    assert places.ts_of(place.message_id("3.0")) == "3.0"


@pytest.mark.parametrize("other", ["", "general", "dm:1", "channel:2", "T1", "T1:C1:x", "T1:C1:1.0:2"])
def test_other_platforms_places_are_not_ours(other: str) -> None:
    assert places.read(other) is None
