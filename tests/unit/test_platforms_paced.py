"""Progress is edited now and then, and always to the newest."""

from __future__ import annotations

import asyncio

from bot.messages import Notice, Reply
from bot.platforms.base import Undeliverable
from bot.platforms.paced import Paced


class Screen:
    """Notes edits; each takes until `gate` is set."""

    def __init__(self) -> None:
        self.edits: list[str] = []
        self.begun = asyncio.Event()
        self.shown = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.gate.set()
        self.trouble = False
        self.failed = asyncio.Event()

    async def edit(self, channel: str, message_id: str, reply: Reply) -> None:
        self.begun.set()
        await self.gate.wait()
        if self.trouble:
            self.failed.set()
            raise Undeliverable("no")
        self.edits.append(reply.text)
        self.shown.release()


async def test_what_came_meanwhile_is_skipped_except_the_newest() -> None:
    screen = Screen()
    paced = Paced(screen.edit, every=0.01)
    screen.gate.clear()
    paced.put("c", "1", Notice("10 %"))
    await screen.begun.wait()
    for percent in (20, 30, 40):
        paced.put("c", "1", Notice(f"{percent} %"))
    screen.gate.set()
    await screen.shown.acquire()
    await screen.shown.acquire()
    assert screen.edits == ["10 %", "40 %"]
    await paced.close()


async def test_after_the_end_no_edit_comes_late() -> None:
    screen = Screen()
    paced = Paced(screen.edit, every=60)
    screen.gate.clear()
    paced.put("c", "1", Notice("10 %"))
    await screen.begun.wait()
    paced.put("c", "1", Notice("20 %"))

    async def ends() -> None:
        await paced.end("1")
        screen.edits.append("receipt")

    ending = asyncio.create_task(ends())
    screen.gate.set()
    await ending
    assert screen.edits == ["10 %", "receipt"]  # an edit was under way: the receipt has to come after it


async def test_an_edit_that_fails_does_not_stop_later_ones() -> None:
    screen = Screen()
    paced = Paced(screen.edit, every=0.01)
    screen.trouble = True
    paced.put("c", "1", Notice("10 %"))
    await screen.failed.wait()
    screen.trouble = False
    paced.put("c", "1", Notice("20 %"))
    await screen.shown.acquire()
    assert screen.edits == ["20 %"]
    await paced.close()
