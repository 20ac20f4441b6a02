"""An installation for each dialogue."""

import pytest


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is slow to be reached because the machine is busy is there all the same; one that is not there refuses at once."""
    monkeypatch.setattr("bot.engine_client.CONNECT_SECONDS", 60.0)
