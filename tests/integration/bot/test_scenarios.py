"""The same dialogues on every platform."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.bot_fixtures import Install
from tests.scenarios.dialogues import DIALOGUES
from tests.scenarios.talk import PLATFORMS, Talk, talking
from trainer.settings import FeedbackSettings


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda dialogue: dialogue.__name__)
async def test_dialogue(install: Install, platform: str, dialogue: Callable[[Install, Talk], Awaitable[None]]) -> None:
    install.configured(feedback=FeedbackSettings(wait_seconds=0))
    install.train()
    async with talking(platform, install) as talk:
        await dialogue(install, talk)
