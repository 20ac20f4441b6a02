"""Slack's descriptions of its Web API methods: what is wrong with a call."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[2] / "data" / "slack_methods.json.xz"
# Where the descriptions are narrower than the API, they say so themselves: these are "JSON-encoded" arrays and objects, which a
# call with a JSON body holds as they are.
_STRUCTURED = ("blocks", "attachments", "metadata", "view", "files", "prompts", "loading_messages", "chunks")
# Bolt names the workspace in its own first call, which Slack takes for apps of whole organisations.
_OF_BOLT = {("auth.test", "team_id")}


@cache
def methods() -> dict[str, dict[str, Any]]:
    """All methods by name: scopes, tier, arguments, errors."""
    described: dict[str, dict[str, Any]] = json.loads(lzma.decompress(SOURCE.read_bytes()))
    return described


def problems(method: str, arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with a call; `arguments` hold the token, wherever it came."""
    described = methods().get(method)
    if described is None:
        return [f"{method}: Slack has no such method"]
    known = described["args"]["properties"]
    found = [f"{name} is unknown" for name in arguments if name not in known and (method, name) not in _OF_BOLT]
    found += [f"{name} is missing" for name in described["args"]["required"] if arguments.get(name) in (None, "")]
    for name, value in arguments.items():
        if name in known and value is not None and name not in _STRUCTURED:
            found += [f"{name}: {fault}" for fault in _faults(known[name], value)]
    return [f"{method}: {each}" for each in found]


def scopes(method: str) -> list[str]:
    """Of which a bot needs at least one; [] where none is needed."""
    needed: list[str] = methods()[method]["scope"].get("bot", [])
    return needed


def _faults(described: Mapping[str, Any], value: Any) -> list[str]:
    choices = described.get("anyOf", [described])
    kinds = [each["type"] for each in choices if "type" in each]
    enums = [each["enum"] for each in choices if "enum" in each]
    if kinds and not any(_is(kind, value) for kind in kinds):
        return [f"{value!r} is no {' or '.join(kinds)}"]
    if enums and not any(value in enum for enum in enums):
        return [f"{value!r} is none of {enums}"]
    return []


def _is(kind: str, value: Any) -> bool:
    """Whether the value is of that kind; in a form everything is text."""
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool) or value in ("0", "1", "true", "false")
        case "integer":
            return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, str) and value.isdecimal()))
        case "number":
            return isinstance(value, int | float) or (isinstance(value, str) and value.replace(".", "", 1).isdecimal())
        case "array" | "object":
            return isinstance(value, list | dict)
        case _:
            return value is None
