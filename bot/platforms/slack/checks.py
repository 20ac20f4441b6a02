"""What `tutee doctor` asks Slack: whether the tokens work, and what they allow."""

from __future__ import annotations

import json
from collections.abc import Iterator

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.client import WebClient

from bot import texts
from bot.doctor import Finding
from bot.platforms.slack.platform import API
from trainer.settings import CONFIGS, SlackSettings

SECONDS = 10


def check(settings: SlackSettings, api: str = API) -> Iterator[Finding]:
    """The findings. Asks two questions; changes nothing."""
    client = WebClient(token=settings.token, base_url=api, timeout=SECONDS)
    try:
        answer = client.auth_test()
        yield Finding("Slack", "ok", texts.slack_found(str(answer["user"]), str(answer["team"])))
        held = str(answer.headers.get("x-oauth-scopes", "")).split(",")
        lacking = sorted(set(scopes()) - set(held))
        yield Finding("Slack permissions", "broken" if lacking else "ok", texts.slack_scopes(len(scopes()), lacking))
        if settings.port:
            yield Finding("Slack connection", "ok", texts.SLACK_BY_HTTP)
            return
        client.apps_connections_open(app_token=settings.app_token or "")
        yield Finding("Slack connection", "ok", texts.SLACK_BY_SOCKET)
    except SlackApiError as error:
        yield Finding("Slack", "broken", texts.slack_refused(str(error.response.get("error", error.response.status_code))))
    except (SlackClientError, OSError) as error:
        yield Finding("Slack", "broken", f"{texts.SLACK_UNREACHABLE} ({type(error).__name__})")


def scopes() -> list[str]:
    """What the app asks a workspace for: what its manifest names."""
    manifest = json.loads((CONFIGS / "slack-manifest.json").read_text(encoding="utf-8"))
    asked: list[str] = manifest["oauth_config"]["scopes"]["bot"]
    return asked
