"""One's own on Slack: feedback, versions, lessons, the home tab, export, deletion; and what others may see of it."""

from __future__ import annotations

import io
import zipfile

from bot import texts
from storage.records import FeedbackRecord
from tests.bot_fixtures import Install
from tests.fakes.slack.fake import FakeSlack
from tests.fakes.slack.people import Person
from tests.fakes.slack.world import Message, buttons, shown
from tests.slack_world import QUICK, answered, running, shows, slack_world
from trainer.settings import LimitSettings


def feedback(install: Install, person: Person) -> list[tuple[str, str | None]]:
    """Their thumbs that count, with corrections."""
    user = install.stored.users.find("slack", f"T0TUTEE:{person.id}")
    found: list[FeedbackRecord] = list(install.stored.feedback.of_user(user.id)) if user else []
    return [(each.kind, each.correction) for each in found if each.withdrawn_at is None]


def with_lessons(install: Install, person: Person, count: int) -> int:
    """Somebody who has taught that much already; their user id."""
    user = install.stored.users.identify("slack", f"T0TUTEE:{person.id}", person.user.name)
    install.stored.users.record_consent(user.id, texts.CONSENT_VERSION)
    for number in range(1, count + 1):
        lesson, _ = install.stored.lessons.create(
            user.id, "instruction", f"Fact {number}.", dedupe_key=f"k{number}", platform="slack",
            channel=f"T0TUTEE:{person.direct.id}", conversation_id=None, source=None,
        )  # fmt: skip
        install.stored.lessons.start(lesson.id)
        version = install.publish_version(user.id, [lesson.id])
        install.stored.lessons.finish(lesson.id, "live", version=version)
        install.stored.lessons.said_all(lesson.id)
    return user.id


async def an_answer(install: Install, fake: FakeSlack, person: Person, text: str = "Hello") -> Message:
    """What the bot said to them."""
    count = len(fake.said(person.direct))
    await person.says(text)
    return await kept(install, fake, await answered(fake, person.direct, count=count + 1))


async def kept(install: Install, fake: FakeSlack, answer: Message) -> Message:
    """The answer, once the database knows which message shows it, which is before the bot is done with the question."""
    await fake.until(lambda: install.stored.exchanges.by_reply("slack", f"{answer.channel}:{answer.ts}"))
    return answer


async def happened(fake: FakeSlack, person: Person, number: int) -> None:
    """Wait until that many things were shown to them: messages or forms."""
    await fake.until(lambda: len(fake.said(to=person)) + len(fake.world.views) >= number)


def home(fake: FakeSlack, person: Person) -> str:
    return shown(fake.world.homes[person.id]["blocks"])


async def test_thumbs_by_reaction_count_for_the_owner_only_and_can_be_taken_back(install: Install) -> None:
    async with slack_world(install) as fake:
        ada, bob = fake.person("ada"), fake.person("bob")
        answer = await an_answer(install, fake, ada)
        await an_answer(install, fake, bob)
        await bob.reacts(answer, "+1")
        await ada.reacts(answer, "tada")
        await ada.reacts(answer, "+1::skin-tone-3")
        thanks = await shows(fake, texts.THANKS_UP)
        assert thanks.thread_ts == answer.thread_ts
        assert (feedback(install, ada), feedback(install, bob)) == ([("up", None)], [])
        await ada.reacts(answer, "+1", removed=True)
        await shows(fake, texts.REACTION_WITHDRAWN)
        assert feedback(install, ada) == []


async def test_a_reaction_in_a_channel_is_noted_without_a_word(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        await ada.says("Hello", fake.general)
        answer = await kept(install, fake, await answered(fake, fake.general))
        await ada.reacts(answer, "thumbsdown")
        await an_answer(install, fake, ada)
        assert feedback(install, ada) == [("down", None)]
        assert len(fake.said(fake.general)) == 1


async def test_a_reaction_that_is_delivered_twice_counts_once(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        answer = await an_answer(install, fake, ada)
        item = {"type": "message", "channel": answer.channel, "ts": answer.ts}
        for kind, event_id in (("reaction_added", "EvA"), ("reaction_removed", "EvB"), ("reaction_added", "EvA")):
            await fake.event({"type": kind, "user": ada.id, "reaction": "+1", "item": item}, event_id=event_id)
            if event_id == "EvA":
                await shows(fake, texts.THANKS_UP)
        await shows(fake, texts.REACTION_WITHDRAWN)
        assert feedback(install, ada) == []


async def test_slacks_feedback_buttons_take_a_thumb_and_a_correction(install: Install) -> None:
    install.engine.answers["Cat?"] = "It is called Tom."
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        with_lessons(install, ada, 0)
        answer = await an_answer(install, fake, ada, "Cat?")
        await ada.presses(answer, texts.GOOD)
        await shows(fake, texts.THANKS_UP)
        await ada.presses(answer, texts.BAD)
        form = (await fake.until(lambda: fake.world.views))[-1]
        assert form["blocks"][0]["element"]["initial_value"] == "It is called Tom."
        await ada.submits(form, text="It is called Miso.")
        await shows(fake, texts.THANKS_CORRECTION)
        assert feedback(install, ada) == [("down", "It is called Miso.")]


async def test_a_form_that_is_sent_as_it_was_is_a_thumb_without_words(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        answer = await an_answer(install, fake, ada)
        await ada.presses(answer, texts.BAD)
        await ada.submits((await fake.until(lambda: fake.world.views))[-1])
        await shows(fake, texts.THANKS_DOWN)
        assert feedback(install, ada) == [("down", None)]


async def test_another_persons_buttons_are_refused_in_private(install: Install) -> None:
    async with slack_world(install) as fake:
        ada, bob = fake.person("ada"), fake.person("bob")
        message = await ada.says("Hello", fake.general)
        answer = await kept(install, fake, await answered(fake, fake.general))
        await bob.presses(answer, texts.AGAIN)
        refused = await shows(fake, texts.NOT_YOURS)
        assert (refused.seen_by, refused.thread_ts) == (bob.id, message.ts)
        await ada.presses(answer, texts.AGAIN)
        again = (await fake.until(lambda: [m for m in fake.said(fake.general) if not m.seen_by and not m.streaming][1:]))[0]
        assert again.thread_ts == message.ts
    assert [each["temperature"] for each in install.engine.asked] == [0.0, 0.8]


async def test_buttons_and_reactions_work_on_messages_from_before_a_restart(install: Install) -> None:
    async with FakeSlack() as fake:
        ada = fake.person("ada")
        async with running(install, fake):
            answer = await an_answer(install, fake, ada)
        await fake.until(lambda: not fake.socket.connections)
        async with running(install, fake):
            await ada.reacts(answer, "+1")
            thanks = await shows(fake, texts.THANKS_UP)
            assert thanks.thread_ts == answer.thread_ts
            await ada.presses(answer, texts.AGAIN)
            await answered(fake, ada.direct, count=3)
        assert fake.violations == []
    assert len(install.engine.asked) == 2


async def test_what_is_private_is_shown_to_one_person_only_in_a_channel(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        with_lessons(install, ada, 1)
        message = await ada.says("/lessons", fake.general)
        mentioned = await shows(fake, "Fact 1.")
        assert (mentioned.seen_by, mentioned.thread_ts, mentioned.channel) == (ada.id, message.ts, fake.general.id)
        await ada.commands("/model", channel=fake.general)
        model = await shows(fake, "Version 1 of your model")
        assert (model.seen_by, model.channel) == (ada.id, fake.general.id)
        await ada.presses(model, texts.UNTAUGHT)
        assert (await shows(fake, "The untaught model answers you now")).seen_by == ada.id
        await ada.commands("/model")
        drawn = (await fake.until(lambda: [each for each in fake.said() if each.files]))[0]
        assert drawn.channel == ada.direct.id and drawn.files[0].content.startswith(b"\x89PNG")


async def test_the_list_of_lessons_is_turned_over_in_place(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        with_lessons(install, ada, 7)
        await ada.commands("/lessons")
        page = await shows(fake, "(page 1 of 2)")
        await ada.presses(page, texts.NEXT)
        await fake.until(lambda: "(page 2 of 2)" in page.shown)
        assert fake.said() == [page]
        install.train()
        await ada.presses(page, texts.forget_lesson(7))
        await shows(fake, "Lesson 7 is forgotten")


async def test_every_command_of_the_manifest_is_understood(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        names = [*(each for each in texts.COMMANDS if each != "ask"), "stop", "again", "tutee"]
        for number, name in enumerate(names, start=1):
            await ada.commands(f"/{name}", channel=fake.general)
            await happened(fake, ada, number)
        said = "\n".join(each.shown for each in fake.said())
        assert "I do not know" not in said and "Something went wrong" not in said
        assert all(each.seen_by == ada.id or each.channel == ada.direct.id for each in fake.said())


async def test_the_command_of_the_bots_own_name_takes_any_other(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        await ada.commands("/tutee", "lessons 2")
        await shows(fake, texts.NO_LESSONS)
        await ada.commands("/tutee", "Hello")  # no command's name: a question
        assert (await shows(fake, "I don't know.")).channel == ada.direct.id


async def test_the_home_tab_is_a_dashboard_and_looking_stores_nothing(install: Install) -> None:
    install.configured(limits=LimitSettings(messages_per_day=10))
    async with slack_world(install) as fake:
        ada, bob = fake.person("ada"), fake.person("bob")
        with_lessons(install, ada, 7)
        await bob.opens_home()
        await fake.until(lambda: bob.id in fake.world.homes)
        assert texts.HELLO in home(fake, bob) and install.stored.users.count() == 1
        await ada.opens_home()
        await fake.until(lambda: ada.id in fake.world.homes)
        for part in ("Version 7 of your model", "Fact 1.", "0 of 10 messages", texts.PRIVACY):
            assert part in home(fake, ada)
        found = [each.label for each in buttons(fake.world.homes[ada.id]["blocks"])]
        assert {texts.TEACH_BUTTON, texts.forget_lesson(1), texts.EXPORT, texts.DELETE, texts.UNTAUGHT, texts.NEXT} <= set(found)
        await ada.presses_home(texts.NEXT)
        await fake.until(lambda: "(page 2 of 2)" in home(fake, ada))
        assert "Fact 1." not in home(fake, ada) and fake.said() == []
        await ada.presses_home(texts.UNTAUGHT)
        await shows(fake, "The untaught model answers you now")
        await fake.until(lambda: "The untaught model answers you." in home(fake, ada))
        await ada.presses_home(texts.TEACH_BUTTON)
        await ada.submits((await fake.until(lambda: fake.world.views))[-1], text="Miso is a cat.")
        await shows(fake, "[0%]")


async def test_the_home_tab_shows_how_the_model_came_along(install: Install) -> None:
    """At once without the picture, and with it once Slack has taken it in; it is kept for as long as it is the newest."""

    def pictured(number: int) -> bool:
        return "slack_file" in str(fake.calls("views.publish")[number].arguments)

    async with slack_world(install) as fake:
        ada = fake.person("ada")
        user = with_lessons(install, ada, 2)
        await ada.opens_home()
        await fake.until(lambda: len(fake.calls("views.publish")) == 2)
        assert [pictured(0), pictured(1)] == [False, True] and texts.PICTURE_OF_PROGRESS in home(fake, ada)
        (first,) = fake.world.files.values()
        assert first.content.startswith(b"\x89PNG") and len(fake.calls("files.info")) == 2
        await ada.opens_home()
        await fake.until(lambda: len(fake.calls("views.publish")) == 3)
        assert pictured(2) and len(fake.calls("files.completeUploadExternal")) == 1
        install.publish_version(user, [1, 2])
        await ada.opens_home()
        await fake.until(lambda: fake.calls("files.delete"))
        (second,) = fake.world.files.values()
        assert second is not first and second.id in str(fake.world.homes[ada.id])


async def test_a_home_tab_without_a_picture_is_better_than_none(install: Install) -> None:
    async with slack_world(install) as fake:
        ada, bob = fake.person("ada"), fake.person("bob")
        for each in (ada, bob):
            with_lessons(install, each, 1)
        fake.refuse("files.getUploadURLExternal", "storage_limit_reached")
        fake.server.methods.looks = 99  # Slack never takes the other one in
        for each in (ada, bob):
            await each.opens_home()
        await fake.until(lambda: {ada.id, bob.id} <= fake.world.homes.keys() and len(fake.calls("files.info")) == len(QUICK.tries))
        assert "Version 1 of your model" in home(fake, ada) and texts.PICTURE_OF_PROGRESS not in home(fake, ada) + home(fake, bob)


async def test_the_export_is_a_file_in_direct_messages(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        with_lessons(install, ada, 1)
        await ada.says("/export", fake.general)
        said = await shows(fake, texts.SAID_IN_PRIVATE)
        file = (await fake.until(lambda: [each for each in fake.said() if each.files]))[0]
        assert (said.seen_by, file.channel) == (ada.id, ada.direct.id)
        packed = zipfile.ZipFile(io.BytesIO(file.files[0].content))
        assert "Fact 1." in packed.read("lessons.jsonl").decode()


async def test_deletion_asks_for_a_typed_word(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        with_lessons(install, ada, 1)
        await ada.commands("/delete-me", channel=fake.general)
        form = (await fake.until(lambda: fake.world.views))[-1]
        await ada.submits(form, text="no")
        await shows(fake, texts.DELETE_ASK)
        assert install.stored.users.count() == 1
        await ada.submits(form | {"id": "VSECOND"}, text="yes")
        gone = await shows(fake, "Everything of yours is deleted")
        assert gone.seen_by == ada.id and install.stored.users.count() == 0


async def test_the_owner_of_the_bot_sees_how_it_is_doing(install: Install) -> None:
    async with FakeSlack() as fake:
        ada, bob = fake.person("ada"), fake.person("bob")
        async with running(install, fake, owners=(ada.id,)):
            await bob.commands("/admin")
            await shows(fake, texts.ADMIN_ONLY)
            await ada.commands("/admin", "off")
            await shows(fake, texts.SWITCHED_OFF_NOW)
            await bob.says("Hello")
            await shows(fake, texts.SWITCHED_OFF)
        assert fake.violations == []
    assert install.engine.asked == []
