"""The tools that the operator has registered: the only ones that are ever executed, each at one address, on hosts that are named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from trainer.addresses import Allowed
from trainer.errors import TrainerError

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
LONGEST_VALUE = 500
_PLACE = re.compile(r"\{([\w.-]+)\}")


class ToolCallError(TrainerError):
    """A registered tool cannot be called like this."""


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """``registered``: lines of name, method and address, as ``get_weather GET https://api.example.org/weather?city={city}``. ``hosts``:
    those that may be called, public or not. A call may take ``seconds``, its result ``max_bytes``, of which the model reads
    ``read_characters``.
    """

    registered: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    seconds: float = 10.0
    max_bytes: int = 200_000
    read_characters: int = 600


@dataclass(frozen=True, slots=True)
class Registered:
    """Where a tool is: an address with {argument} in its path or its query."""

    name: str
    method: str
    template: str

    def address(self, arguments: Mapping[str, Any]) -> str:
        """The address for these arguments, each escaped, so that none can lead elsewhere. A query's argument that is not given is left out.

        Raises ToolCallError for one that the path needs and that is missing, empty or too long.
        """
        parts = urlsplit(self.template)

        def filled(text: str, *, escape: bool) -> str:
            def value(found: re.Match[str]) -> str:
                said = _text(self.name, found[1], arguments)
                return quote(said, safe="") if escape else said

            return _PLACE.sub(value, text)

        query = [
            (key, filled(text, escape=False))
            for key, text in parse_qsl(parts.query, keep_blank_values=True)
            if all(name in arguments for name in _PLACE.findall(text))
        ]
        return urlunsplit((parts.scheme, parts.netloc, filled(parts.path, escape=True), urlencode(query), ""))

    def rest(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that the address does not hold: what is sent as JSON, unless the method is GET."""
        return {name: value for name, value in arguments.items() if name not in _PLACE.findall(self.template)}


def registered(settings: ToolSettings) -> dict[str, Registered]:
    """The registered tools by name. Raises ValueError with what is wrong."""
    found: dict[str, Registered] = {}
    allowed = Allowed(settings.hosts)
    for line in settings.registered:
        words = line.split()
        if len(words) != 3 or words[1] not in METHODS:
            raise ValueError(f"'{line}' must be a name, one of {', '.join(METHODS)}, and an address")
        tool = Registered(*words)
        parts = urlsplit(tool.template)
        if parts.scheme not in ("http", "https") or not parts.hostname or _PLACE.search(parts.netloc) or parts.username is not None:
            raise ValueError(f"the address of '{tool.name}' must begin with https:// or http:// and a host without {{…}} in it")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if not allowed.host(parts.hostname, port) and not allowed.address(parts.hostname, port):
            raise ValueError(f"'{tool.name}' is at {parts.hostname}, which 'tools.hosts' does not name")
        if tool.name in found:
            raise ValueError(f"'{tool.name}' stands there twice")
        found[tool.name] = tool
    return found


def problems(settings: ToolSettings) -> list[str]:
    """What is wrong with the settings, as parts of a sentence."""
    wrong = [] if settings.seconds > 0 and min(settings.max_bytes, settings.read_characters) > 0 else ["the limits of 'tools' must be above 0"]
    try:
        registered(settings)
    except ValueError as error:
        wrong.append(f"'tools.registered': {error}")
    return wrong


def _text(tool: str, name: str, arguments: Mapping[str, Any]) -> str:
    value = arguments.get(name)
    said = str(value).lower() if isinstance(value, bool) else str(value if value is not None else "").strip()
    if not said or said in (".", "..") or len(said) > LONGEST_VALUE:
        raise ToolCallError(f"{tool} needs {name}, and that was missing or not usable. Ask once more, with it in your words.")
    return said
