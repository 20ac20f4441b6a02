"""What Discord demands beyond its OpenAPI description, and what a well-behaved bot demands of itself: no message pings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

CONTENT = 2000
EMBEDS = 6000
TEXT_DISPLAYS = 4000
COMPONENTS_V2 = 40
FILE_BYTES = 10 * 1024 * 1024

SUPPRESS_EMBEDS, EPHEMERAL, SUPPRESS_NOTIFICATIONS, IS_VOICE, IS_V2 = 1 << 2, 1 << 6, 1 << 12, 1 << 13, 1 << 15
ROW, BUTTON, STRING_SELECT, TEXT_INPUT, TEXT_DISPLAY, LABEL = 1, 2, 3, 4, 10, 18
MEDIA_GALLERY, CONTAINER = 12, 17
SELECTS = (3, 5, 6, 7, 8)

_CREATE_FLAGS = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | IS_VOICE | IS_V2
_INTERACTION_EDITS = ("update_original_webhook_message", "update_webhook_message")
_NAME = re.compile(r"[-_'\w]{1,32}")


def problems(operation: str, body: Any, files: Mapping[str, bytes], *, was_v2: bool = False) -> list[str]:
    """What is wrong with the body of a request; `was_v2`: the message that it edits has components of the second version."""
    return list(_problems(operation, body, files, was_v2))


def walk(components: Any) -> Iterator[dict[str, Any]]:
    """Every component of a message or modal, outer ones first."""
    for each in components or ():
        yield each
        yield from walk(each.get("components"))
        yield from walk([each[key] for key in ("component", "accessory") if each.get(key)])


def _problems(operation: str, body: Any, files: Mapping[str, bytes], was_v2: bool) -> Iterator[str]:
    match operation:
        case "create_message":
            yield from _created(body, files, _CREATE_FLAGS)
        case "update_message":
            yield from _message(body, files, SUPPRESS_EMBEDS | IS_V2, was_v2)
        case "execute_webhook":
            yield from _created(body, files, _CREATE_FLAGS | EPHEMERAL)
        case _ if operation in _INTERACTION_EDITS:
            yield from _message(body, files, SUPPRESS_EMBEDS | IS_V2, was_v2)
        case "create_interaction_response":
            yield from _callback(body, files, was_v2)
        case "bulk_set_application_commands" | "bulk_set_guild_application_commands":
            yield from _commands(body or [])
        case "create_application_command" | "create_guild_application_command":
            yield from _commands([body])


def _callback(body: Mapping[str, Any], files: Mapping[str, bytes], was_v2: bool) -> Iterator[str]:
    data = body.get("data") or {}
    match body["type"]:
        case 4:
            yield from _created(data, files, _CREATE_FLAGS | EPHEMERAL)
        case 5:
            if data.get("flags", 0) & ~EPHEMERAL:
                yield "a deferred answer takes no flag but ephemeral"
        case 7:
            yield from _message(data, files, SUPPRESS_EMBEDS | IS_V2, was_v2)
        case 9:
            yield from _modal(data)


def _created(message: Mapping[str, Any], files: Mapping[str, bytes], flags: int) -> Iterator[str]:
    if not (message.get("content") or files or any(message.get(key) for key in ("embeds", "components", "poll", "sticker_ids"))):
        yield "an empty message"
    mentions = message.get("allowed_mentions")
    if mentions is None:
        yield "allowed_mentions is missing: the text may ping people"
    elif any(mentions.get(key) for key in ("parse", "users", "roles", "replied_user")):
        yield f"allowed_mentions allows mentions: {mentions}"
    yield from _message(message, files, flags, False)


def _message(message: Mapping[str, Any], files: Mapping[str, bytes], flags: int, was_v2: bool) -> Iterator[str]:
    if len(message.get("content") or "") > CONTENT:
        yield f"content has {len(message['content']):,} characters; {CONTENT:,} are allowed"
    if (size := _embed_size(message.get("embeds") or ())) > EMBEDS:
        yield f"the embeds have {size:,} characters; {EMBEDS:,} are allowed"
    if unknown := (message.get("flags") or 0) & ~flags:
        yield f"flags {unknown} cannot be set here"
    yield from _attachments(message, files)
    is_v2 = was_v2 or bool((message.get("flags") or 0) & IS_V2)
    components = message.get("components") or []
    if is_v2:
        yield from _second_version(message, components)
    else:
        if len(components) > 5:
            yield f"{len(components)} rows of components; 5 are allowed"
        if any(each["type"] != ROW for each in components):
            yield "components other than rows need the flag IS_COMPONENTS_V2"
    yield from _components(components)


def _second_version(message: Mapping[str, Any], components: list[Mapping[str, Any]]) -> Iterator[str]:
    for key in ("content", "embeds", "poll", "sticker_ids"):
        if message.get(key):
            yield f"{key} cannot be used with IS_COMPONENTS_V2"
    if (count := sum(1 for _ in walk(components))) > COMPONENTS_V2:
        yield f"{count} components; {COMPONENTS_V2} are allowed"
    written = sum(len(each["content"]) for each in walk(components) if each["type"] == TEXT_DISPLAY)
    if written > TEXT_DISPLAYS:
        yield f"the text displays have {written:,} characters; {TEXT_DISPLAYS:,} are allowed"


def _components(components: list[Mapping[str, Any]]) -> Iterator[str]:
    everything = list(walk(components))
    twice = [each for each, count in Counter(each.get("custom_id") for each in everything).items() if each and count > 1]
    if twice:
        yield f"custom_id used twice: {twice}"
    for each in everything:
        if each["type"] == ROW:
            inside = [child["type"] for child in each["components"]]
            if any(kind != BUTTON for kind in inside) and len(inside) > 1:
                yield "a row holds buttons only, or one other component"
        elif each["type"] == BUTTON:
            yield from _button(each)
        elif each["type"] == STRING_SELECT:
            yield from _select(each)


def _button(button: Mapping[str, Any]) -> Iterator[str]:
    is_link, is_premium = button["style"] == 5, button["style"] == 6
    if not is_premium and not (button.get("label") or button.get("emoji")):
        yield "a button needs a label or an emoji"
    if is_link != bool(button.get("url")) or (is_link or is_premium) == bool(button.get("custom_id")):
        yield f"the button {button.get('label')!r} needs a url if it is a link, a custom_id if not"


def _select(select: Mapping[str, Any]) -> Iterator[str]:
    values = [each["value"] for each in select["options"]]
    if len(set(values)) < len(values):
        yield f"the select {select['custom_id']!r} has a value twice"
    low, high = select.get("min_values", 1), select.get("max_values", 1)
    if low > high or high > len(values):
        yield f"the select {select['custom_id']!r} asks for {low} to {high} of {len(values)} options"
    if sum(bool(each.get("default")) for each in select["options"]) > high:
        yield f"the select {select['custom_id']!r} has more defaults than may be chosen"


def _attachments(message: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[str]:
    names = {f"files[{each['id']}]" for each in message.get("attachments") or ()}
    if missing := set(files) - names:
        yield f"uploaded without an entry in attachments: {sorted(missing)}"
    for name, content in files.items():
        if len(content) > FILE_BYTES:
            yield f"{name} has {len(content):,} bytes; {FILE_BYTES:,} are allowed"
    shown = {each.get("filename") for each in message.get("attachments") or ()}
    for wanted in re.findall(r"'attachment://([^']+)'", str(message)):
        if wanted not in shown:
            yield f"attachment://{wanted} is not attached"


def _embed_size(embeds: Any) -> int:
    def size(embed: Mapping[str, Any]) -> int:
        fields = sum(len(each["name"]) + len(each["value"]) for each in embed.get("fields") or ())
        author, footer = (embed.get("author") or {}).get("name"), (embed.get("footer") or {}).get("text")
        return fields + sum(len(each or "") for each in (embed.get("title"), embed.get("description"), author, footer))

    return sum(map(size, embeds))


def _modal(modal: Mapping[str, Any]) -> Iterator[str]:
    if len(modal["components"]) > 5:
        yield f"a modal of {len(modal['components'])} components; 5 are allowed"
    yield from _components([each for each in modal["components"] if each["type"] != ROW])
    for each in walk(modal["components"]):
        if each["type"] == TEXT_INPUT:
            length, high = len(each.get("value") or ""), each.get("max_length") or 4000
            if length > high:
                yield f"the field {each['custom_id']!r} is filled with {length:,} characters; it takes {high:,}"
            if length and length < (each.get("min_length") or 0):
                yield f"the field {each['custom_id']!r} is filled with fewer characters than it takes"


def _commands(commands: list[Mapping[str, Any]]) -> Iterator[str]:
    kinds = Counter(each.get("type") or 1 for each in commands)
    for kind, most in ((1, 100), (2, 15), (3, 15)):
        if kinds[kind] > most:
            yield f"{kinds[kind]} commands of type {kind}; {most} are allowed"
    names = Counter((each.get("type") or 1, each["name"]) for each in commands)
    if twice := [name for (_, name), count in names.items() if count > 1]:
        yield f"commands named twice: {twice}"
    for each in commands:
        if (each.get("type") or 1) == 1:
            yield from _slash_command(each)
            if (size := _command_size(each)) > 8000:
                yield f"/{each['name']} has {size:,} characters; 8,000 are allowed"
        elif each.get("description") or each.get("options"):
            yield f"{each['name']!r} is a menu entry: it takes neither description nor options"


def _slash_command(command: Mapping[str, Any]) -> Iterator[str]:
    name = command["name"]
    if not _NAME.fullmatch(name) or name != name.lower():
        yield f"/{name} is no name of a command or option"
    if not command.get("description"):
        yield f"/{name} has no description"
    options = command.get("options") or []
    if twice := [each for each, count in Counter(each["name"] for each in options).items() if count > 1]:
        yield f"/{name} has options named twice: {twice}"
    needed = [bool(each.get("required")) for each in options]
    if needed != sorted(needed, reverse=True):
        yield f"/{name} has a required option after one that is not"
    for each in options:
        if each.get("autocomplete") and each.get("choices"):
            yield f"/{name} has an option with both choices and autocomplete"
        yield from _slash_command(each)


def _command_size(command: Mapping[str, Any]) -> int:
    choices = sum(len(each["name"]) + len(str(each["value"])) for each in command.get("choices") or ())
    inner = sum(_command_size(each) for each in command.get("options") or ())
    return len(command["name"]) + len(command.get("description") or "") + choices + inner
