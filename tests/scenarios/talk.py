"""What a dialogue needs of a platform; one driver for each."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from simcord import InteractionResult

from bot import texts
from tests.bot_fixtures import Install
from tests.discord_world import World, discord_world, words
from tests.fakes.slack.fake import FakeSlack
from tests.fakes.slack.people import Person
from tests.fakes.slack.world import Channel, Message
from tests.slack_world import Watched, running


class Talk(Protocol):
    """People who talk with their models. Everything that a message sets off is awaited, lessons to their end."""

    async def say(self, text: str, who: str = "ada") -> str:
        """Say something; everything that is shown because of it, the newest state of each message."""

    async def attach(self, name: str, content: bytes, text: str, who: str = "ada") -> str:
        """Say something with a file."""

    async def command(self, line: str, who: str = "ada") -> str:
        """Give a command, as people do on that platform."""

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways to teach there."""

    async def teach(self, way: str, fact: str, who: str = "ada") -> str:
        """Teach in one of them."""

    async def takes_out(self, who: str = "ada") -> list[str]:
        """Have everything exported; the names of the files in it."""

    async def dislike(self, correction: str, who: str = "ada") -> str:
        """Say what the last answer should have been."""

    async def restart(self) -> None:
        """The bot's process ends, another one starts."""

    async def agree(self, who: str = "ada") -> None:
        """Consent, where it is not taken as given."""


class AtTerminal:
    """Each line by a process of its own: nothing but the database remembers."""

    def __init__(self, install: Install) -> None:
        self._install = install

    async def say(self, text: str, who: str = "ada") -> str:
        return await self._lines(text, who)

    async def attach(self, name: str, content: bytes, text: str, who: str = "ada") -> str:
        path = self._install.folder / name
        path.write_bytes(content)
        return await self._lines(f"/file {path}\n{text}", who)

    async def command(self, line: str, who: str = "ada") -> str:
        return await self._lines(line, who)

    ways = ("message", "file")

    async def teach(self, way: str, fact: str, who: str = "ada") -> str:
        return await (self.attach("fact.txt", fact.encode(), "[Learn] read this", who) if way == "file" else self.say(f"[Learn] {fact}", who))

    async def takes_out(self, who: str = "ada") -> list[str]:
        folder = self._install.folder / "taken out"
        assert texts.exported(str(folder)) in await self._lines(f"/export {folder}", who)
        return [each.relative_to(folder).as_posix() for each in folder.rglob("*")]

    async def dislike(self, correction: str, who: str = "ada") -> str:
        return await self._lines(f"/react 👎 {correction}", who)

    async def restart(self) -> None:
        pass

    async def agree(self, who: str = "ada") -> None:
        pass

    async def _lines(self, lines: str, who: str) -> str:
        shown = await asyncio.to_thread(self._install.pipe, f"{lines}\n", user=who, as_json=False)
        return "\n".join(shown)


class OnDiscord:
    """In a server's channel with mentions and slash commands, or (`direct`) in direct messages."""

    def __init__(self, install: Install, world: World, *, direct: bool) -> None:
        self._install = install
        self._world = world
        self._direct = direct

    async def say(self, text: str, who: str = "ada") -> str:
        return await self._showing(who, lambda: self._send(text, who, ()))

    async def attach(self, name: str, content: bytes, text: str, who: str = "ada") -> str:
        return await self._showing(who, lambda: self._send(text, who, ((name, content),)))

    async def command(self, line: str, who: str = "ada") -> str:
        name, _, argument = line.removeprefix("/").partition(" ")
        person = self._world.person(who)
        user = person.user if self._direct else person
        known = {"forget": "lesson", "rollback": "version", "compare": "question"}
        options = {known[name]: int(argument) if argument.isdecimal() else argument} if name in known else {}

        async def give() -> None:
            shown = await self._slash(who, name, **options)
            if name == "delete-me":
                await user.submit_modal(shown, {"text": argument or "no"})

        return await self._showing(who, give)

    @property
    def ways(self) -> tuple[str, ...]:  # in direct messages, the simulation has no menus
        return ("message", "command", "form", "file") if self._direct else ("message", "command", "form", "menu", "file")

    async def teach(self, way: str, fact: str, who: str = "ada") -> str:
        person = self._world.person(who)
        user = person.user if self._direct else person

        async def do() -> None:
            match way:
                case "command":
                    await self._slash(who, "learn", text=fact)
                case "form":
                    await user.submit_modal(await self._slash(who, "learn"), {"text": fact})
                case "menu":
                    mine = await person.send(self._world.channel, fact)
                    await person.context_menu(self._world.channel, texts.TEACH_FROM_MESSAGE, mine)
                case "file":
                    await self._send("[Learn] read this", who, (("fact.txt", fact.encode()),))
                case _:
                    await self._send(f"[Learn] {fact}", who, ())

        return await self._showing(who, do)

    async def takes_out(self, who: str = "ada") -> list[str]:
        shown = (await self._slash(who, "export")).response
        assert shown is not None
        (file,) = shown.attachments
        return names_in(await file.read())

    async def dislike(self, correction: str, who: str = "ada") -> str:
        person = self._world.person(who)
        user = person.user if self._direct else person

        async def press() -> None:
            answers = [each for each in self._world.shown(self._place(who)) if self._is_answer_to(each.id, who)]
            form = await user.click(answers[-1], label=texts.BAD)
            await user.submit_modal(form, {"text": correction})

        return await self._showing(who, press)

    async def restart(self) -> None:
        await self._world.restart()

    async def agree(self, who: str = "ada") -> None:
        card = await self.say("[Learn] The sky is blue.", who)
        assert card == texts.CONSENT
        person = self._world.person(who)
        user = person.user if self._direct else person
        last = self._world.last(self._place(who))
        await user.click(last, label=texts.AGREE)
        await self._world.learned()

    def _place(self, who: str):  # type: ignore[no-untyped-def]  # a handle of the simulation's
        return self._world.direct(who) if self._direct else self._world.channel

    def _is_answer_to(self, message_id: int, who: str) -> bool:
        exchange = self._install.stored.exchanges.by_reply("discord", str(message_id))
        user = self._install.stored.users.find("discord", str(self._world.person(who).id))
        return exchange is not None and user is not None and exchange.user_id == user.id

    async def _slash(self, who: str, name: str, **options: str | int) -> InteractionResult:
        person = self._world.person(who)
        used = person.user.slash(name, **options) if self._direct else person.slash(self._world.channel, name, **options)
        result: InteractionResult = await used
        return result

    async def _send(self, text: str, who: str, files: tuple[tuple[str, bytes], ...]) -> None:
        if self._direct:
            await self._world.writes(who, text, files)
        else:
            await self._world.says(who, text, attachments=files)

    async def _showing(self, who: str, do: Callable[[], Awaitable[object]]) -> str:
        person = self._world.person(who)
        viewer = person.user if self._direct else person
        before = {each.id: words(each) for each in self._world.shown(self._place(who), viewer)}
        await do()
        await self._world.learned()
        after = self._world.shown(self._place(who), viewer)
        return "\n".join(words(each) for each in after if before.get(each.id) != words(each))


class OnSlack:
    """In a channel with mentions and slash commands, or (`direct`) in direct messages; what comes by either way is seen."""

    _bot: Watched

    def __init__(self, install: Install, fake: FakeSlack, process: AsyncExitStack, *, direct: bool) -> None:
        self._install = install
        self._fake = fake
        self._process = process
        self._direct = direct

    async def begun(self) -> OnSlack:
        self._bot = await self._process.enter_async_context(running(self._install, self._fake))
        return self

    async def say(self, text: str, who: str = "ada") -> str:
        return await self._showing(who, lambda person: person.says(text, self._place))

    async def attach(self, name: str, content: bytes, text: str, who: str = "ada") -> str:
        file = self._fake.file(name, content)
        return await self._showing(who, lambda person: person.says(text, self._place, files=[file]))

    async def command(self, line: str, who: str = "ada") -> str:
        name, _, argument = line.partition(" ")

        async def give(person: Person) -> None:
            forms = len(self._fake.world.views)
            await person.commands(name, argument if name != "/delete-me" else "", self._place)
            if name == "/delete-me":
                views = await self._fake.until(lambda: self._fake.world.views[forms:])
                await person.submits(views[0], text=argument or "no")

        return await self._showing(who, give)

    ways = ("message", "command", "form", "menu", "file")

    async def teach(self, way: str, fact: str, who: str = "ada") -> str:
        async def do(person: Person) -> None:
            forms = len(self._fake.world.views)
            match way:
                case "command":
                    await person.commands("/learn", fact, self._place)
                case "file":
                    await person.says("[Learn] read this", self._place, files=[self._fake.file("fact.txt", fact.encode())])
                case "form":
                    await person.commands("/learn", "", self._place)
                    (view,) = await self._fake.until(lambda: self._fake.world.views[forms:])
                    await person.submits(view, text=fact)
                case "menu":
                    mine = await person.says(fact, self._fake.general, mention=False)
                    await person.chooses("teach_from", mine)
                    (view,) = await self._fake.until(lambda: self._fake.world.views[forms:])
                    await person.submits(view)
                case _:
                    await person.says(f"[Learn] {fact}", self._place)

        return await self._showing(who, do)

    async def takes_out(self, who: str = "ada") -> list[str]:
        before = set(self._fake.world.files)
        await self.command("/export", who)
        (file,) = [each for key, each in self._fake.world.files.items() if key not in before]
        return names_in(file.content)

    async def dislike(self, correction: str, who: str = "ada") -> str:
        async def press(person: Person) -> None:
            forms = len(self._fake.world.views)
            answer = next(m for m in reversed(self._seen(person)) if texts.BAD in [each.label for each in m.buttons])
            await person.presses(answer, texts.BAD)
            views = await self._fake.until(lambda: self._fake.world.views[forms:])
            await person.submits(views[0], text=correction)

        return await self._showing(who, press)

    async def restart(self) -> None:
        await self._process.aclose()
        await self._fake.until(lambda: not self._fake.socket.connections)
        await self.begun()

    async def agree(self, who: str = "ada") -> None:
        assert await self.say("[Learn] The sky is blue.", who) == texts.CONSENT
        await self._showing(who, lambda person: person.presses(self._seen(person)[-1], texts.AGREE))

    @property
    def _place(self) -> Channel | None:
        return None if self._direct else self._fake.general

    def _seen(self, person: Person) -> list[Message]:
        """The bot's messages that they can read."""
        places = (person.direct.id, self._fake.general.id)
        messages = [each for each in self._fake.world.messages if each.user == person.team.bot and each.channel in places]
        return [each for each in messages if each.seen_by in (None, person.id)]

    async def _showing(self, who: str, do: Callable[[Person], Awaitable[object]]) -> str:
        person, done = self._fake.person(who), self._bot.done
        before = {each.ts: each.shown for each in self._seen(person)}
        await do(person)
        await self._bot.deals_with(done + 1)
        await self._bot.core.idle()
        await self._fake.until(lambda: not any(texts.CANCEL in str(each.blocks) for each in self._seen(person)))
        return "\n".join(each.shown for each in self._seen(person) if before.get(each.ts) != each.shown)


def names_in(archive: bytes) -> list[str]:
    """What is in a ZIP file."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.namelist()


@asynccontextmanager
async def talking(platform: str, install: Install) -> AsyncIterator[Talk]:
    """A driver by its name, one of PLATFORMS."""
    if platform == "terminal":
        yield AtTerminal(install)
        return
    if platform.startswith("slack"):
        async with FakeSlack() as fake:
            async with AsyncExitStack() as process:
                yield await OnSlack(install, fake, process, direct=platform == "slack-direct").begun()
            assert fake.violations == []
        return
    async with discord_world(install) as world:
        yield OnDiscord(install, world, direct=platform == "discord-direct")


PLATFORMS = ("terminal", "discord", "discord-direct", "slack", "slack-direct")
