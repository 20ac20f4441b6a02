"""The manifest that makes the Slack app: Slack takes it, and it asks for what the bot uses and nothing more."""

from __future__ import annotations

import json
import lzma
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from jsonschema_rs import Draft7Validator
from redis import Redis

from bot import texts
from bot.platforms.slack import hearing
from bot.platforms.slack.checks import check
from bot.platforms.slack.hearing import COMMAND, TEACH, TEACH_FROM
from bot.platforms.slack.manifest import scopes
from bot.queue import JobQueue
from bot.wiring import NotConfigured, platforms, require_platforms
from storage.session import Database
from tests.fakes.slack import description
from tests.fakes.slack.server import SCOPES
from trainer.configuration import CONFIGS, load
from trainer.settings import Settings, SlackSettings

SEVERAL = SlackSettings(
    terms_acknowledged=True, app_token="xapp-1", client_id="1.2", client_secret="s", encryption_key=Fernet.generate_key().decode(),
    public_url="https://tutee.example.org",
)  # fmt: skip
SCHEMA = Path(__file__).parents[1] / "data" / "slack_manifest.schema.json.xz"


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONFIGS / "slack-manifest.json").read_text())
    return found


def test_slacks_schema_takes_it(manifest: dict[str, Any]) -> None:
    validator = Draft7Validator(json.loads(lzma.decompress(SCHEMA.read_bytes())))
    assert [error.message for error in validator.iter_errors(manifest)] == []
    broken = {**manifest, "features": {**manifest["features"], "slash_commands": [{"command": "learn"}]}}
    assert not validator.is_valid(broken)


def test_it_is_an_agent_with_a_home_and_a_messages_tab(manifest: dict[str, Any]) -> None:
    features = manifest["features"]
    assert "agent_view" in features and "assistant_view" not in features
    assert features["app_home"] == {
        "home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False,
    }  # fmt: skip
    assert manifest["settings"]["socket_mode_enabled"] and manifest["settings"]["interactivity"]["is_enabled"]


def test_it_names_every_command_and_shortcut_that_the_bot_understands(manifest: dict[str, Any]) -> None:
    named = {each["command"] for each in manifest["features"]["slash_commands"]}
    # A question is simply written, and Slack keeps /help for itself: /tutee alone helps.
    assert named == {COMMAND, *(f"/{name}" for name in texts.COMMANDS if name not in ("ask", "help"))}
    assert {each["callback_id"] for each in manifest["features"]["shortcuts"]} == {TEACH, TEACH_FROM}


def test_it_asks_for_the_scopes_of_what_is_used_and_for_no_more(manifest: dict[str, Any]) -> None:
    assert sorted(scopes()) == sorted(SCOPES)
    events = set(manifest["settings"]["event_subscriptions"]["bot_events"])
    source = Path(hearing.__file__).read_text()
    by_bolt = {"app_uninstalled", "tokens_revoked"}  # the end of an installation
    assert all(each.partition(".")[0] in source for each in events) and by_bolt <= events
    for method in ("chat.postMessage", "users.info", "conversations.open", "conversations.replies", "files.info", "files.completeUploadExternal"):
        assert set(description.scopes(method)) & set(scopes()), method
    # Nothing that lets it read along where it was not spoken to.
    assert not {"channels:history", "groups:history", "mpim:history"} & set(scopes())


def test_secrets_are_not_for_the_file_and_ids_must_be_ids(tmp_path: Path) -> None:
    for text, word in (
        ("slack: {app_token: xapp-1}", "secret"),
        ("slack: {client_secret: s}", "secret"),
        ("slack: {encryption_key: k}", "secret"),
        ("slack: {owners: [ada]}", "slack.owners"),
        ("slack: {port: 70000}", "slack.port"),
    ):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(Exception, match=word):
            load(tmp_path / "c.yaml", {})
    with pytest.raises(Exception, match="https"):
        load(None, {}, data=str(tmp_path), slack={"public_url": "http://tutee.example.org"})
    secrets = {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "hidden-1", "SLACK_ENCRYPTION_KEY": "hidden-2"}
    several = load(None, secrets, data=str(tmp_path))
    assert (several.slack.client_id, several.slack.client_secret, several.slack.encryption_key) == ("1.2", "hidden-1", "hidden-2")
    assert several.slack.is_configured and "hidden" not in repr(several)
    found = load(None, {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": "s"}, data=str(tmp_path))
    assert (found.slack.token, found.slack.app_token, found.slack.signing_secret) == ("xoxb-1", "xapp-1", "s")
    assert "xoxb-1" not in repr(found) and "xapp-1" not in repr(found)


@pytest.mark.parametrize(
    ("slack", "sentence"),
    [
        (SlackSettings(token="xoxb-1", app_token="xapp-1"), texts.SLACK_TERMS),
        (SlackSettings(terms_acknowledged=True, token="xoxb-1"), texts.slack_incomplete("SLACK_APP_TOKEN")),
        (SlackSettings(terms_acknowledged=True, app_token="xapp-1"), texts.slack_incomplete("SLACK_BOT_TOKEN")),
        (SlackSettings(terms_acknowledged=True, token="xoxb-1", port=3000), texts.SLACK_UNSIGNED),
        (replace(SEVERAL, token="xoxb-1"), texts.SLACK_ONE_OR_SEVERAL),
        (replace(SEVERAL, client_secret=None), texts.slack_oauth_incomplete(["SLACK_CLIENT_SECRET"])),
        (replace(SEVERAL, encryption_key=None), texts.slack_oauth_incomplete(["SLACK_ENCRYPTION_KEY"])),
        (replace(SEVERAL, encryption_key="tutee"), texts.SLACK_KEY_WRONG),
        (replace(SEVERAL, public_url=None), texts.SLACK_NOWHERE_TO_INSTALL),
        (replace(SEVERAL, app_token=None), texts.SLACK_NOT_HEARD),
    ],
)
def test_slack_is_not_started_before_everything_is_there(tmp_path: Path, slack: SlackSettings, sentence: str) -> None:
    with pytest.raises(NotConfigured) as refused:
        require_platforms(Settings(data=tmp_path, slack=slack))
    assert refused.value.user_message == sentence


@pytest.mark.parametrize("slack", [SlackSettings(terms_acknowledged=True, token="xoxb-1", app_token="xapp-1"), SEVERAL])
def test_slack_is_started_when_everything_is_there(tmp_path: Path, slack: SlackSettings) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tutee.db'}")  # neither is asked for anything yet
    (started,) = platforms(Settings(data=tmp_path, slack=slack), JobQueue(Redis(port=9)), database)
    assert started.name == "slack" and started.serves("T1:C1:1.0") and not started.serves("dm:1")


def test_the_doctor_says_so_where_slack_does_not_answer() -> None:
    (finding,) = check(SlackSettings(token="xoxb-1", app_token="xapp-1"), Database("sqlite://"), "http://127.0.0.1:9/api/")
    assert finding.state == "broken" and finding.text.startswith(texts.SLACK_UNREACHABLE)
