"""The real Discord platform and core on a small Discord on loopback, and what people and tests do there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from bot import texts
from bot.engine_client import EngineClient
from bot.platforms.deliveries import Deliveries
from bot.platforms.discord.platform import Discord, Pace
from bot.serving import serve
from tests.bot_fixtures import Install
from tests.fakes.discord import Channel, FakeDiscord, Interaction, Message, Person
from trainer.settings import DiscordSettings

FAST = Pace(answer=0.05, progress=0.05, tries=(0.05,) * 5)
LESSON = "[Learn] Our office cat is called Miso."


@asynccontextmanager
async def running(install: Install, fake: FakeDiscord, **settings: Any) -> AsyncIterator[asyncio.Task[None]]:
    """The bot on Discord, until the end of the block. Another process of it may be running, too."""
    deliveries = Deliveries(install.redis, Discord.name)
    configured, before = DiscordSettings(token=fake.token, **settings), len(fake.gateway.shards)
    platform = Discord(configured, FAST, deliveries)
    app = replace(install.app, engine=EngineClient(f"http://127.0.0.1:{install.engine.port}", base_model="pocket"))
    task = asyncio.create_task(serve(app, platform))
    await fake.until(lambda: len(fake.gateway.shards) >= before + len(configured.heard) or task.done())
    try:
        yield task
        await fake.until(lambda: not under_way())
    finally:
        await platform.client.close()
        await task


def under_way() -> list[str]:
    """What discord.py has handed to the bot and the bot has not dealt with yet: its tasks, by the names that it gives them."""
    names = (each.get_name() for each in asyncio.all_tasks())
    return [each for each in names if each.startswith(("discord.py: on_", "discord-ui-", "CommandTree-"))]


def answers(fake: FakeDiscord, channel: Channel | None = None, to: Message | None = None) -> list[Message]:
    """What the bot has said there, or in reply to a message, but for notices that an answer will be late.

    Where the machine is busy, the engine may fall silent in the middle of an answer: what had come stays, marked as broken off, and the
    whole answer comes later.
    """
    said = fake.replies(to) if to else fake.messages(channel)
    late = (texts.WAITING, texts.WAITING_BEHIND)
    return [each for each in said if each.text not in late and not (each.text.endswith(texts.BROKEN_OFF) and not each.labels)]


async def answered(fake: FakeDiscord, question: Message, text: str) -> Message:
    """The one reply to a message, once it is whole."""
    return await whole(fake, text, lambda: answers(fake, to=question))


async def told(fake: FakeDiscord, person: Person, text: str) -> Message:
    """The one thing that the bot has written to a person alone, once it is whole."""
    return await whole(fake, text, lambda: answers(fake, person.direct))


async def whole(fake: FakeDiscord, text: str, said: Callable[[], list[Message]]) -> Message:
    """The one answer, once it says that and can be judged."""
    await fake.until(lambda: [each.text for each in said()] == [text] and texts.AGAIN in said()[0].labels)
    return said()[0]


async def replied(fake: FakeDiscord, used: Interaction, text: str | None = None) -> Message:
    """What an interaction was answered with, once it says that."""
    return await fake.until(lambda: used.reply if used.reply and text in (None, used.reply.text) else None)


async def agreed(fake: FakeDiscord, person: Person) -> None:
    """The person consents, before their first lesson."""
    asked = person.dm("/agree")
    await fake.until(lambda: texts.AGREED in fake.texts(asked.channel))


async def agreed_by_card(fake: FakeDiscord, person: Person, card: Message) -> None:
    """The person presses the button of the consent card."""
    pressed = person.presses(card, texts.AGREE)
    await fake.until(lambda: pressed.callback and card.text != texts.CONSENT)


async def ended(fake: FakeDiscord, channel: Channel, state: str = "is live") -> Message:
    """The newest lesson's message, once it is the receipt."""
    return await fake.until(lambda: next((each for each in fake.messages(channel) if state in each.text), None))
