"""A small Discord on loopback: the real discord.py talks to it, and every request is checked against Discord's description.

::

    async with FakeDiscord() as fake:
        ...start the bot with fake.token...
        question = fake.user("ana").says(fake.general, "Hello", mention=True)
        (answer,) = await fake.until(lambda: fake.replies(question))
        assert fake.violations == []
"""

from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.messages import Interaction, Message
from tests.fakes.discord.people import Person
from tests.fakes.discord.places import Channel, File

__all__ = ["Channel", "FakeDiscord", "File", "Interaction", "Message", "Person"]
