"""An installation for each dialogue."""

from tests.bot_fixtures import install, redis_server  # noqa: F401  (pytest finds fixtures by name)
