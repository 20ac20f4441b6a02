"""What `tutee doctor` asks Slack: whether the tokens work, and what they allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.client import WebClient
from sqlalchemy.exc import SQLAlchemyError

from bot import texts
from bot.doctor import Finding
from bot.platforms.slack.installations import Installations, Installed, WrongKey
from bot.platforms.slack.manifest import scopes
from bot.platforms.slack.platform import API
from storage.session import Database
from trainer.settings import SlackSettings

SECONDS = 10
MOST_WORKSPACES = 20  # that are asked about; more would take minutes where Slack does not answer


def check(settings: SlackSettings, database: Database, api: str = API) -> Iterator[Finding]:
    """The findings. Asks two questions, and one for each workspace; changes nothing."""
    try:
        if settings.client_id is None:
            yield from _workspace("Slack", WebClient(settings.token, api, SECONDS))
        else:
            yield from _workspaces(settings, database, api)
        if settings.port:
            yield Finding("Slack connection", "ok", texts.SLACK_BY_HTTP)
            return
        WebClient(None, api, SECONDS).apps_connections_open(app_token=settings.app_token or "")
        yield Finding("Slack connection", "ok", texts.SLACK_BY_SOCKET)
    except SlackApiError as error:
        yield Finding("Slack", "broken", texts.slack_refused(_name(error)))
    except (SlackClientError, OSError) as error:
        yield Finding("Slack", "broken", f"{texts.SLACK_UNREACHABLE} ({type(error).__name__})")


def _workspaces(settings: SlackSettings, database: Database, api: str) -> Iterator[Finding]:
    """What there is to say of each that has installed the app."""
    try:
        installed = _installed(settings, database)
    except WrongKey:
        yield Finding("Slack", "broken", texts.SLACK_KEY_CHANGED)
        return
    yield Finding("Slack", "ok" if installed else "note", texts.slack_installed([each.name for each in installed], settings.public_url or ""))
    for each in installed[:MOST_WORKSPACES]:
        what = texts.slack_workspace(each.name)
        try:
            yield from _workspace(what, WebClient(each.token, api, SECONDS))
        except SlackApiError as error:
            yield Finding(what, "broken", texts.slack_token_void(_name(error)))


def _installed(settings: SlackSettings, database: Database) -> list[Installed]:
    if database.url.get_backend_name() == "sqlite" and not Path(database.url.database or "").exists():
        return []  # looking would make one
    try:
        return Installations(database, settings.client_id or "", settings.encryption_key or "").all()
    except SQLAlchemyError:  # what is wrong with the database is said where the database is examined
        return []


def _workspace(what: str, client: WebClient) -> Iterator[Finding]:
    answer = client.auth_test()
    yield Finding(what, "ok", texts.slack_found(str(answer["user"]), str(answer["team"])))
    held = str(answer.headers.get("x-oauth-scopes", "")).split(",")
    lacking = sorted(set(scopes()) - set(held))
    yield Finding(f"{what} permissions", "broken" if lacking else "ok", texts.slack_scopes(len(scopes()), lacking))


def _name(error: SlackApiError) -> str:
    return str(error.response.get("error", error.response.status_code))
