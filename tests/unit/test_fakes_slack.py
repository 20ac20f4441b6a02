"""The fake Slack is strict: what Slack would refuse, it refuses and names."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

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
