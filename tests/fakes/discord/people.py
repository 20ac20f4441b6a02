"""What people do in the fake Discord. A person can do only what Discord's own program would let them do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.fakes.discord.forms import filled_in
from tests.fakes.discord.limits import BUTTON, STRING_SELECT, walk
from tests.fakes.discord.messages import Interaction, Message
from tests.fakes.discord.places import DM, GROUP, Channel, File, User
from tests.fakes.discord.world import World

CHAT_COMMAND, MESSAGE_COMMAND = 1, 3
SUBCOMMANDS, ATTACHMENT = (1, 2), 11


class Person:
    """One user at the keyboard. Where no channel is given, commands are used in the direct chat with the bot."""

    def __init__(self, world: World, user: User, files_url: str) -> None:
        self.user = user
        self._world = world
        self._files_url = files_url

    @property
    def id(self) -> str:
        """The account's id, as text."""
        return str(self.user.id)

    @property
    def direct(self) -> Channel:
        """The direct chat with the bot."""
        return self._world.dm(self.user)

    def dm(self, text: str, *, reply_to: Message | None = None, attachments: Sequence[File] = ()) -> Message:
        """Write to the bot alone."""
        return self.says(self.direct, text, reply_to=reply_to, attachments=attachments)

    def says(
        self, channel: Channel, text: str, *, mention: bool = False, reply_to: Message | None = None,
        attachments: Sequence[File] = (),
    ) -> Message:  # fmt: skip
        """Write a message; `mention`: of the bot. A reply mentions whom it replies to, as it does unless switched off."""
        content = f"<@{self._world.bot.id}> {text}" if mention else text
        mentions = self._world.mentioned(content)
        if reply_to and reply_to.author not in mentions:
            mentions.append(reply_to.author)
        files = [self._uploaded(each) for each in attachments]
        return self._world.post(Message(channel, self.user, content, mentions=mentions, reply_to=reply_to, attachments=files))

    def edits(self, message: Message, text: str) -> None:
        """Change what one has written."""
        assert message.author is self.user
        self._world.change(message, {"content": text, "mentions": self._world.mentioned(text)})

    def deletes(self, message: Message) -> None:
        """Take back what one has written."""
        assert message.author is self.user
        self._world.remove(message)

    def starts_thread(self, channel: Channel, name: str) -> Channel:
        """Open a public thread."""
        return self._world.add_thread(name, channel, self.user)

    def reacts(self, message: Message, emoji: str) -> None:
        """Put an emoji under a message."""
        self._sees(message)
        assert not message.ephemeral, "an ephemeral message takes no reactions"
        self._world.react(message, self.user, emoji, add=True)

    def unreacts(self, message: Message, emoji: str) -> None:
        """Take an emoji back."""
        assert self.user in message.reactions.get(emoji, ()), "no such reaction of theirs"
        self._world.react(message, self.user, emoji, add=False)

    def slash(self, name: str, channel: Channel | None = None, **options: Any) -> Interaction:
        """Use `/name`, or `/name sub`. An attachment is a File; user, channel and role options take ids."""
        place = channel or self.direct
        command, path, offered = self._command(name, place)
        needed = {each["name"] for each in offered if each.get("required")}
        assert needed <= set(options), f"/{name} needs {needed - set(options)}"
        return self._use(place, 2, self._command_data(command, path, self._filled(offered, options)))

    def autocomplete(self, name: str, option: str, typed: str = "", channel: Channel | None = None) -> Interaction:
        """Type into an option of a command; the answer's `choices` are what is offered."""
        place = channel or self.direct
        command, path, offered = self._command(name, place)
        entry = next((each for each in offered if each["name"] == option), None)
        assert entry and entry.get("autocomplete"), f"/{name} {option} has no autocomplete"
        values = [{"name": option, "type": entry["type"], "value": typed, "focused": True}]
        return self._use(place, 4, self._command_data(command, path, (values, {})))

    def menu(self, name: str, message: Message) -> Interaction:
        """Choose an entry of a message's context menu."""
        self._sees(message)
        command = self._registered(MESSAGE_COMMAND, name, message.channel)
        shown = {str(message.id): message.payload(self._world.bot)}
        data = self._command_data(command, [], ([], {"messages": shown})) | {"target_id": str(message.id)}
        return self._use(message.channel, 2, data)

    def presses(self, message: Message, label: str) -> Interaction:
        """Press the button with that label, emoji or custom id."""
        button = self._found(message, BUTTON, lambda each: label in _names(each))
        assert button, f"no button {label!r}, but {message.labels}"
        assert not button.get("disabled"), f"the button {label!r} is switched off"
        assert "custom_id" in button, f"the button {label!r} is a link"
        return self._component(message, button, {})

    def chooses(self, message: Message, *labels: str, custom_id: str | None = None) -> Interaction:
        """Choose options of a select."""
        select = self._found(message, STRING_SELECT, lambda each: custom_id in (None, each["custom_id"]))
        assert select and not select.get("disabled"), "no select that can be used"
        values = {each["label"]: each["value"] for each in select["options"]}
        assert set(labels) <= set(values), f"no options {set(labels) - set(values)}, but {list(values)}"
        assert select.get("min_values", 1) <= len(labels) <= select.get("max_values", 1)
        return self._component(message, select, {"values": [values[each] for each in labels]})

    def submits(self, opened: Interaction, values: Mapping[str, Any] | None = None, /, **by_id: Any) -> Interaction:
        """Send a modal that was opened; values by label or custom id, those not given as they were prefilled."""
        assert opened.modal and opened.user is self.user, "no modal was opened for them"
        components, files = filled_in(opened.modal, {**(values or {}), **by_id})
        resolved = {str(each.id): self._uploaded(each).payload() for each in files}
        data = {"custom_id": opened.modal["custom_id"], "components": components}
        if resolved:
            data["resolved"] = {"attachments": resolved}
        message = opened.message if opened.kind == 3 else None
        return self._world.interact(Interaction(self.user, opened.channel, 5, data, message))

    def _use(self, channel: Channel, kind: int, data: dict[str, Any]) -> Interaction:
        return self._world.interact(Interaction(self.user, channel, kind, data))

    def _component(self, message: Message, component: Mapping[str, Any], extra: dict[str, Any]) -> Interaction:
        data = {
            "component_type": component["type"], "custom_id": component["custom_id"], "id": component["id"], **extra
        }  # fmt: skip
        return self._world.interact(Interaction(self.user, message.channel, 3, data, message))

    def _found(self, message: Message, kind: int, wanted: Any) -> Mapping[str, Any] | None:
        self._sees(message)
        return next((each for each in walk(message.components) if each["type"] == kind and wanted(each)), None)

    def _sees(self, message: Message) -> None:
        assert not message.deleted, "the message is gone"
        assert message.seen_by in (None, self.user), f"only {message.seen_by and message.seen_by.name} sees the message"

    def _command(self, name: str, channel: Channel) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
        """A command, the subcommands on the way, and the options at their end."""
        first, *rest = name.split()
        command = self._registered(CHAT_COMMAND, first, channel)
        path, offered = [], command.get("options", [])
        for each in rest:
            step = next((one for one in offered if one["type"] in SUBCOMMANDS and one["name"] == each), None)
            assert step, f"/{name}: no subcommand {each!r}, but {[one['name'] for one in offered]}"
            path.append(step)
            offered = step.get("options", [])
        assert not any(each["type"] in SUBCOMMANDS for each in offered), f"/{name} needs a subcommand"
        return command, path, offered

    def _registered(self, kind: int, name: str, channel: Channel) -> dict[str, Any]:
        commands = [
            *self._world.commands.get(channel.guild.id if channel.guild else 0, []),
            *self._world.commands[None],
        ]
        offered = [each for each in commands if each["type"] == kind and _is_offered(each, channel)]
        found = next((each for each in offered if each["name"] == name), None)
        assert found, f"{name!r} is not offered here, but {[each['name'] for each in offered]}"
        rights = found["default_member_permissions"]
        assert rights is None or self.user is self._world.owner, f"{name!r} is offered to administrators only"
        return found

    def _filled(self, offered: list[dict[str, Any]], values: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        by_name = {each["name"]: each for each in offered}
        assert set(values) <= set(by_name), f"no options {set(values) - set(by_name)}, but {list(by_name)}"
        filled, files = [], {}
        for name, value in values.items():
            option = by_name[name]
            if option["type"] == ATTACHMENT:
                file = self._uploaded(value)
                files[str(file.id)] = file.payload()
                value = str(file.id)
            elif choices := option.get("choices"):
                assert value in [each["value"] for each in choices], f"{value!r} is no choice of {name}"
            if isinstance(value, str):
                longest = option.get("max_length", 6000)
                assert option.get("min_length", 0) <= len(value) <= longest, f"{name} takes at most {longest} characters"
            filled.append({"name": name, "type": option["type"], "value": value})
        return filled, {"attachments": files} if files else {}

    @staticmethod
    def _command_data(command: Mapping[str, Any], path: list[dict[str, Any]], filled: tuple[list[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        options, resolved = filled
        for step in reversed(path):
            options = [{"name": step["name"], "type": step["type"], "options": options}]
        data = {"id": command["id"], "name": command["name"], "type": command["type"], "options": options}
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        return {**data, "resolved": resolved} if resolved else data

    def _uploaded(self, file: File) -> File:
        file.url = f"{self._files_url}/attachments/{file.id}/{file.name}"
        self._world.files[file.id] = file
        return file


def _is_offered(command: Mapping[str, Any], channel: Channel) -> bool:
    context = {DM: 1, GROUP: 2}.get(channel.kind, 0)
    contexts = command.get("contexts")
    if contexts is None:
        return context == 0 or (context == 1 and command.get("dm_permission", True))
    return context in contexts


def _names(button: Mapping[str, Any]) -> Iterator[Any]:
    yield button.get("label")
    yield button.get("custom_id")
    yield (button.get("emoji") or {}).get("name")
