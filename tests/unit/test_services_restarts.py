"""When a process that ends with "this cannot work" ends everything, and when it is only started again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.processes import Child
from bot.supervisor import STEADY_S, Services, _Watched
from trainer.settings import Settings


@pytest.fixture
def ended(tmp_path: Path) -> _Watched:
    """A process that has said why it cannot work."""
    command = [sys.executable, "-c", "print('There is no model.'); raise SystemExit(1)"]
    watched = _Watched(Child("engine", command, tmp_path / "log"))
    watched.start()
    watched.child.wait()
    return watched


def test_a_process_that_cannot_start_ends_everything_with_its_sentence(ended: _Watched, tmp_path: Path) -> None:
    services = Services(Settings(data=tmp_path))
    services._plan_restart(ended, ended.started + STEADY_S - 1)
    assert services.failure == "There is no model."


def test_a_process_that_ran_well_for_long_is_only_started_again(ended: _Watched, tmp_path: Path) -> None:
    services = Services(Settings(data=tmp_path))
    services._plan_restart(ended, ended.started + STEADY_S + 1)
    assert services.failure is None
    assert ended.start_again_at is not None
