"""Several bot processes on one platform: each lesson is shown by one of them, and by another when that one has gone for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from redis.exceptions import RedisError

from bot.engine_client import EngineClient
from bot.following import Following
from bot.messages import LessonProgress, LessonReceipt, Notice
from bot.platforms.recording import RecordingPlatform
from bot.router import Router
from tests.bot_fixtures import Install, said
from tests.services import eventually
from trainer.contracts import Progress
from trainer.lease import Claims

LEASE_SECONDS = 1.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.following.GRACE_SECONDS", 0.1)
    monkeypatch.setattr("bot.following.ADOPT_SECONDS", 0.05)
    monkeypatch.setattr(Claims.__init__, "__defaults__", (LEASE_SECONDS,))


class Bot:
    """One bot process. What people see is on a platform that all bots share."""

    def __init__(self, install: Install, platform: RecordingPlatform) -> None:
        app = replace(install.app, engine=EngineClient(f"http://127.0.0.1:{install.engine.port}", base_model="pocket"))
        self.following = Following(app, platform, look_seconds=0.05)
        self.router = Router(app, platform, self.following)

    def dies(self) -> None:
        """It neither says good-bye nor comes back."""
        self.following._stop.set()
        for task in self.following._tasks:
            task.cancel()


@asynccontextmanager
async def bots(install: Install, platform: RecordingPlatform, count: int) -> AsyncIterator[list[Bot]]:
    """So many of them."""
    running = [Bot(install, platform) for _ in range(count)]
    for each in running:
        await each.following.__aenter__()
    try:
        yield running
    finally:
        for each in running:
            await each.following.__aexit__()


async def until(look: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, look)  # threads and other bots change it


def receipts(platform: RecordingPlatform) -> list[LessonReceipt]:
    """Every time that a receipt was shown."""
    return [each for each in platform.replies if isinstance(each, LessonReceipt)]


async def test_of_two_bots_one_shows_a_lesson(install: Install) -> None:
    platform = RecordingPlatform()
    async with bots(install, platform, 2) as (first, second):
        await first.router.handle(said("[Learn] The cat is Miso."))
        install.train()
        await until(lambda: receipts(platform))
        await asyncio.wait_for(asyncio.gather(first.following.idle(), second.following.idle()), 60)
        await second.following._adopt()  # and finds nothing to do
        await second.following._adopt()
    assert len(receipts(platform)) == 1 and len(platform.shown) == 1
    assert not second.following.busy


async def test_the_receipt_of_a_bot_that_never_comes_back_is_shown_by_another_once(install: Install) -> None:
    platform = RecordingPlatform()
    async with bots(install, platform, 3) as (first, second, third):
        await first.router.handle(said("[Learn] The cat is Miso."))
        first.dies()
        install.train()
        await until(lambda: receipts(platform))
        for each in (second, third, second, third):
            await each.following._adopt()
    assert len(receipts(platform)) == 1
    assert [type(each) for each in platform.shown.values()] == [LessonReceipt]  # in the message that showed the progress


async def test_a_lesson_of_a_bot_that_died_before_its_first_word_is_shown_by_another(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = RecordingPlatform()
    async with bots(install, platform, 2) as (first, _):
        with monkeypatch.context() as patched:
            patched.setattr(RecordingPlatform, "send", stuck)
            dying = asyncio.create_task(first.router.handle(said("[Learn] The cat is Miso.")))
            await until(lambda: install.stored.lessons.unfinished())
            first.dies()
            dying.cancel()
            await asyncio.gather(dying, return_exceptions=True)
        install.train()
        install.queue.enqueue_lesson(1)  # which the sweeper does
        await until(lambda: receipts(platform))
    assert len(receipts(platform)) == 1


async def stuck(*_: object) -> str:
    await asyncio.Event().wait()
    return ""


async def test_a_bot_that_was_given_up_shows_no_more_of_it(install: Install) -> None:
    platform = RecordingPlatform()
    async with bots(install, platform, 2) as (first, second):
        await first.router.handle(said("[Learn] The cat is Miso."))
        for task in first.following._tasks:  # it is stopped, or cut off, for a while
            task.cancel()
        await until(lambda: second.following._works)
        moved = Progress(1, 1, "train", 60)
        before = len(platform.replies)
        await first.following._show(moved)  # what it had heard last
        assert len(platform.replies) == before and not first.following.busy
        await second.following._show(moved)
        assert isinstance(platform.replies[-1], LessonProgress) and platform.replies[-1].percent == 60
        install.train()
        await until(lambda: receipts(platform))
    assert len(receipts(platform)) == 1


async def test_what_a_lesson_asks_its_user_is_asked_by_another_bot(install: Install) -> None:
    platform = RecordingPlatform()
    async with bots(install, platform, 2) as (first, second):
        await first.router.handle(said("[Learn] keep up with news on air pollution"))
        first.dies()
        install.stored.lessons.start(1)
        install.stored.lessons.ask(1)
        await until(lambda: [each for each in platform.replies if isinstance(each, Notice)])
        await asyncio.wait_for(second.following.idle(), 60)
        await second.following._adopt()
        await second.following._adopt()
        assert len([each for each in platform.replies if isinstance(each, Notice)]) == 1
        await second.router.handle(said("/approve 1"))
        install.train()
        await until(lambda: receipts(platform))
    assert len(receipts(platform)) == 1


async def test_without_redis_a_bot_shows_what_is_its_own(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = RecordingPlatform()
    async with bots(install, platform, 1) as (only,):
        monkeypatch.setattr(Claims, "_extend", away)
        await only.router.handle(said("[Learn] The cat is Miso."))
        install.train(tell=False)
        await until(lambda: receipts(platform))
    assert len(receipts(platform)) == 1


def away(*_: object) -> list[str]:
    raise RedisError("away")
