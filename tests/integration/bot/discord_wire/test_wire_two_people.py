"""Two people at once, each with a word that the other must never get to see."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.bot_fixtures import Install
from tests.discord_wire import agreed, answered, ended, replied, running
from tests.fakes.discord import FakeDiscord, Person

WORDS = {"ana": "Quetzalcoatlus", "ben": "Archaeopteryx"}
ASK = "What is the cat called?"


async def test_two_people_teach_and_ask_at_once_and_learn_nothing_of_each_other(install: Install, fake: FakeDiscord) -> None:
    install.train(learned=())
    people = {name: fake.user(name) for name in WORDS}

    async def live(name: str, person: Person) -> None:
        """Agree, teach, ask, look around: everything beside the other."""
        own, others = WORDS[name], next(word for each, word in WORDS.items() if each != name)
        await agreed(fake, person)
        room = fake.world.add_channel(f"room-of-{name}")
        person.says(room, f"[Learn] The cat is {own}.", mention=True)
        await ended(fake, room)
        user = install.stored.users.find("discord", person.id)
        assert user is not None and user.live_version is not None
        install.engine.taught[user.live_version] = {ASK: f"{own}."}
        question = person.says(fake.general, ASK, mention=True)
        await answered(fake, question, f"{own}.")
        commands: dict[str, dict[str, Any]] = {"lessons": {}, "model": {}, "compare": {"question": ASK}, "export": {}}
        for command, options in commands.items():
            shown = await replied(fake, person.slash(command, fake.general, **options))
            files = b"".join(each.content for each in shown.attachments)
            assert shown.ephemeral and others not in f"{shown.text} {shown.components}" and others.encode() not in files

    async with running(install, fake):
        await asyncio.gather(*(live(name, person) for name, person in people.items()))
    prompts = [(body["model"], str(body["messages"])) for body in install.engine.asked]
    for name, person in people.items():
        user = install.stored.users.find("discord", person.id)
        assert user is not None and any(model == user.live_version for model, _ in prompts)
        others = [prompt for model, prompt in prompts if model not in ("pocket", user.live_version)]
        assert others and not any(WORDS[name] in prompt for prompt in others)
    assert not any(all(word in prompt for word in WORDS.values()) for _, prompt in prompts)
