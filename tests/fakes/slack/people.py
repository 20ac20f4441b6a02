"""Somebody in the workspace, and the events that what they do sets off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.fakes.slack.world import APP, Channel, File, Message, Team, User, buttons

if TYPE_CHECKING:
    from tests.fakes.slack.fake import FakeSlack


class Person:
    """Everything that they do comes back once the bot has acknowledged it."""

    def __init__(self, fake: FakeSlack, user: User) -> None:
        self._fake = fake
        self.user = user

    @property
    def id(self) -> str:
        return self.user.id

    @property
    def team(self) -> Team:
        return self._fake.world.teams[self.user.team]

    @property
    def direct(self) -> Channel:
        """Their direct messages with the bot."""
        return self._fake.world.direct(self.id)

    async def says(
        self, text: str, channel: Channel | None = None, *, thread: Message | None = None, mention: bool = True,
        files: Sequence[File] = (), as_given: bool = False,
    ) -> Message:  # fmt: skip
        """Write: directly, or in a channel with a mention of the bot in front. `as_given`: the text is Slack's markup already."""
        place = channel or self.direct
        said = text if as_given else text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        mentions = mention and not place.is_im
        said = f"<@{self.team.bot}> {said}" if mentions else said
        world = self._fake.world
        message = Message(place.id, world.ts(), self.id, said, files=list(files))
        message.thread_ts = (thread.thread_ts or thread.ts) if thread else None
        world.messages.append(message)
        event: dict[str, Any] = message.as_json(self.team) | {
            "channel": place.id,
            "event_ts": message.ts,
            "client_msg_id": f"m{message.ts}",
        }
        if files:
            event["subtype"] = "file_share"
        if place.is_im:
            await self._event(event | {"channel_type": "im"})
            return message
        if self._fake.hears_channels:
            await self._event(event | {"channel_type": "channel"})
        if mentions:
            await self._event({key: value for key, value in event.items() if key != "subtype"} | {"type": "app_mention"})
        return message

    async def writes(self, text: str) -> dict[str, Any]:
        """Write directly; the event, which nobody delivers."""
        message = Message(self.direct.id, self._fake.world.ts(), self.id, text)
        self._fake.world.messages.append(message)
        return message.as_json(self.team) | {"channel": self.direct.id, "channel_type": "im", "event_ts": message.ts}

    async def reacts(self, message: Message, name: str = "+1", *, removed: bool = False) -> None:
        """Put a reaction on a message, or take it off."""
        item = {"type": "message", "channel": message.channel, "ts": message.ts}
        kind = "reaction_removed" if removed else "reaction_added"
        await self._event({"type": kind, "user": self.id, "reaction": name, "item": item, "item_user": message.user})

    async def presses(self, message: Message, label: str) -> None:
        """Press a button below a message."""
        (button,) = (each for each in message.buttons if each.label == label)
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": bool(message.seen_by),
        }
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        told = {} if message.seen_by else {"message": message.as_json(self.team)}
        where = {"channel": {"id": message.channel, "name": self._fake.world.channels[message.channel].name}}
        url = {"response_url": self._fake.server.new_response_url(message.channel, self.id, message)}
        await self._interacts("block_actions", {"container": container, "actions": [self._action(button.action)], **told, **where, **url})

    async def presses_home(self, label: str) -> None:
        """Press a button in the home tab."""
        view = self._fake.world.homes[self.id]
        (button,) = (each for each in buttons(view["blocks"]) if each.label == label)
        container = {"type": "view", "view_id": "VHOME"}
        await self._interacts("block_actions", {"container": container, "actions": [self._action(button.action)], "view": view})

    async def commands(self, command: str, text: str = "", channel: Channel | None = None) -> None:
        """Write a slash command."""
        place = channel or self.direct
        await self._fake.deliver("slash_commands", {
            "token": "x", "team_id": self.team.id, "team_domain": "tutee", "channel_id": place.id, "channel_name": place.name,
            "user_id": self.id, "user_name": self.user.name, "command": command, "text": text, "api_app_id": APP,
            "is_enterprise_install": "false", "response_url": self._fake.server.new_response_url(place.id, self.id, None),
            "trigger_id": self._trigger(),
        })  # fmt: skip

    async def chooses(self, callback: str, message: Message | None = None) -> None:
        """Use a shortcut: everywhere, or of a message."""
        if message is None:
            await self._interacts("shortcut", {"callback_id": callback, "action_ts": self._fake.world.ts()})
            return
        channel = {"id": message.channel, "name": self._fake.world.channels[message.channel].name}
        url = self._fake.server.new_response_url(message.channel, self.id, None)
        await self._interacts("message_action", {
            "callback_id": callback, "action_ts": self._fake.world.ts(), "channel": channel, "message": message.as_json(self.team),
            "message_ts": message.ts, "response_url": url,
        })  # fmt: skip

    async def submits(self, view: dict[str, Any], **values: str | Sequence[File] | None) -> None:
        """Send a form; what is not given keeps what it was prefilled with."""
        state: dict[str, Any] = {}
        for block in view["blocks"]:
            if block["type"] != "input":
                continue
            element = block["element"]
            value: Any = values.get(block["block_id"], element.get("initial_value"))
            given = {"files": [each.as_json() for each in value or ()]} if element["type"] == "file_input" else {"value": value}
            state[block["block_id"]] = {element["action_id"]: {"type": element["type"], **given}}
        submitted = {key: view.get(key) for key in ("id", "type", "callback_id", "private_metadata", "blocks", "title")}
        await self._interacts("view_submission", {"view": submitted | {"state": {"values": state}, "team_id": self.team.id}, "response_urls": []})

    async def opens_home(self) -> None:
        """Look at the home tab."""
        await self._event({"type": "app_home_opened", "user": self.id, "channel": self.direct.id, "tab": "home"})

    async def stops(self, thread: Message) -> None:
        """Press the Stop button that Slack shows while an agent's session is at work."""
        event = {"type": "agent_session_stopped", "channel": thread.channel, "thread_ts": thread.thread_ts or thread.ts}
        await self._event(event | {"user": self.id, "streaming_message_ts": []})

    async def _event(self, event: dict[str, Any]) -> None:
        await self._fake.event(event, team=self.team)

    async def _interacts(self, kind: str, payload: dict[str, Any]) -> None:
        user = {"id": self.id, "username": self.user.name, "name": self.user.name, "team_id": self.team.id}
        common = {"type": kind, "user": user, "team": {"id": self.team.id, "domain": "tutee"}, "api_app_id": APP, "token": "x"}
        await self._fake.deliver("interactive", common | {"trigger_id": self._trigger(), "is_enterprise_install": False} | payload)

    def _action(self, action: dict[str, Any]) -> dict[str, Any]:
        return action | {"action_ts": self._fake.world.ts()}

    def _trigger(self) -> str:
        trigger = f"{self._fake.world.number()}.trigger"
        self._fake.server.methods.triggers.add(trigger)
        return trigger
