"""A short run of the load generator: see tests/load."""

from __future__ import annotations

import pytest

from tests.load.crowd import Crowd, measure

CROWD = Crowd(users=2000, rate=8, seconds=12, rush=150)  # the rush is more than the engine takes at once
MOST_GROWTH_MB = 60.0  # a leak shows in an hour's run; here, only one of the size of everything that was said


@pytest.mark.timeout(600)
def test_a_crowd_is_answered_once_each_through_a_rush_that_the_engine_cannot_take() -> None:
    done = measure(CROWD)
    assert done.sent > CROWD.rush
    assert (done.answered, done.answered_twice) == (done.sent, 0)
    assert done.waited, "the rush was not one: nobody had to wait"
    grown = {process: last - second for process in done.memory for _, second, _, last in [done.quarters(process)]}
    assert {process: growth for process, growth in grown.items() if growth > MOST_GROWTH_MB} == {}
