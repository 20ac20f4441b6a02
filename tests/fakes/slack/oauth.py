"""How a workspace comes to have the app: its people agree in a browser, and the app exchanges a code for a token."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp

from tests.fakes.slack.methods import Arguments, Refusal
from tests.fakes.slack.world import APP, Team, World

CLIENT_ID, CLIENT_SECRET = "123.456", "0b5cur3-client-secret"


@dataclass
class OAuth:
    """`tokens` are those that Slack takes, each with the id of its workspace."""

    world: World
    tokens: dict[str, str]
    codes: dict[str, tuple[Team, str, str]] = field(default_factory=dict)

    def agree(self, address: str, team: Team) -> str:
        """Somebody there agrees on the page with that address; where their browser is sent back to."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
        assert asked["client_id"] == CLIENT_ID and asked["scope"] and asked["state"], asked
        code = f"code.{self.world.number()}"
        self.codes[code] = team, asked["redirect_uri"], asked["scope"]
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def access(self, asked: Arguments) -> Arguments:
        """oauth.v2.access."""
        if (asked.get("client_id"), asked.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise Refusal("bad_client_secret")
        team, redirect, scope = self.codes.pop(asked.get("code", ""), (None, "", ""))
        if team is None:
            raise Refusal("invalid_code")
        if asked.get("redirect_uri") != redirect:
            raise Refusal("bad_redirect_uri")
        self.tokens.pop(team.token or "", None)
        team.token = f"xoxb-{team.id}-{self.world.number()}"
        self.tokens[team.token] = team.id
        return {
            "access_token": team.token, "token_type": "bot", "scope": scope, "bot_user_id": team.bot, "app_id": APP,
            "team": {"id": team.id, "name": team.name}, "enterprise": None, "is_enterprise_install": False,
            "authed_user": {"id": self.world.user("installer", team.id).id},
        }  # fmt: skip


class Browser:
    """Somebody who installs the app; `base` is where its pages are."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._cookie = ""

    async def begins(self) -> str:
        """Open the app's page; the address on Slack that it leads to."""
        status, headers, _ = await self._get("/slack/install")
        assert status == 302, status
        self._cookie = headers["Set-Cookie"].partition(";")[0]
        return headers["Location"]

    async def comes_back(self, address: str) -> tuple[int, str]:
        """Slack has sent them back there; what they see then."""
        split = urlsplit(address)
        status, _, text = await self._get(f"{split.path}?{split.query}")
        return status, text

    async def _get(self, path: str) -> tuple[int, dict[str, str], str]:
        headers = {"Cookie": self._cookie} if self._cookie else {}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._base}{path}", headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, dict(answer.headers), await answer.text()
