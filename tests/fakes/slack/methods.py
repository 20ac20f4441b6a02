"""The Web API methods that are played; each takes arguments and returns what Slack would answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.fakes.slack import limits
from tests.fakes.slack.world import APP, TEAM, Message, World


class Refusal(Exception):
    """Slack says no. `fault`: a bot must not ask for this."""

    def __init__(self, error: str, *, fault: str | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.fault = fault


Arguments = dict[str, Any]


class Methods:
    """`url` is where the fake answers, `team` the workspace whose token the call came with: one call is over before the next one begins."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = ""
        self.team = world.teams[TEAM]
        self.looks = 1  # until a picture is taken in
        self.triggers: set[str] = set()
        self.has_sessions = True
        self.most_appends: int | None = None  # after which a stream ends by itself, as after some minutes
        self.handlers: dict[str, Callable[[Arguments], Arguments]] = {
            "auth.test": self._auth,
            "apps.connections.open": self._connections,
            "users.info": self._user,
            "conversations.open": self._open,
            "conversations.replies": self._replies,
            "chat.postMessage": self._post,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.update": self._update,
            "chat.startStream": self._start,
            "chat.appendStream": self._append,
            "chat.stopStream": self._stop,
            "agents.sessions.setStatus": self._session,
            "assistant.threads.setStatus": self._status,
            "views.open": self._view,
            "views.publish": self._publish,
            "files.info": self._file,
            "files.delete": self._delete,
            "files.getUploadURLExternal": self._upload,
            "files.completeUploadExternal": self._complete,
        }

    def _auth(self, _: Arguments) -> Arguments:
        return {
            "url": "https://tutee.slack.com/", "team": self.team.name, "user": "tutee", "team_id": self.team.id,
            "user_id": self.team.bot, "bot_id": self.team.bot_id,
            "app_id": APP, "is_enterprise_install": False,
        }  # fmt: skip

    def _connections(self, _: Arguments) -> Arguments:
        return {"url": f"{self.url.replace('http', 'ws', 1)}/socket?ticket={self.world.number()}"}

    def _user(self, asked: Arguments) -> Arguments:
        user = self.world.users.get(asked["user"])
        if user is None:
            raise Refusal("user_not_found")
        profile = {"display_name": user.name, "real_name": user.name.title()}
        return {"user": {"id": user.id, "name": user.name.lower(), "real_name": user.name.title(), "profile": profile}}

    def _open(self, asked: Arguments) -> Arguments:
        if asked["users"] not in self.world.users:
            raise Refusal("user_not_found")
        return {"channel": {"id": self.world.direct(asked["users"]).id}}

    def _replies(self, asked: Arguments) -> Arguments:
        message = self.world.message(asked["channel"], asked["ts"])
        if message is None:
            raise Refusal("thread_not_found")
        root = self.world.message(asked["channel"], message.thread_ts or message.ts)
        found = [root or message, message] if message is not root else [message]
        return {"messages": [each.as_json(self.team) for each in found], "has_more": False}

    def _post(self, asked: Arguments) -> Arguments:
        channel = self._channel(asked["channel"])
        _check(asked)
        message = Message(channel, self.world.ts(), self.team.bot, thread_ts=self._thread(channel, asked.get("thread_ts")))
        self._fill(message, asked)
        self.world.messages.append(message)
        return {"channel": channel, "ts": message.ts, "message": message.as_json(self.team)}

    def _post_ephemeral(self, asked: Arguments) -> Arguments:
        channel = self._channel(asked["channel"])
        if asked["user"] not in self.world.users:
            raise Refusal("user_not_in_channel")
        _check(asked)
        message = Message(channel, self.world.ts(), self.team.bot, thread_ts=asked.get("thread_ts"), seen_by=asked["user"])
        self._fill(message, asked)
        self.world.messages.append(message)
        return {"message_ts": message.ts}

    def _update(self, asked: Arguments) -> Arguments:
        message = self._ours(asked)
        if message.seen_by:
            raise Refusal("message_not_found", fault="an ephemeral message cannot be updated")
        if message.streaming:
            raise Refusal("streaming_state_conflict")
        _check(asked)
        self._fill(message, asked)
        return {"channel": message.channel, "ts": message.ts, "text": message.text}

    def _start(self, asked: Arguments) -> Arguments:
        channel = self._channel(asked["channel"])
        if not asked.get("thread_ts"):
            raise Refusal("invalid_arguments", fault="a stream replies to a message")
        if not self.world.channels[channel].is_im and not (asked.get("recipient_user_id") and asked.get("recipient_team_id")):
            raise Refusal("missing_recipient_user_id", fault="a stream in a channel names its recipient")
        _check_markdown(asked.get("markdown_text") or "")
        message = Message(channel, self.world.ts(), self.team.bot, thread_ts=self._thread(channel, asked["thread_ts"]), streaming=True)
        self._grow(message, asked.get("markdown_text") or "")
        self.world.messages.append(message)
        return {"channel": channel, "ts": message.ts}

    def _append(self, asked: Arguments) -> Arguments:
        message = self._ours(asked)
        if self.most_appends is not None and len(message.versions) > self.most_appends:
            message.streaming = False
        if not message.streaming:
            raise Refusal("message_not_in_streaming_state")
        _check_markdown(asked["markdown_text"])
        self._grow(message, asked["markdown_text"])
        return {"channel": message.channel, "ts": message.ts}

    def _stop(self, asked: Arguments) -> Arguments:
        message = self._ours(asked)
        if not message.streaming:
            raise Refusal("message_not_in_streaming_state")
        _check_markdown(asked.get("markdown_text") or "")
        _check({"text": "x", "blocks": asked.get("blocks")})
        message.streaming = False
        self._grow(message, asked.get("markdown_text") or "")
        message.blocks += _decoded(asked.get("blocks")) or []
        return {"channel": message.channel, "ts": message.ts, "message": message.as_json(self.team)}

    def _session(self, asked: Arguments) -> Arguments:
        if not self.has_sessions:
            raise Refusal("feature_disabled")
        if not asked.get("thread_ts"):
            raise Refusal("thread_ts_required", fault="a session belongs to a thread")
        self.world.statuses.append((self._channel(asked["channel_id"]), asked["thread_ts"], asked["status"]))
        return {"status": asked["status"]}

    def _status(self, asked: Arguments) -> Arguments:
        self.world.statuses.append((self._channel(asked["channel_id"]), asked["thread_ts"], asked["status"]))
        return {}

    def _view(self, asked: Arguments) -> Arguments:
        view = self._checked_view(asked, "modal")
        if asked.get("trigger_id") not in self.triggers:
            raise Refusal("expired_trigger_id")
        self.triggers.remove(asked["trigger_id"])
        view = {**view, "id": f"V{self.world.number()}"}
        self.world.views.append(view)
        return {"view": view}

    def _publish(self, asked: Arguments) -> Arguments:
        view = self._checked_view(asked, "home")
        for block in view["blocks"]:
            if "slack_file" in block:
                self._check_picture(block["slack_file"])
        self.world.homes[asked["user_id"]] = view
        return {"view": {}}

    def _checked_view(self, asked: Arguments, kind: str) -> dict[str, Any]:
        view = _decoded(asked["view"])
        wrong = limits.view_problems(view)
        if wrong or view["type"] != kind:
            raise Refusal("invalid_arguments", fault="; ".join(wrong) or f"no {kind}")
        checked: dict[str, Any] = view
        return checked

    def _file(self, asked: Arguments) -> Arguments:
        file = self.world.files.get(asked["file"])
        if file is None:
            raise Refusal("file_not_found")
        file.told.pop("file_access", None)
        told = file.as_json()
        file.looks = max(0, file.looks - 1)
        return {"file": told}

    def _delete(self, asked: Arguments) -> Arguments:
        if asked["file"] not in self.world.files:
            raise Refusal("file_not_found")
        if any(asked["file"] in str(view) for view in self.world.homes.values()):
            raise Refusal("cant_delete_file", fault="somebody is looking at the file")
        del self.world.files[asked["file"]]
        return {}

    def _check_picture(self, named: dict[str, str]) -> None:
        file = self.world.files.get(named["id"])
        if file is None or file.looks or not file.type.startswith("image/"):
            raise Refusal("invalid_arguments", fault=f"{named} is no picture that Slack has taken in")

    def _upload(self, asked: Arguments) -> Arguments:
        is_picture = asked["filename"].endswith(".png")
        file = self.world.file(asked["filename"], b"", "image/png" if is_picture else "application/octet-stream")
        file.looks = self.looks if is_picture else 0
        file.told["awaited"] = int(asked["length"])
        return {"upload_url": f"{self.url}/upload/{file.id}", "file_id": file.id}

    def _complete(self, asked: Arguments) -> Arguments:
        files = [self.world.files[each["id"]] for each in _decoded(asked["files"])]
        for each in files:
            if len(each.content) != each.told["awaited"]:
                raise Refusal("file_update_failed", fault="the file is not what was announced")
        if asked.get("channel_id"):
            channel = self._channel(asked["channel_id"])
            message = Message(channel, self.world.ts(), self.team.bot, thread_ts=self._thread(channel, asked.get("thread_ts")), files=files)
            message.text = asked.get("initial_comment") or ""
            message.versions.append(message.text)
            self.world.messages.append(message)
        return {"files": [{"id": each.id, "title": each.name} for each in files]}

    def _channel(self, name: str) -> str:
        if name in self.world.users and name not in self.world.bots:
            return self.world.direct(name).id
        channel = self.world.channels.get(name)
        if channel is None:
            raise Refusal("channel_not_found")
        if not channel.has_bot:
            raise Refusal("not_in_channel")
        return channel.id

    def _thread(self, channel: str, ts: str | None) -> str | None:
        if ts is None:
            return None
        parent = self.world.message(channel, ts)
        if parent is None:
            raise Refusal("cannot_reply_to_message", fault=f"there is no message {ts} in {channel}")
        return parent.thread_ts or parent.ts

    def _ours(self, asked: Arguments) -> Message:
        message = self.world.message(self._channel(asked["channel"]), asked["ts"])
        if message is None:
            raise Refusal("message_not_found")
        if message.user != self.team.bot:
            raise Refusal("cant_update_message", fault="another's message")
        return message

    def _fill(self, message: Message, asked: Arguments) -> None:
        message.text = asked.get("text") or ""
        message.blocks = _decoded(asked.get("blocks")) or []
        message.versions.append(message.shown)

    def _grow(self, message: Message, more: str) -> None:
        message.text += more
        if message.text:
            message.blocks = [{"type": "markdown", "text": message.text}]
        message.versions.append(message.text)


def _check(asked: Arguments) -> None:
    blocks = _decoded(asked.get("blocks"))
    wrong = limits.message_problems(blocks, asked.get("text"))
    if wrong:
        raise Refusal("invalid_blocks", fault="; ".join(wrong))
    if not asked.get("text") and not blocks:
        raise Refusal("no_text", fault="nothing to show")
    if blocks and not asked.get("text"):
        raise Refusal("no_text", fault="blocks without the text that notifications and screen readers need")


def _check_markdown(text: str) -> None:
    if len(text) > limits.MARKDOWN:
        raise Refusal("msg_too_long", fault=f"markdown_text has {len(text)} characters")


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value else value
