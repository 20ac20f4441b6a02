"""The fake Discord, alone or with a minimal bot on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.echo_bot import Echo, running
from tests.fakes.discord import FakeDiscord


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as fake:
        yield fake


@pytest.fixture
async def bot(fake: FakeDiscord) -> AsyncIterator[Echo]:
    async with running(fake, Echo()) as bot:
        yield bot
