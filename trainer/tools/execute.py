"""Calls a registered tool, through the one door to the network: at named hosts only, within time and size, and never sent on elsewhere."""

from __future__ import annotations

import json
import ssl

from trainer.settings import Settings, SourceSettings
from trainer.sources.fetch import Fetcher
from trainer.tools.calls import Call
from trainer.tools.registry import Registered


def execute(call: Call, tool: Registered, settings: Settings, tls: ssl.SSLContext | None = None) -> str:
    """What the tool gives, as text, shortened to what the model reads. Raises ToolCallError or FetchError."""
    limits = settings.tools
    door = SourceSettings(max_bytes=limits.max_bytes, fetch_seconds=limits.seconds, allow=limits.hosts, user_agent=settings.sources.user_agent)
    rest = tool.rest(call.arguments)
    body = None if tool.method == "GET" else json.dumps(rest, ensure_ascii=False).encode()
    fetched = Fetcher(door, tls=tls).call(tool.method, tool.address(call.arguments), body)
    said = " ".join("".join(c if c.isprintable() or c.isspace() else " " for c in fetched.content.decode("utf-8", "replace")).split())
    most = limits.read_characters
    return said if len(said) <= most else f"{said[: most - 1]}…"
