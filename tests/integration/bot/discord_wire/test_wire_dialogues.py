"""Dialogues over the wire: the unmodified discord.py between the bot and a small Discord."""

from __future__ import annotations

from bot import texts
from tests.bot_fixtures import Install
from tests.discord_wire import LESSON, agreed, answered, answers, ended, replied, running, told, under_way
from tests.fakes.discord import FakeDiscord, File


async def test_a_mention_a_reply_and_a_direct_message_are_answered(install: Install, fake: FakeDiscord) -> None:
    install.engine.answers |= {"Hello": "Hello to you", "And you?": "Fine", "Hi": "Hi there"}
    ana = fake.user("ana")
    async with running(install, fake):
        first = await answered(fake, ana.says(fake.general, "Hello", mention=True), "Hello to you")
        await fake.until(lambda: install.app.repositories.exchanges.by_reply("discord", str(first.id)))  # nobody replies as fast as a test
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
            await fake.until(lambda: shown[said]() and texts.AGAIN in shown[said]()[-1].labels)  # noqa: B023  # awaited at once
        assert len(shown["Code"]()) == 3 and all(each.text.count("```") == 2 for each in shown["Code"]())
        assert shown["Book"]()[-1].attachments[0].content.decode() == book
        assert "".join(each.text for each in shown["Emoji"]()) == "👩‍🚀" * 1500
        assert [each.text for each in shown["Nothing"]()] == [texts.SAYS_NOTHING]


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
