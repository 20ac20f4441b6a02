"""A bot on the fake Slack, with a whole installation behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from bot.messages import Inbound
from bot.platforms.base import Core
from bot.platforms.slack.platform import Pace, Slack
from bot.platforms.slack.turns import Turn
from bot.serving import serve
from tests.bot_fixtures import Install
from tests.fakes.slack.fake import FakeSlack
from tests.fakes.slack.oauth import Browser
from tests.fakes.slack.people import Person
from tests.fakes.slack.world import Channel, Message, Team
from trainer.settings import SlackSettings

KEY = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
QUICK = Pace(answer=0.01, progress=0.01, tries=(0.01, 0.02, 0.05))


def settings(fake: FakeSlack, **changes: Any) -> SlackSettings:
    """With the tokens that the fake takes."""
    ours = SlackSettings(terms_acknowledged=True, token=fake.bot_token, app_token=fake.app_token, signing_secret=fake.signing_secret)
    return replace(ours, **changes)


def several(fake: FakeSlack, port: int) -> dict[str, Any]:
    """Settings of an app that workspaces install by themselves, at pages on that port."""
    return {
        "token": None, "client_id": fake.client_id, "client_secret": fake.client_secret, "encryption_key": KEY,
        "public_url": f"http://127.0.0.1:{port}", "install_port": port,
    }  # fmt: skip


async def installs(fake: FakeSlack, port: int, team: Team) -> None:
    """Somebody installs the app in their workspace."""
    browser = Browser(f"http://127.0.0.1:{port}")
    status, page = await browser.comes_back(fake.server.oauth.agree(await browser.begins(), team))
    assert status == 200, page


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Watched(Slack):
    """Tells when it is done with an event, and which core is behind it."""

    core: Core
    fake: FakeSlack
    understood: list[Any]
    done = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._news = asyncio.Event()

    async def run(self, core: Core) -> None:
        self.core = core
        await super().run(core)

    async def hand_over(self, turn: Turn, inbound: Inbound, event_id: str) -> None:
        self.understood.append(inbound)
        await super().hand_over(turn, inbound, event_id)
        self.done += 1
        self._news.set()
        self.fake.look_again()

    async def deals_with(self, number: int) -> None:
        """Wait until it is done with that many events."""
        async with asyncio.timeout(120):
            while self.done < number:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def running(install: Install, fake: FakeSlack, pace: Pace = QUICK, *, at: str | None = None, **changes: Any) -> AsyncIterator[Watched]:
    """A bot process; when this ends, it stops. `at`: where another Slack is that it talks to."""
    slack = at or fake.url
    platform = Watched(settings(fake, **changes), install.redis, install.database, pace, f"{slack}/api/", f"{slack}/oauth/v2/authorize")
    platform.fake, platform.understood = fake, fake.understood
    task = asyncio.create_task(serve(install.app, platform))
    connected = asyncio.create_task(platform.connected.wait())
    await asyncio.wait({task, connected}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        connected.cancel()
        task.result()
    try:
        yield platform
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def slack_world(install: Install, pace: Pace = QUICK, **changes: Any) -> AsyncIterator[FakeSlack]:
    """The fake with a bot in it; in the end Slack must have nothing to complain about."""
    async with FakeSlack() as fake:
        async with running(install, fake, pace, **changes):
            yield fake
        assert fake.violations == []


async def answered(fake: FakeSlack, channel: Channel | None = None, *, to: Person | None = None, count: int = 1) -> Message:
    """The `count`th thing that the bot said there, once it stands whole."""

    def found() -> Sequence[Message] | None:
        said = [each for each in fake.said(channel, to=to) if not each.streaming]
        return said if len(said) >= count else None

    return (await fake.until(found))[count - 1]


async def shows(fake: FakeSlack, text: str, *, seconds: float = 120) -> Message:
    """The message that says that, as soon as there is one."""

    def found() -> Message | None:
        return next((each for each in fake.said() if text in each.shown and not each.streaming), None)

    return await fake.until(found, seconds)
