"""A platform in memory: plays a script of events and keeps every reply, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from bot.messages import Answer, Inbound, Notice, Reply
from bot.platforms.base import Core


class RecordingPlatform:
    """`shown` is what stands in each message now, `replies` everything in the order in which it was shown."""

    name = "recording"
    biggest_file = 10_000_000

    def __init__(self, script: Sequence[Inbound] = ()) -> None:
        self.script = script
        self.shown: dict[str, Reply] = {}
        self.replies: list[Reply] = []
        self.pieces: list[str] = []

    def serves(self, channel: str) -> bool:
        """Every channel is its own."""
        return True

    async def run(self, core: Core) -> None:
        """Play the script, each event after all that the one before set off."""
        for event in self.script:
            await core.handle(event)
            await core.idle()

    async def send(self, channel: str, reply: Reply, reply_to: str | None = None) -> str:
        """Keep the reply under a new id."""
        message_id = f"m{len(self.shown) + 1}"
        await self.edit(channel, message_id, reply)
        return message_id

    async def edit(self, channel: str, message_id: str, reply: Reply) -> None:
        """Keep the reply in place of the earlier one."""
        self.shown[message_id] = reply
        self.replies.append(reply)

    async def stream(self, channel: str, pieces: AsyncIterator[str | Answer], reply_to: str | None = None) -> str | None:
        """Keep the pieces and the answer; an answer that breaks off stays as a notice of what had come."""
        written, message_id = "", None
        try:
            async for piece in pieces:
                if isinstance(piece, Answer):
                    message_id = await self.send(channel, piece, reply_to)
                else:
                    written += piece
                    self.pieces.append(piece)
        finally:
            if written and message_id is None:
                await self.send(channel, Notice(written), reply_to)
        return message_id
