"""An installation for each dialogue."""

import pytest

from tests.bot_fixtures import install, redis_server  # noqa: F401  (pytest finds fixtures by name)
from tests.storage_fixtures import database, database_url  # noqa: F401  (as above)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is slow to be reached because the machine is busy is there all the same; one that is not there refuses at once."""
    monkeypatch.setattr("bot.engine_client.CONNECT_SECONDS", 60.0)
