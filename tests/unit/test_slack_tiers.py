"""Calls are spread so that a workspace's limits hold, whoever makes them."""

from __future__ import annotations

import asyncio

import pytest

from bot.messages import LessonProgress, Reply
from bot.platforms.paced import Paced
from bot.platforms.slack.tiers import Tier


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("per_minute", "at_once"), [(20, 10), (50, 10), (100, 20)])
def test_no_minute_has_more_calls_than_slack_allows(per_minute: int, at_once: int) -> None:
    clock = Clock()
    tier = Tier(per_minute, at_once, clock)
    turns = [clock.now + tier.turn() for _ in range(at_once)]
    assert turns == [clock.now] * at_once and not tier.is_free
    for _ in range(3 * per_minute):
        turns.append(clock.now + tier.turn())
        clock.now += 0.3  # everybody asks at once, and goes on asking
    assert turns == sorted(turns)
    assert max(sum(begin <= each < begin + 60 for each in turns) for begin in turns) <= per_minute
    clock.now = turns[-1] + 60
    assert [tier.turn() for _ in range(at_once)] == [0.0] * at_once  # it has rested


def test_when_slack_says_wait_everybody_waits() -> None:
    clock = Clock()
    tier = Tier(50, 10, clock)
    tier.wait(30)
    assert not tier.is_free and tier.turn() == pytest.approx(30)
    clock.now += 40
    assert tier.is_free


async def test_a_step_shows_what_is_newest_when_its_turn_comes() -> None:
    shown: list[int] = []

    async def edit(channel: str, message_id: str, reply: Reply) -> None:
        assert isinstance(reply, LessonProgress)
        shown.append(reply.percent)
        edited.set()

    async def turn(channel: str) -> float:
        if not shown:
            paced.put(channel, "m1", LessonProgress(1, "train", 20, "…"))  # while it waits
        return 0.0 if not shown else 3600.0

    edited = asyncio.Event()
    paced = Paced(edit, every=0.0, turn=turn)
    paced.put("here", "m1", LessonProgress(1, "train", 10, "…"))
    await edited.wait()
    paced.put("here", "m1", LessonProgress(1, "train", 30, "…"))
    await paced.end("m1")  # an hour is not waited for
    assert shown == [20]
