"""What there is in the workspace: people, channels, messages, files, views."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

TEAM = "T0TUTEE"
BOT = "U0TUTEE"
APP = "A0TUTEE"


@dataclass
class Team:
    """A workspace; `bot` and `bot_id` are the bot's ids there, `token` is the bot's where the app is installed."""

    id: str
    name: str
    bot: str
    bot_id: str
    token: str | None = None


@dataclass
class User:
    """A person, or the bot."""

    id: str
    name: str
    team: str = TEAM


@dataclass
class Channel:
    """A channel of a workspace; `is_im`: somebody's direct messages with the bot."""

    id: str
    name: str
    is_im: bool = False
    has_bot: bool = True
    team: str = TEAM


@dataclass
class File:
    """A file; `content` is what its address gives out. `looks`: how often it is asked for until Slack has taken it in."""

    id: str
    name: str
    content: bytes = b""
    type: str = "application/octet-stream"
    url: str = ""
    looks: int = 0
    told: dict[str, Any] = field(default_factory=dict)
    """What events say of it beside or instead of that."""

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "name": self.name, "title": self.name, "mimetype": "" if self.looks else self.type,
            "size": len(self.content), "mode": "hosted",
            "url_private": self.url, "url_private_download": self.url, **self.told,
        }  # fmt: skip


@dataclass
class Button:
    """What can be pressed below a message or in a home tab."""

    label: str
    action: dict[str, Any]


@dataclass
class Message:
    """A message. `seen_by`: the only one who sees it, if it is ephemeral. `versions`: every text that stood in it."""

    channel: str
    ts: str
    user: str
    text: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    seen_by: str | None = None
    streaming: bool = False
    files: list[File] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """What a person reads."""
        return shown(self.blocks) or self.text

    @property
    def buttons(self) -> list[Button]:
        return buttons(self.blocks)

    def as_json(self, team: Team) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "message", "user": self.user, "text": self.text, "ts": self.ts, "team": team.id}
        if self.blocks:
            found["blocks"] = self.blocks
        if self.thread_ts:
            found["thread_ts"] = self.thread_ts
        if self.files:
            found["files"] = [each.as_json() for each in self.files]
        if self.user == team.bot:
            found |= {"bot_id": team.bot_id, "app_id": APP}
        return found


def shown(blocks: list[dict[str, Any]]) -> str:
    """The texts of blocks, a block a paragraph."""
    texts = []
    for block in blocks:
        if block["type"] == "markdown":
            texts.append(block["text"])
        elif isinstance(block.get("text"), dict):
            texts.append(block["text"]["text"])
        elif block["type"] == "image":
            texts.append(f"[{block['alt_text']}]")
        elif block["type"] == "context":
            texts += [each["text"] for each in block["elements"] if "text" in each]
    return "\n".join(texts)


def buttons(blocks: list[dict[str, Any]]) -> list[Button]:
    """Everything that can be pressed."""
    found = []
    for block in blocks:
        elements = [*block.get("elements", []), *([block["accessory"]] if "accessory" in block else [])]
        for each in elements:
            common = {
                "action_id": each.get("action_id"),
                "block_id": block.get("block_id", "b1"),
                "type": each.get("type"),
            }
            if each.get("type") == "button":
                found.append(Button(each["text"]["text"], {**common, "value": each.get("value"), "text": each["text"]}))
            elif each.get("type") == "feedback_buttons":
                pair = (each["positive_button"], each["negative_button"])
                found += [Button(part["text"]["text"], {**common, "value": part["value"], "text": part["text"]}) for part in pair]
    return found


class World:
    """A workspace with a channel "general" that the bot is in, and others."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._start = int(time.time())
        self.teams: dict[str, Team] = {TEAM: Team(TEAM, "Tutee's", BOT, "B0TUTEE")}
        self.users: dict[str, User] = {BOT: User(BOT, "Tutee")}
        self.channels: dict[str, Channel] = {}
        self.messages: list[Message] = []
        self.files: dict[str, File] = {}
        self.views: list[dict[str, Any]] = []
        self.homes: dict[str, dict[str, Any]] = {}
        self.statuses: list[tuple[str, str | None, str]] = []
        self.channel("general")

    def number(self) -> int:
        return next(self._numbers)

    def ts(self) -> str:
        """The time stamp, unique in the workspace, of something that happens now."""
        number = self.number()
        return f"{self._start + number}.{number:06d}"

    @property
    def bots(self) -> set[str]:
        """The bot's ids in all workspaces."""
        return {each.bot for each in self.teams.values()}

    def team(self, name: str) -> Team:
        """Another workspace, which does not have the app yet."""
        number = self.number()
        team = Team(f"T{number:05d}", name, f"U{number:05d}BOT", f"B{number:05d}")
        self.teams[team.id] = team
        self.users[team.bot] = User(team.bot, "Tutee", team.id)
        return team

    def user(self, name: str, team: str = TEAM) -> User:
        for each in self.users.values():
            if (each.name, each.team) == (name, team):
                return each
        user = User(f"U{self.number():05d}{name.upper()}", name, team)
        self.users[user.id] = user
        return user

    def channel(self, name: str, *, has_bot: bool = True, team: str = TEAM) -> Channel:
        for each in self.channels.values():
            if (each.name, each.team) == (name, team) and not each.is_im:
                return each
        channel = Channel(f"C{self.number():05d}{name.upper()}", name, has_bot=has_bot, team=team)
        self.channels[channel.id] = channel
        return channel

    def direct(self, user_id: str) -> Channel:
        """The direct messages of that person with the bot."""
        channel = Channel(f"D{user_id[1:]}", "directmessage", is_im=True, team=self.users[user_id].team)
        return self.channels.setdefault(channel.id, channel)

    def message(self, channel: str, ts: str) -> Message | None:
        return next((each for each in self.messages if (each.channel, each.ts) == (channel, ts)), None)

    def file(self, name: str, content: bytes, type_: str) -> File:
        file = File(f"F{self.number():05d}", name, content, type_)
        self.files[file.id] = file
        return file
