"""The fake Slack is strict: what Slack would refuse, it refuses and names."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot import cards, texts
from bot.messages import Action, Answer, LessonProgress, Notice, Reply, Trouble
from bot.platforms.slack import blocks, home, modals, words
from bot.platforms.slack.modals import Origin
from tests.fakes.slack import description, limits
from tests.fakes.slack.fake import FakeSlack

SECTION = {"type": "section", "text": {"type": "plain_text", "text": "x"}}
BUTTON = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "x"}}


@pytest.mark.parametrize(
    ("method", "arguments", "problem"),
    [
        ("chat.post", {}, "no such method"),
        ("chat.postMessage", {"text": "x"}, "channel is missing"),
        ("chat.postMessage", {"channel": "C", "texts": "x"}, "texts is unknown"),
        ("chat.postMessage", {"channel": 7}, "7 is no string"),
        ("chat.appendStream", {"channel": "C", "ts": "1.0"}, "markdown_text is missing"),
        ("agents.sessions.setStatus", {"channel_id": "C", "status": "busy"}, "'busy' is none of"),
    ],
)
def test_a_wrong_call_is_named(method: str, arguments: dict[str, Any], problem: str) -> None:
    assert any(problem in each for each in description.problems(method, {"token": "x", **arguments}))
    assert description.problems("chat.postMessage", {"token": "x", "channel": "C", "text": "x", "thread_ts": None}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        [SECTION] * 51,
        [{"type": "section", "text": {"type": "plain_text", "text": "x" * 3001}}],
        [{"type": "section", "text": {"type": "plain_text", "text": ""}}],
        [{"type": "markdown", "text": "x" * 6001}] * 2,
        [{"type": "input"}],
        [{"type": "actions", "elements": []}],
        [{"type": "actions", "elements": [BUTTON, BUTTON]}],
        [{"type": "actions", "elements": [{**BUTTON, "value": "x" * 2001}]}],
        [{"type": "actions", "elements": [{**BUTTON, "style": "red"}]}],
        [{"type": "actions", "elements": [{"type": "feedback_buttons", "action_id": "a"}]}],
        [{**SECTION, "block_id": "a"}, {**SECTION, "block_id": "a"}],
    ],
)
def test_blocks_that_slack_would_not_take_are_named(wrong: list[dict[str, Any]]) -> None:
    assert limits.message_problems(wrong, "x")
    assert not limits.message_problems([SECTION, {"type": "actions", "elements": [BUTTON]}], "x")


async def test_tokens_and_scopes_are_looked_at() -> None:
    async with FakeSlack() as fake:
        ada = fake.person("ada")
        good = AsyncWebClient(fake.bot_token, fake.api)
        await good.chat_postMessage(channel=ada.id, text="Hello")
        for token, scope, error in (("xoxb-no", "chat:write", "invalid_auth"), (fake.bot_token, "nothing", "missing_scope")):
            fake.server.scopes = {scope}
            with pytest.raises(SlackApiError) as refused:
                await AsyncWebClient(token, fake.api).chat_postMessage(channel=ada.id, text="Hello")
            assert refused.value.response["error"] == error
        assert fake.violations == [] and [each.text for each in fake.said(to=ada)] == ["Hello"]


async def test_what_a_bot_must_not_do_is_a_violation() -> None:
    async with FakeSlack() as fake:
        client = AsyncWebClient(fake.bot_token, fake.api)
        here = fake.general.id
        calls: list[tuple[str, dict[str, Any]]] = [
            ("chat.postMessage", {"channel": here, "text": "x", "thread_ts": "1.0"}),
            ("chat.postMessage", {"channel": here, "blocks": [SECTION]}),
            ("chat.postMessage", {"channel": here, "nonsense": 1}),
            ("chat.startStream", {"channel": here, "thread_ts": "1.0", "markdown_text": "x"}),
            ("views.publish", {"user_id": "U1", "view": {"type": "home", "blocks": [{"type": "markdown", "text": "x"}]}}),
        ]
        for method, arguments in calls:
            before = len(fake.violations)
            with pytest.raises(SlackApiError):
                await client.api_call(method, json=arguments)
            assert len(fake.violations) == before + 1


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
