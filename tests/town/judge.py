"""A stand-in for a moderator on another machine: OpenAI's chat completions, with whatever a test wants it to say."""

from __future__ import annotations

import asyncio
import json


class Judge:
    """`says`: the model's words; a number is an HTTP status instead."""

    def __init__(self) -> None:
        self.says = "safe"
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
                await reader.readexactly(int(lengths[0]) if lengths else 0)
                writer.write(self._reply())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def _reply(self) -> bytes:
        status = int(self.says) if self.says.isdecimal() else 200
        choices = [{"index": 0, "message": {"role": "assistant", "content": self.says}, "finish_reason": "stop"}]
        completion = {"id": "1", "object": "chat.completion", "created": 0, "model": "j", "choices": choices}
        body = json.dumps({"error": {"message": "played"}} if status != 200 else completion).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body
