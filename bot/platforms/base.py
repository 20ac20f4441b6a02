"""What the core asks of a chat platform. Implementations translate; they decide nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from bot.messages import Answer, Choice, Inbound, Notice, Reply


class Undeliverable(ConnectionError):
    """The platform did not take a reply, however often it was tried."""


class Core(Protocol):
    """What a platform hands its events to."""

    async def handle(self, inbound: Inbound) -> None:
        """Do what the event asks for, to the end of the reply. Never raises for what a user wrote."""

    async def choices(self, platform: str, external_user_id: str, command: str, typed: str) -> tuple[Choice, ...]:
        """What the argument of a command ("/forget") may be, given what is typed of it; not for terminals."""

    async def answer(self, platform: str, message_id: str) -> str | None:
        """The whole answer that ends with that message; None where it shows none."""

    async def home(self, platform: str, external_user_id: str) -> tuple[Notice, ...]:
        """What stands on a person's own page, where a platform has such pages. Looking at it stores nothing."""

    async def idle(self) -> None:
        """Wait until no lesson is being learned and no answer is owed."""

    @property
    def busy(self) -> bool:
        """Whether a lesson is being learned or an answer owed."""


class ChatPlatform(Protocol):
    """One chat platform. A channel is whatever string the platform finds a place to write to by."""

    @property
    def name(self) -> str:
        """The platform's name, as it stands in the database."""

    @property
    def biggest_file(self) -> int:
        """The size, in bytes, of the biggest file that it can send."""

    def serves(self, channel: str) -> bool:
        """Whether this process writes to that channel."""

    async def run(self, core: Core) -> None:
        """Hand over every event, until there are no more."""

    async def send(self, channel: str, reply: Reply, reply_to: str | None = None) -> str:
        """Show a reply; the id of the message that shows it. `reply_to`: the id of the message that it belongs to."""

    async def edit(self, channel: str, message_id: str, reply: Reply) -> None:
        """Show another reply in place of an earlier one."""

    async def stream(self, channel: str, pieces: AsyncIterator[str | Answer], reply_to: str | None = None) -> str | None:
        """Show an answer as it grows; its message's id, None where nothing came.

        The last item is the whole Answer. What `pieces` raises goes through, after what was shown so far has been ended.
        """
