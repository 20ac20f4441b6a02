"""Discord's rate limits, and more at once than they allow: no message is lost, each is answered once."""

from __future__ import annotations

import pytest

from bot import texts
from tests.bot_fixtures import Install
from tests.discord_wire import LESSON, agreed, answered, answers, ended, replied, running
from tests.fakes.discord import Channel, FakeDiscord

AT_ONCE = 12  # messages under way
PATIENCE = 400.0  # seconds that any part of a storm may take where other work leaves little of the processor


@pytest.mark.parametrize("operation", ["trigger_typing_indicator", "create_message", "update_message"])
async def test_more_refusals_than_discord_py_bears_lose_no_answer(install: Install, fake: FakeDiscord, operation: str) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    async with running(install, fake):
        fake.refuse(operation, times=12)  # it gives up after five
        await answered(fake, fake.user("ana").says(fake.general, "Hello", mention=True), "Hello to you")


@pytest.mark.parametrize("operation", ["create_interaction_response", "update_original_webhook_message"])
async def test_more_refusals_than_discord_py_bears_lose_no_answer_to_a_command(install: Install, fake: FakeDiscord, operation: str) -> None:
    async with running(install, fake):
        fake.refuse(operation, times=12)
        await replied(fake, fake.user("ana").slash("privacy", fake.general), texts.PRIVACY)


async def test_a_storm_of_rate_limits_loses_nothing(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers |= {f"Question {number}": f"Answer {number}" for number in range(12)}
    install.train()
    ana = fake.user("ana")
    async with running(install, fake):
        await agreed(fake, ana)
        fake.refuse(every=2, times=40)  # every second request, of whatever kind
        fake.refuse(every=5, times=5, everywhere=True)
        questions = [fake.user(f"u{each}").says(fake.general, f"Question {each}", mention=True) for each in range(12)]
        ana.says(fake.general, LESSON, mention=True)
        await replied(fake, ana.slash("privacy", fake.general), texts.PRIVACY)
        for number, question in enumerate(questions):
            await answered(fake, question, f"Answer {number}")
        await ended(fake, fake.general)
    assert fake.count_refused() >= 20


@pytest.mark.timeout(900)  # as above
async def test_two_hundred_messages_of_fifty_people_are_each_answered_once(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers |= {f"Question {number}": f"Answer {number}" for number in range(200)}
    people = [fake.user(f"user{number}") for number in range(50)]
    rooms = [fake.general, *(fake.world.add_channel(f"room-{number}") for number in range(4))]
    for operation in ("create_message", "update_message", "trigger_typing_indicator"):
        fake.limit(operation, 5, 0.3)  # Discord's limits, with a minute in some seconds
    fake.limit_everything(50, 0.2)
    wanted: dict[Channel, list[str]] = {}
    async with running(install, fake):
        fake.refuse(every=9, times=30)
        fake.lose("create_message", when="after", times=3)
        for number in range(200):
            person = people[number % 50]
            channel = person.direct if number % 50 < 10 else rooms[number % 5]
            person.says(channel, f"Question {number}", mention=channel.guild is not None)
            wanted.setdefault(channel, []).append(f"Answer {number}")
            if number == 100:
                fake.gateway.drop()
            await fake.until(lambda: number - len(answers(fake)) < AT_ONCE, seconds=PATIENCE)  # noqa: B023  # awaited at once

        def all_there() -> bool:
            found = {channel: sorted(each.text for each in answers(fake, channel)) for channel in wanted}
            return found == {channel: sorted(said) for channel, said in wanted.items()}

        await fake.until(all_there, seconds=PATIENCE)
    assert fake.count_refused() >= 30
    states = [each.state for number in range(1, 51) for each in install.stored.exchanges.of_user(number)]
    assert states == ["answered"] * 200
