"""What `tutee doctor` finds out about Discord, from a server on loopback that answers as Discord does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from discord.http import Route

from bot import texts
from bot.platforms.discord.checks import check
from bot.platforms.discord.client import PERMISSIONS
from trainer.settings import DiscordSettings

TOKEN = "MTIz.token"


class Portal:
    """One application and its servers."""

    def __init__(self) -> None:
        self.application: dict[str, Any] = {"id": "123", "name": "Tutee", "flags": 0}
        self.guilds: list[dict[str, Any]] = [{"id": "1", "name": "Office", "permissions": str(PERMISSIONS.value)}]


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Portal]:
    """Discord's portal, where discord.py's constants point."""
    portal = Portal()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == f"Bot {TOKEN}"
            answers: dict[str, Any] = {"/applications/@me": portal.application, "/users/@me/guilds": portal.guilds}
            body = json.dumps(answers[self.path] if known else {"message": "401: Unauthorized", "code": 0}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setattr(Route, "BASE", f"http://127.0.0.1:{server.server_address[1]}")
    yield portal
    server.shutdown()
    server.server_close()


def report(**settings: Any) -> dict[str, list[tuple[str, str]]]:
    """State and text of each finding, by what it is about."""
    found: dict[str, list[tuple[str, str]]] = {}
    for each in check(DiscordSettings(**{"token": TOKEN, **settings})):
        found.setdefault(each.what, []).append((each.state, each.text))
    return found


def test_all_is_well_and_the_invite_link_asks_for_what_is_needed(portal: Portal) -> None:
    found = report()
    assert [state for states in found.values() for state, _ in states] == ["ok"] * 4
    assert "without the Message Content Intent" in found["Discord intents"][0][1]
    link = found["Discord invite"][0][1]
    assert "client_id=123" in link and f"permissions={PERMISSIONS.value}" in link and "applications.commands" in link


def test_a_wrong_token_is_said_without_showing_it(portal: Portal) -> None:
    found = report(token="geheim")
    assert found == {"Discord": [("broken", texts.DISCORD_LOGIN_REFUSED)]}


@pytest.mark.parametrize(("flags", "state"), [(0, "broken"), (1 << 18, "ok"), (1 << 19, "ok")])
def test_the_intent_must_be_granted_where_it_is_asked_for(portal: Portal, flags: int, state: str) -> None:
    portal.application["flags"] = flags
    assert report(message_content=True)["Discord intents"][0][0] == state


def test_what_the_bot_may_not_do_in_a_server_is_named(portal: Portal) -> None:
    portal.guilds += [
        {"id": "2", "name": "Garden", "permissions": "0"}, {"id": "3", "name": "Owned", "permissions": str(1 << 3)},
    ]  # fmt: skip
    notes = [text for state, text in report()["Discord servers"] if state == "note"]
    assert len(notes) == 1 and notes[0].startswith("in Garden it lacks") and "send messages" in notes[0]


def test_no_server_yet_is_a_note(portal: Portal) -> None:
    portal.guilds.clear()
    assert report()["Discord servers"] == [("note", "in no server yet: open the invite link")]


def test_without_network_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Route, "BASE", "http://127.0.0.1:1")
    ((state, text),) = report()["Discord"]
    assert state == "broken" and text.startswith(texts.DISCORD_UNREACHABLE)
