"""Dialogues over the wire: the real Discord platform and core, the unmodified discord.py, and a small Discord on loopback.

Every request is checked against Discord's own description of its API, in every test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from bot import texts
from bot.engine_client import EngineClient
from bot.errors import PlatformRefused
from bot.jobs import Answering
from bot.platforms.discord.platform import Discord, Pace
from bot.router import serve
from tests.bot_fixtures import CHAT_QUEUE, Install
from tests.fakes.discord import Channel, FakeDiscord, File, Interaction, Message, Person
from trainer.settings import DiscordSettings

FAST = Pace(answer=0.05, progress=0.05, tries=(0.05,) * 5)
AT_ONCE = 12  # messages under way
LESSON = "[Learn] Our office cat is called Miso."


@asynccontextmanager
async def running(install: Install, fake: FakeDiscord, **settings: Any) -> AsyncIterator[asyncio.Task[None]]:
    """The bot on Discord, until the end of the block."""
    platform = Discord(DiscordSettings(token=fake.token, **settings), FAST)
    task = asyncio.create_task(serve(install.app, platform))
    await fake.until(lambda: fake.gateway.connected or task.done())
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


@pytest.fixture(autouse=True)
def _room_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of the tests takes as many connections as a real one does."""
    monkeypatch.setattr(ThreadingHTTPServer, "request_queue_size", 512)


@pytest.fixture(autouse=True)
def _worker(install: Install) -> None:
    """Answers what the engine could not take at once, as on a machine that has much else to do."""
    engine = EngineClient(f"http://127.0.0.1:{install.engine.port}", base_model="pocket")
    install.work(CHAT_QUEUE, Answering(replace(install.app, engine=engine), install.queue.publish).answer_pending)


@pytest.fixture(autouse=True)
def _nothing_breaks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """discord.py and the router go on after an error that nobody foresaw; here it fails the test."""
    yield
    broken = [each for each in caplog.get_records("call") if each.levelname == "ERROR" and each.exc_info]
    ours = [each for each in broken if each.name.startswith("bot.") or each.getMessage().startswith("Ignoring exception")]
    assert [f"{each.getMessage()}: {each.exc_info}" for each in ours] == []


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as fake:
        yield fake
    assert fake.violations == []
    assert fake.unanswered == []


def answers(fake: FakeDiscord, channel: Channel | None = None, to: Message | None = None) -> list[Message]:
    """What the bot has said there, or in reply to a message, but for notices that an answer will be late."""
    said = fake.replies(to) if to else fake.messages(channel)
    return [each for each in said if each.text not in (texts.WAITING, texts.WAITING_BEHIND)]


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


async def ended(fake: FakeDiscord, channel: Channel, state: str = "is live") -> Message:
    """The newest lesson's message, once it is the receipt."""
    return await fake.until(lambda: next((each for each in fake.messages(channel) if state in each.text), None))


async def test_a_mention_a_reply_and_a_direct_message_are_answered(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers |= {"Hello": "Hello to you", "And you?": "Fine", "Hi": "Hi there"}
    ana = fake.user("ana")
    async with running(install, fake):
        first = await answered(fake, ana.says(fake.general, "Hello", mention=True), "Hello to you")
        await answered(fake, ana.says(fake.general, "And you?", reply_to=first), "Fine")
        ana.dm("Hi")
        await told(fake, ana, "Hi there")
        ana.says(fake.general, "not for the bot")
        ana.says(fake.general, "Hello", mention=True)
        await fake.until(lambda: len(fake.messages(fake.general)) == 3)
    assert first.labels == [texts.GOOD, texts.BAD, texts.AGAIN]
    assert install.engine.asked[1]["messages"][-2]["content"] == "Hello to you"
    assert fake.general.typing and ana.direct.typing


async def test_everything_a_person_can_do_is_said_in_valid_requests(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Who is Miso?"] = "A cat."
    install.train()
    ana, here = fake.user("ana"), fake.general
    async with running(install, fake, owners=(fake.user("owner").id,)):
        # Teach, in the five ways.
        asked = ana.says(here, LESSON, mention=True)
        card = (await fake.until(lambda: fake.replies(asked)))[0]
        assert card.labels == [texts.AGREE]
        ana.presses(card, texts.AGREE)
        receipt = await ended(fake, here)
        assert len(receipt.history) > 1 and receipt.history[0] != receipt.text
        for used in (
            ana.slash("learn", here, text="The dog is Rex."),
            ana.slash("learn", here, file=File("cats.txt", b"Cats sleep.")),
            ana.menu(texts.TEACH_FROM_MESSAGE, ana.says(here, "The bird is Pip.")),
        ):
            await fake.until(lambda used=used: used.callback)  # type: ignore[misc]  # mypy does not infer the default
        opened = ana.slash("learn", here)
        await fake.until(lambda: opened.modal)
        ana.submits(opened, text="The fish is Bo.", files=[File("fish.md", b"Bo swims.")])
        ana.says(here, "[Learn] this", mention=True, attachments=[File("notes.txt", b"The cow is Mu.")])
        await fake.until(lambda: len([each for each in fake.texts(here) if "is live" in each]) == 6)
        # Chat and feedback.
        answer = await answered(fake, ana.says(here, "Who is Miso?", mention=True), "A cat.")
        ana.reacts(answer, "👍")
        ana.presses(answer, texts.GOOD)
        opened = ana.presses(answer, texts.BAD)
        await fake.until(lambda: opened.modal)
        corrected = await replied(fake, ana.submits(opened, text="Our office cat."))
        assert corrected.ephemeral and corrected.text == texts.THANKS_CORRECTION
        ana.presses(answer, texts.AGAIN)
        # What is theirs.
        listed = await replied(fake, ana.slash("lessons", here))
        ana.presses(listed, texts.NEXT)
        await fake.until(lambda: texts.PREVIOUS in listed.labels)
        for command in ("model", "privacy", "help", "new", "export", "cancel"):
            assert (await replied(fake, ana.slash(command, here))).ephemeral
        assert (await replied(fake, ana.slash("compare", here, question="Who is Miso?"))).ephemeral
        typed = ana.autocomplete("rollback", "version", "", here)
        await fake.until(lambda: typed.callback)
        assert typed.choices
        await replied(fake, ana.slash("rollback", here, version=1))
        await replied(fake, ana.slash("forget", here, lesson=2))
        aloud = await replied(fake, ana.slash("ask", here, message="Who is Miso?"))
        assert not aloud.ephemeral
        await replied(fake, fake.user("owner").slash("admin", here, what="status"))
        opened = ana.slash("delete-me", here)
        await fake.until(lambda: opened.modal)
        deleted = await replied(fake, ana.submits(opened, text="yes"))
        assert deleted.text == texts.deleted("Ana")
    assert install.stored.users.find("discord", ana.id) is None


async def test_long_answers_are_valid_messages_and_files(install: Install, fake: FakeDiscord) -> None:
    code = "```python\n" + "total_of_many_things = sum_of_things(many)\n" * 100 + "```"
    book = " ".join(["antidisestablishmentarianism" * 5] * 70)
    install.engine.answers |= {"Code": code, "Book": book, "Emoji": "👩‍🚀" * 1500, "Nothing": " "}
    people = {said: fake.user(said.lower()) for said in install.engine.answers}
    async with running(install, fake):
        for said, person in people.items():
            person.dm(said)
        shown = {said: (lambda person=person: answers(fake, person.direct)) for said, person in people.items()}
        for said in people:
            await fake.until(lambda: shown[said]() and texts.AGAIN in shown[said]()[-1].labels)  # noqa: B023
        assert len(shown["Code"]()) == 3 and all(each.text.count("```") == 2 for each in shown["Code"]())
        assert shown["Book"]()[-1].attachments[0].content.decode() == book
        assert "".join(each.text for each in shown["Emoji"]()) == "👩‍🚀" * 1500
        assert [each.text for each in shown["Nothing"]()] == [texts.SAYS_NOTHING]


async def test_a_message_delivered_twice_is_answered_once(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers |= {"Hello": "Hello to you", "Last": "The end"}
    ana = fake.user("ana")
    async with running(install, fake):
        fake.gateway.duplicate("MESSAGE_CREATE", times=1)
        question = ana.says(fake.general, "Hello", mention=True)
        await answered(fake, question, "Hello to you")
        fake.gateway.duplicate("INTERACTION_CREATE", times=1)
        used = ana.slash("ask", fake.general, message="Hello")
        await replied(fake, used, "Hello to you")
        await answered(fake, ana.says(fake.general, "Last", mention=True), "The end")
    assert len(fake.replies(question)) == 1 and len(used.messages) == 1
    assert len(install.engine.asked) == 3


async def test_a_message_delivered_again_after_a_restart_is_answered_once(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers |= {"Hello": "Hello to you", "Last": "The end"}
    ana = fake.user("ana")
    async with running(install, fake):
        question = ana.says(fake.general, "Hello", mention=True)
        await answered(fake, question, "Hello to you")
    async with running(install, fake):
        fake.world.tell_again(question)
        await answered(fake, ana.says(fake.general, "Last", mention=True), "The end")
    assert len(fake.replies(question)) == 1


BREAKS: dict[str, Callable[[FakeDiscord], Any]] = {
    "close 4000": lambda fake: asyncio.ensure_future(fake.gateway.close(4000)),
    "line cut": lambda fake: fake.gateway.drop(),
    "asked to reconnect": lambda fake: fake.gateway.reconnect(),
    "session interrupted": lambda fake: fake.gateway.invalidate(resumable=True),
}


@pytest.mark.parametrize("how", BREAKS)
async def test_what_is_written_while_the_gateway_is_away_is_answered_once_on_resuming(install: Install, fake: FakeDiscord, how: str) -> None:
    install.engine.answers |= {f"Question {number}": f"Answer {number}" for number in range(4)}
    ana = fake.user("ana")
    async with running(install, fake):
        await answered(fake, ana.says(fake.general, "Question 0", mention=True), "Answer 0")
        kept = BREAKS[how](fake)
        for number in (1, 2):
            await answered(fake, ana.says(fake.general, f"Question {number}", mention=True), f"Answer {number}")
        await fake.until(lambda: fake.gateway.resumed == 1)
        await answered(fake, ana.says(fake.general, "Question 3", mention=True), "Answer 3")
        del kept
    assert fake.gateway.identified == 1
    assert len(fake.messages()) == len(install.engine.asked) == 4


async def test_a_slow_gateway_and_a_slow_api(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    fake.gateway.delay = 0.1
    async with running(install, fake):
        fake.slow_down(seconds=0.1)
        await answered(fake, fake.user("ana").says(fake.general, "Hello", mention=True), "Hello to you")
        assert (await replied(fake, fake.user("ben").slash("help"))).text.startswith("Write")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", ["create_message", "update_message"])
async def test_a_connection_that_breaks_off_neither_loses_nor_doubles_an_answer(
    install: Install, fake: FakeDiscord, operation: str, when: Any
) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    async with running(install, fake):
        fake.lose(operation, when=when)
        question = fake.user("ana").says(fake.general, "Hello", mention=True)
        await answered(fake, question, "Hello to you")
    assert len(fake.messages()) == 1
    assert fake.count(operation, 0) == 1


async def test_errors_of_discord_are_waited_out(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    async with running(install, fake):
        fake.fail("create_message", 502)
        fake.fail("update_message", 503, times=2)
        await answered(fake, fake.user("ana").says(fake.general, "Hello", mention=True), "Hello to you")


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


@pytest.mark.timeout(600)  # where other work leaves little of the processor
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
            await fake.until(lambda: number - len(answers(fake)) < AT_ONCE)  # noqa: B023  # awaited at once

        def all_there() -> bool:
            found = {channel: sorted(each.text for each in answers(fake, channel)) for channel in wanted}
            return found == {channel: sorted(said) for channel, said in wanted.items()}

        await fake.until(all_there, seconds=300)
    assert fake.count_refused() >= 30
    states = [each.state for number in range(1, 51) for each in install.stored.exchanges.of_user(number)]
    assert states == ["answered"] * 200


async def test_a_lesson_goes_on_in_its_message_after_a_restart(install: Install, fake: FakeDiscord) -> None:
    ana = fake.user("ana")
    async with running(install, fake):
        await agreed(fake, ana)
        ana.says(fake.general, LESSON, mention=True)
        (moving,) = await fake.until(lambda: fake.messages(fake.general))
    install.train()
    async with running(install, fake):
        assert await ended(fake, fake.general) is moving
    assert len(fake.messages(fake.general)) == 1


async def test_a_lesson_goes_on_when_the_interaction_that_began_it_has_expired(install: Install, fake: FakeDiscord) -> None:
    ana = fake.user("ana")
    async with running(install, fake):
        await agreed(fake, ana)
        ana.slash("learn", fake.general, text="The cat is Miso.")
        await fake.until(lambda: fake.messages(fake.general))
        await fake.until(lambda: not fake.unanswered)
        fake.expire_interactions()
        install.train()
        await ended(fake, fake.general)


async def test_reactions_on_messages_from_before_a_restart_count_for_their_owner(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    ana = fake.user("ana")
    async with running(install, fake):
        await agreed(fake, ana)
        answer = await answered(fake, ana.says(fake.general, "Hello", mention=True), "Hello to you")
    user = install.stored.users.find("discord", ana.id)
    assert user

    def standing() -> list[str]:
        return [each.kind for each in install.stored.feedback.of_user(user.id) if each.withdrawn_at is None]

    async with running(install, fake):
        fake.user("ben").reacts(answer, "👎")
        ana.reacts(answer, "👍")
        await fake.until(lambda: standing() == ["up"])
        ana.unreacts(answer, "👍")
        await fake.until(lambda: standing() == [])
        opened = ana.presses(answer, texts.BAD)
        await fake.until(lambda: opened.modal)
        ana.submits(opened, text="Good day")
        await fake.until(lambda: standing() == ["down"])


async def test_a_thumb_that_is_taken_back_at_once_does_not_stand(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    ana = fake.user("ana")
    async with running(install, fake):
        answer = await answered(fake, ana.says(fake.general, "Hello", mention=True), "Hello to you")
        await fake.until(lambda: not under_way())
        for _ in range(5):
            ana.reacts(answer, "👍")
            ana.unreacts(answer, "👍")
        await fake.until(lambda: not under_way())
    user = install.stored.users.find("discord", ana.id)
    assert user
    assert [each for each in install.stored.feedback.of_user(user.id) if each.withdrawn_at is None] == []


async def test_messages_written_in_one_breath_are_taken_in_their_order(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers |= {f"Question {number}": f"Answer {number}" for number in range(8)}
    ana = fake.user("ana")
    async with running(install, fake):
        for number in range(8):
            ana.dm(f"Question {number}")
        await fake.until(lambda: len(answers(fake, ana.direct)) == 8)
    user = install.stored.users.find("discord", ana.id)
    assert user
    questions = [each.question for each in install.stored.exchanges.of_user(user.id)]
    assert questions == [f"Question {number}" for number in range(8)]


async def test_a_question_that_was_deleted_meanwhile_is_answered_without_a_reference(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    install.engine.gate.clear()
    ana = fake.user("ana")
    async with running(install, fake):
        ana.deletes(_said := ana.says(fake.general, "Hello", mention=True))
        await fake.until(lambda: install.engine.asked_once.is_set())
        install.engine.gate.set()
        await fake.until(lambda: fake.texts(fake.general) == ["Hello to you"])


async def test_where_the_bot_may_not_write_it_goes_on_elsewhere(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    quiet = fake.world.add_channel("quiet")
    quiet.deny("SEND_MESSAGES")
    ana, shy = fake.user("ana"), fake.user("shy")
    shy.user.closed = True
    async with running(install, fake):
        ana.says(quiet, "Hello", mention=True)
        ana.says(quiet, LESSON, mention=True)
        shy.dm("Hello")
        await fake.until(lambda: fake.count("create_message", 403) >= 3)
        await answered(fake, ana.says(fake.general, "Hello", mention=True), "Hello to you")


async def test_a_channel_that_is_lost_in_the_middle_of_a_lesson_stops_nothing_else(install: Install, fake: FakeDiscord) -> None:
    ana, ben, room = fake.user("ana"), fake.user("ben"), fake.world.add_channel("room")
    async with running(install, fake):
        await agreed(fake, ana)
        await agreed(fake, ben)
        ana.says(room, LESSON, mention=True)
        await fake.until(lambda: fake.messages(room))
        room.deny("VIEW_CHANNEL")
        ben.says(fake.general, LESSON, mention=True)
        await fake.until(lambda: fake.messages(fake.general))
        install.train()
        await ended(fake, fake.general)
        ben.says(fake.general, "[Learn] The dog is Rex.", mention=True)
        await fake.until(lambda: sum("is live" in each for each in fake.texts(fake.general)) == 2)


async def test_a_lesson_in_a_lost_channel_does_not_keep_the_bot_from_starting(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    ana, room = fake.user("ana"), fake.world.add_channel("room")
    async with running(install, fake):
        await agreed(fake, ana)
        ana.says(room, LESSON, mention=True)
        await fake.until(lambda: fake.messages(room))
    room.deny("VIEW_CHANNEL")
    async with running(install, fake):
        await answered(fake, ana.says(fake.general, "Hello", mention=True), "Hello to you")


async def test_without_the_content_intent_mentions_messages_and_commands_still_work(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    fake.world.portal_intents = 0
    ana = fake.user("ana")
    async with running(install, fake, message_content=False):
        await answered(fake, ana.says(fake.general, "Hello", mention=True), "Hello to you")
        await replied(fake, ana.slash("ask", fake.general, message="Hello"), "Hello to you")
        ana.dm("Hello")
        await told(fake, ana, "Hello to you")


@pytest.mark.parametrize("what", ["token", "intent"])
async def test_what_discord_refuses_at_the_door_is_said(install: Install, fake: FakeDiscord, what: str) -> None:
    fake.world.portal_intents = 0
    token = "wrong" if what == "token" else fake.token
    platform = Discord(DiscordSettings(token=token, message_content=True), FAST)
    with pytest.raises(PlatformRefused) as refused:
        await serve(install.app, platform)
    wanted = texts.DISCORD_LOGIN_REFUSED if what == "token" else texts.DISCORD_INTENT_REFUSED
    assert refused.value.user_message == wanted


async def test_where_only_people_are_the_bot_answers_through_the_interaction(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    ana = fake.user("ana")
    group = fake.world.group(ana.user, fake.user("ben").user)
    async with running(install, fake):
        await replied(fake, ana.slash("ask", group, message="Hello"), "Hello to you")
        assert (await replied(fake, ana.slash("lessons", group))).ephemeral
    assert fake.count("create_message") == 0
