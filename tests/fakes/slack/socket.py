"""Socket Mode: envelopes go out over a web socket until they are acknowledged, again after a lost connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

Envelope = dict[str, Any]


class Socket:
    """`changed` is called whenever something came. `is_deaf`: acknowledgements are lost on their way.

    Slack hands each envelope to one of the connections; `unsure`: to all of them, as one after the other where acknowledgements are slow.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.connections: list[web.WebSocketResponse] = []
        self.opened = 0
        self.is_deaf = self.unsure = False
        self.acknowledged: dict[str, Any] = {}
        self.violations: list[str] = []
        self._unacknowledged: dict[str, Envelope] = {}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A0TUTEE"}})
        self.connections.append(socket)
        self.opened += 1
        self._changed()
        for envelope in list(self._unacknowledged.values()):
            envelope["retry_attempt"] = envelope.get("retry_attempt", 0) + 1
            await socket.send_json(envelope)
        async for message in socket:
            if message.type == WSMsgType.TEXT and not self.is_deaf:
                self._acknowledge(json.loads(message.data))
        self.connections = [each for each in self.connections if each is not socket]
        self._changed()
        return socket

    async def send(self, envelope: Envelope) -> None:
        """Deliver the envelope, now or over the next connection."""
        self._unacknowledged[envelope["envelope_id"]] = envelope
        for socket in self.connections if self.unsure else self.connections[-1:]:
            await socket.send_json(envelope)

    async def ask_to_reconnect(self) -> None:
        """What Slack does every few hours."""
        for socket in self.connections:
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def close(self) -> None:
        """Close all connections, as in a restart of Slack's."""
        for socket in list(self.connections):
            await socket.close()

    def _acknowledge(self, answer: dict[str, Any]) -> None:
        identifier = answer.get("envelope_id", "")
        if identifier not in self._unacknowledged and identifier not in self.acknowledged:
            self.violations.append(f"an acknowledgement of nothing: {answer}")
        self._unacknowledged.pop(identifier, None)
        self.acknowledged[identifier] = answer.get("payload")
        self._changed()
