"""Every platform keeps the same promises to the core."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bot.messages import Answer, Choice, Inbound, InboundMessage, Notice, as_json
from bot.platforms.base import ChatPlatform
from bot.platforms.recording import RecordingPlatform
from bot.platforms.terminal import JsonScreen, PlainScreen, Terminal
from bot.platforms.typing_line import PipedLines
from tests.bot_fixtures import said


class Setup:
    """A platform on which a person has written `lines`, and what it has shown: texts in order."""

    def __init__(self, kind: str, lines: list[str]) -> None:
        stdin, self._out = io.StringIO("".join(f"{line}\n" for line in lines)), io.StringIO()
        self.platform: ChatPlatform
        if kind == "recording":
            recording = RecordingPlatform([said(line, channel="you") for line in lines])
            self.platform = recording
            self.texts: Callable[[], list[str]] = lambda: [each.text for each in recording.replies]
        elif kind == "terminal json":
            self.platform = Terminal("you", stdin, PipedLines(), JsonScreen(self._out), waits=True)
            self.texts = lambda: [json.loads(line)["text"] for line in self._out.getvalue().splitlines()]
        else:
            self.platform = Terminal("you", stdin, PipedLines(), PlainScreen(self._out), waits=True)
            self.texts = lambda: self._out.getvalue().splitlines()


class Steps:
    """A core that notes what it is asked, and when."""

    busy = False

    def __init__(self) -> None:
        self.steps: list[str] = []

    async def handle(self, inbound: Inbound) -> None:
        assert isinstance(inbound, InboundMessage)
        self.steps.append(inbound.text)

    async def choices(self, platform: str, external_user_id: str, command: str, typed: str) -> tuple[Choice, ...]:
        return ()

    async def answer(self, platform: str, message_id: str) -> str | None:
        return None

    async def home(self, platform: str, external_user_id: str) -> tuple[Notice, ...]:
        return ()

    async def idle(self) -> None:
        if self.steps[-1] != "idle":
            self.steps.append("idle")


@pytest.fixture(params=["recording", "terminal json", "terminal text"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


async def pieces(*items: str | Answer, then: Exception | None = None) -> AsyncIterator[str | Answer]:
    for item in items:
        yield item
    if then:
        raise then


def test_events_come_one_after_the_other_each_to_its_end(kind: str) -> None:
    core = Steps()
    asyncio.run(Setup(kind, ["one", "two"]).platform.run(core))
    assert core.steps == ["one", "idle", "two", "idle"]


async def test_every_message_has_an_id_of_its_own_and_can_be_edited(kind: str) -> None:
    setup = Setup(kind, [])
    first = await setup.platform.send("you", Notice("first"))
    second = await setup.platform.send("you", Notice("second"), reply_to="in-1")
    await setup.platform.edit("you", first, Notice("third"))
    assert first != second
    assert setup.texts() == ["first", "second", "third"]


async def test_a_streamed_answer_is_shown_once_whole(kind: str) -> None:
    setup = Setup(kind, [])
    shown = await setup.platform.stream("you", pieces("It is ", "Miso.", Answer("It is Miso.", None, 0.1)))
    assert shown
    assert setup.texts() == ["It is Miso."]


async def test_a_stream_is_read_to_its_end(kind: str) -> None:
    ended = asyncio.Event()

    async def watched() -> AsyncIterator[str | Answer]:
        yield Answer("It is Miso.", None, 0.1)
        ended.set()

    await Setup(kind, []).platform.stream("you", watched())
    assert ended.is_set()


async def test_nothing_streamed_shows_nothing(kind: str) -> None:
    setup = Setup(kind, [])
    assert await setup.platform.stream("you", pieces()) is None
    assert setup.texts() == []


async def test_a_broken_stream_goes_through_to_the_core_and_leaves_the_platform_usable(kind: str) -> None:
    setup = Setup(kind, [])
    with pytest.raises(ConnectionError):
        await setup.platform.stream("you", pieces("It is", then=ConnectionError()))
    await setup.platform.send("you", Notice("Later."))
    assert setup.texts()[-1] == "Later."


async def test_right_to_left_text_emoji_and_control_characters_can_be_shown(kind: str) -> None:
    setup = Setup(kind, [])
    await setup.platform.send("you", Notice("שלום 👩‍🚀\x1b[2J"))
    assert setup.texts()[0].startswith("שלום 👩‍🚀")
    assert as_json(Notice("x")) == {"type": "notice", "text": "x"}
