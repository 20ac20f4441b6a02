"""What Discord would not accept is refused by the fake, too, and collected."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import discord
import pytest
from discord.http import Route

from tests.echo_bot import NOBODY, Echo
from tests.fakes.discord import FakeDiscord


def button(**changes: Any) -> dict[str, Any]:
    return {"type": 1, "components": [{"type": 2, "style": 1, "label": "Stop", "custom_id": "stop", **changes}]}


def embed(size: int) -> dict[str, Any]:
    return {"title": "t", "fields": [{"name": "n", "value": "v" * 1000} for _ in range(size // 1000)]}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"content": "x" * 2001}, "content has 2,001 characters"),
        ({"content": "   "[:0]}, "an empty message"),
        ({"content": 3}, "content: the value is not of types"),
        ({"content": "x", "allowed_mentions": None}, "allowed_mentions is missing"),
        ({"content": "x", "allowed_mentions": {"parse": ["users"]}}, "allows mentions"),
        ({"content": "x", "allowed_mentions": {"parse": [], "replied_user": True}}, "allows mentions"),
        ({"content": "x", "flags": 64}, "flags 64 cannot be set here"),
        ({"embeds": [embed(6000)]}, "the embeds have 6,007 characters"),
        ({"embeds": [{"title": "t" * 257}]}, "embeds.0.title: the value is longer than 256 characters"),
        (
            {"content": "x", "components": [button(custom_id="c" * 101)]},
            "components.0.components.0.custom_id: the value is longer",
        ),
        ({"content": "x", "components": [button(label="")]}, "a button needs a label"),
        ({"content": "x", "components": [button(style=5)]}, "needs a url if it is a link"),
        ({"content": "x", "components": [button(), button()]}, "custom_id used twice"),
        ({"content": "x", "components": [button(custom_id=str(each)) for each in range(6)]}, "6 rows of components"),
        ({"components": [{"type": 10, "content": "Text"}]}, "need the flag IS_COMPONENTS_V2"),
        ({"components": [{"type": 10, "content": "x"}], "content": "x", "flags": 1 << 15}, "content cannot be used"),
        ({"components": [{"type": 10, "content": "x" * 2001}] * 2, "flags": 1 << 15}, "text displays have 4,002"),
        ({"embeds": [{"image": {"url": "attachment://a.png"}}]}, "attachment://a.png is not attached"),
        ({"content": "x", "nonce": "n" * 26}, "nonce: "),
    ],
)
async def test_messages_that_discord_would_not_take_are_collected(fake: FakeDiscord, bot: Echo, body: dict[str, Any], fault: str) -> None:
    route = Route("POST", "/channels/{channel_id}/messages", channel_id=fake.general.id)
    with pytest.raises(discord.HTTPException) as refused:
        await bot.http.request(route, json={"allowed_mentions": NOBODY, **body})
    assert refused.value.status == 400
    (violation,) = fake.violations
    assert violation.startswith("create_message: ") and fault in violation
    assert fake.messages() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "fault"),
    [
        ("GET", "/channels/x", None, "path: channel_id"),
        ("GET", "/channels/1/messages?limit=101", None, "query: limit"),
        ("GET", "/channels/1/messages?size=1", None, "query: size is unknown to list_messages"),
        ("GET", "/nothing", None, "Discord has no such route"),
        ("PATCH", "/channels/1", {"name": "x"}, "the fake does not play"),
        ("PUT", "/applications/1/commands", [{"name": "Learn", "description": "x"}], "is no name"),
        ("PUT", "/applications/1/commands", [{"name": "learn"}], "has no description"),
        ("PUT", "/applications/1/commands", [{"name": "learn", "description": "x"}] * 2, "named twice"),
        ("PUT", "/applications/1/commands", [{"name": "Teach", "type": 3, "description": "x"}], "neither description"),
        (
            "PUT",
            "/applications/1/commands",
            [{"name": "a", "description": "d" * 101}],
            "0.description: the value is longer",
        ),
    ],
)
async def test_requests_that_discord_does_not_know_are_collected(fake: FakeDiscord, bot: Echo, method: str, path: str, body: Any, fault: str) -> None:
    with pytest.raises(discord.HTTPException):
        await bot.http.request(Route(method, path), **({} if body is None else {"json": body}))
    (violation,) = fake.violations
    assert fault in violation


@pytest.mark.parametrize(
    ("callback", "fault"),
    [
        ({"type": 4, "data": {"content": "x"}}, "allowed_mentions is missing"),
        ({"type": 4, "data": {"content": "x" * 2001}}, "data.content: the value is longer than 2000 characters"),
        ({"type": 7, "data": {"content": "x"}}, "takes no callback 7"),
        (
            {"type": 9, "data": {"custom_id": "m", "title": "t" * 46, "components": [{"type": 10, "content": "x"}]}},
            "data.title",
        ),
        (
            {"type": 9, "data": {"custom_id": "m", "title": "t", "components": [{"type": 10, "content": "x"}] * 6}},
            "6 components",
        ),
    ],
)
async def test_answers_to_interactions_are_checked(fake: FakeDiscord, bot: Echo, callback: dict[str, Any], fault: str) -> None:
    bot.tree.clear_commands(guild=None)  # so that nobody but the test answers
    bot.tree.on_error = AsyncMock()  # type: ignore[method-assign]  # it would complain about the unknown command
    used = fake.user("ana").slash("progress", fake.general)
    path = f"/interactions/{used.id}/{used.token}/callback"
    with pytest.raises(discord.HTTPException):
        await bot.http.request(Route("POST", path), json=callback)
    assert fault in fake.violations[0]
    assert fake.unanswered == [used]
    await bot.http.request(Route("POST", path), json={"type": 4, "data": {"content": "x", "allowed_mentions": NOBODY}})
    with pytest.raises(discord.HTTPException):
        await bot.http.request(Route("POST", path), json={"type": 5})
    assert fake.violations[1:] == ["create_interaction_response: Interaction has already been acknowledged."]
