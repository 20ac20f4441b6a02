"""Teaching on Discord: five ways into one pipeline, consent, progress that moves in one message, and feedback."""

from __future__ import annotations

import pytest
import simcord

from bot import texts
from bot.jobs import Answering
from bot.lessons import BIGGEST_FILE
from bot.platforms.discord.platform import Pace
from storage.records import LessonRecord
from tests.bot_fixtures import CHAT_QUEUE, Install
from tests.discord_world import World, buttons, discord_world
from trainer.contracts import Finished, Progress

FACT = "The cat is Miso."
LIVE = "Lesson 1 is live"


def lessons(install: Install, user_id: int = 1) -> list[LessonRecord]:
    return list(install.stored.lessons.of_user(user_id))


def agrees(world: World, name: str) -> None:
    """Somebody has agreed on another day."""
    user = world.install.stored.users.identify("discord", str(world.person(name).id), name)
    world.install.stored.users.record_consent(user.id, texts.CONSENT_VERSION)


async def test_consent_is_asked_for_by_a_card_and_then_the_lesson_goes_on(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        await world.says("ada", f"[Learn] {FACT}")
        card = world.last()
        assert card.content == texts.CONSENT and buttons(card) == [texts.AGREE]
        assert lessons(install) == [] and install.stored.users.consents(1) == ()
        await world.person("ada").click(card, label=texts.AGREE)
        await world.learned()
        agreed, receipt = world.shown()
        assert agreed.id == card.id and agreed.content == texts.AGREED_GOING_ON and buttons(agreed) == []
        assert receipt.content.startswith(LIVE)
    assert [each.version for each in install.stored.users.consents(1)] == [texts.CONSENT_VERSION]
    assert [each.text for each in lessons(install)] == [FACT]


async def test_nobody_agrees_for_somebody_else(install: Install) -> None:
    async with discord_world(install) as world:
        await world.says("ada", f"[Learn] {FACT}")
        pressed = await world.person("bob").click(world.last(), label=texts.AGREE)
        assert [each.content for each in pressed.followups] == [texts.NOT_YOURS]
        assert world.texts()[0] == texts.CONSENT
    assert install.stored.users.consents(1) == install.stored.users.consents(2) == ()


async def test_a_card_of_before_a_restart_still_agrees(install: Install) -> None:
    async with discord_world(install) as world:
        await world.says("ada", f"[Learn] {FACT}")
        card = world.last()
        await world.restart()
        await world.person("ada").click(card, label=texts.AGREE)
        assert world.texts() == [texts.AGREED]
    assert len(install.stored.users.consents(1)) == 1


async def test_progress_is_one_message_that_ends_as_the_receipt(install: Install) -> None:
    async with discord_world(install) as world:
        agrees(world, "ada")
        await world.says("ada", f"[Learn] {FACT}")
        waiting = world.last()
        assert waiting.content.startswith("Lesson 1: waiting") and buttons(waiting) == [texts.CANCEL]
        install.queue.publish(Progress(1, 1, "train", 62, 5.0))
        await world.sees(f"Lesson 1: training… [62%, about 5 s left]\n{'▰' * 12}{'▱' * 8}")
        install.train()
        await world.learned()
        (receipt,) = world.shown()
        assert receipt.id == waiting.id and receipt.content.startswith(LIVE)
        assert "What is the cat called? → Miso." in receipt.content
        assert buttons(receipt) == [texts.MY_MODEL, texts.FORGET]


async def test_steps_that_come_fast_are_not_all_edited(install: Install) -> None:
    async with discord_world(install, Pace(answer=0.01, progress=60, tries=())) as world:
        agrees(world, "ada")
        await world.says("ada", f"[Learn] {FACT}")
        for percent in range(1, 90):
            install.queue.publish(Progress(1, 1, "train", percent))
        install.train()
        await world.learned()
        edits = world.requests("PATCH")
        assert len(edits) <= 3 and edits[-1]["content"].startswith(LIVE)


async def test_a_restarted_bot_goes_on_in_the_same_message(install: Install) -> None:
    async with discord_world(install) as world:
        agrees(world, "ada")
        await world.says("ada", f"[Learn] {FACT}")
        before = world.last()
        await world.restart()
        install.train()
        await world.learned()
        (receipt,) = world.shown()
        assert receipt.id == before.id and receipt.content.startswith(LIVE)


async def test_the_end_of_a_lesson_while_no_bot_ran_is_shown_at_the_next_start(install: Install) -> None:
    async with discord_world(install) as world:
        agrees(world, "ada")
        await world.says("ada", f"[Learn] {FACT}")
        await world.stop()
        install.stored.lessons.finish(1, "failed", reason="the disk is full")
        await world.restart()
        assert len(world.shown()) == 1 and "The disk is full." in world.last().content


async def test_a_progress_message_that_somebody_deleted_comes_back_as_the_receipt(install: Install) -> None:
    async with discord_world(install) as world:
        agrees(world, "ada")
        await world.says("ada", f"[Learn] {FACT}")
        await world.bot.client.http.delete_message(world.channel.id, world.last().id)
        install.queue.publish(Progress(1, 1, "train", 62, 5.0))
        install.train()
        await world.learned()
        assert len(world.shown()) == 1 and world.last().content.startswith(LIVE)


async def test_cancel_stops_ones_own_lesson_only(install: Install) -> None:
    async with discord_world(install) as world:
        for name in ("ada", "bob"):
            agrees(world, name)
            await world.says(name, f"[Learn] {FACT}")
        of_ada, of_bob = world.shown()
        pressed = await world.person("bob").click(of_ada, label=texts.CANCEL)
        assert [each.content for each in pressed.followups] == [texts.NOT_YOURS]
        pressed = await world.person("bob").click(of_bob, label=texts.CANCEL)
        assert [each.ephemeral for each in pressed.followups] == [True]
        assert [lessons(install, number)[0].state for number in (1, 2)] == ["queued", "cancelled"]
        assert world.texts()[1].startswith("Lesson 1 was cancelled.")


async def test_slash_learn_teaches_text_link_and_file(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        agrees(world, "ada")
        ada = world.person("ada")
        result = await ada.slash(world.channel, "learn", text=FACT)
        await world.learned()
        assert result.ephemeral and result.response is None  # "thinking…" is taken away: the receipt says it all
        assert world.last().content.startswith(LIVE)
        await ada.slash(world.channel, "learn", text="The dog is Rex.", file=("dog.txt", b"Rex barks."))
        await world.learned()
    assert install.materials() == [FACT, "The dog is Rex.\n\nRex barks."]
    assert [each.source for each in lessons(install)] == [None, "dog.txt"]


async def test_slash_learn_alone_asks_in_a_form(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        agrees(world, "ada")
        ada = world.person("ada")
        form = await ada.slash(world.channel, "learn")
        assert form.modal is not None and form.modal["title"] == texts.TEACH_TITLE
        labels = [each["label"] for each in form.modal["components"]]
        assert labels == [texts.TEACH_TEXT, texts.TEACH_LINK, texts.TEACH_FILE]
        await ada.submit_modal(form, {"text": FACT, "files": [("dog.md", b"Rex barks.")]})
        await world.learned()
        empty = await ada.slash(world.channel, "learn")
        refused = await ada.submit_modal(empty, {})
        assert refused.response is not None and refused.response.content == texts.LESSON_EMPTY and refused.ephemeral
    assert install.materials() == [f"{FACT}\n\nRex barks."]


async def test_the_menu_teaches_from_ones_own_messages_and_the_bots_only(install: Install) -> None:
    install.train()
    install.engine.answers["Hello"] = "The office closes at six."
    async with discord_world(install) as world:
        for name in ("ada", "bob"):
            agrees(world, name)
        mine = await world.says("ada", FACT)  # with a mention of the bot, which is no part of the fact
        ada, bob = world.person("ada"), world.person("bob")
        await ada.context_menu(world.channel, texts.TEACH_FROM_MESSAGE, mine)
        await world.learned()
        refused = await bob.context_menu(world.channel, texts.TEACH_FROM_MESSAGE, mine)
        assert refused.response is not None and refused.response.content == texts.NOT_YOUR_WORDS and refused.ephemeral
        await world.says("ada", "Hello")
        await ada.context_menu(world.channel, texts.TEACH_FROM_MESSAGE, await world.sees("The office closes at six."))
        await world.learned()
    assert [each.text for each in lessons(install)] == [FACT, "The office closes at six."]
    assert lessons(install, 2) == []


async def test_a_file_with_learn_is_taught_and_one_that_cannot_be_is_refused_whole(install: Install) -> None:
    install.train()
    async with discord_world(install) as world:
        agrees(world, "ada")
        await world.says("ada", "[Learn] read this", attachments=[("cat.md", FACT.encode())])
        await world.learned()
        await world.writes("ada", "[Learn]", (("dog.txt", b"Rex barks."),))
        await world.learned()
        assert world.last(world.direct("ada")).content.startswith("Lesson 2 is live")
        huge = ("big.txt", b"a" * (BIGGEST_FILE + 1))
        await world.says("ada", "[Learn] read this", attachments=[huge])
        assert texts.file_too_big("big.txt", BIGGEST_FILE) in world.texts()
    assert install.materials() == [FACT, "Rex barks."]


async def test_a_file_that_cannot_be_fetched_is_refused_with_its_name(install: Install) -> None:
    async with discord_world(install) as world:
        agrees(world, "ada")
        cdn = world.env.backend.cdn
        real = cdn.get
        cdn.get = lambda url: None  # type: ignore[method-assign]  # the content network has forgotten it
        await world.says("ada", "[Learn] read this", attachments=[("cat.txt", b"x")])
        cdn.get = real  # type: ignore[method-assign]  # as it was
        assert world.texts() == [texts.file_unreadable("cat.txt", texts.NOT_GIVEN_OUT)]


async def thumbs(world: World) -> list[str]:
    """The standing feedback of ada."""
    return sorted(each.kind for each in world.install.stored.feedback.of_user(1) if each.withdrawn_at is None)


async def test_reactions_count_for_the_owner_and_are_taken_back(install: Install) -> None:
    async with discord_world(install) as world:
        await world.says("ada", "Hello")
        answer = world.last()
        ada, bob = world.person("ada"), world.person("bob")
        await bob.react(answer, "👎")
        assert await thumbs(world) == [] and install.stored.users.count() == 1
        await ada.react(answer, "👍")
        await ada.react(answer, "🎉")
        assert await thumbs(world) == ["up"]
        await ada.unreact(answer, "👍")
        assert await thumbs(world) == []
        assert world.texts() == ["I don't know."]  # no chatter where others read along


async def test_reactions_in_direct_messages_are_answered(install: Install) -> None:
    async with discord_world(install) as world:
        await world.writes("ada", "Hello")
        here = world.direct("ada")
        user = world.person("ada").user
        await user.set_reaction(world.last(here), "👍", reacted=True)
        assert world.texts(here)[-1] == texts.THANKS_UP


async def test_reactions_and_buttons_work_on_answers_from_before_a_restart(install: Install) -> None:
    async with discord_world(install) as world:
        await world.says("ada", "Hello")
        answer = world.last()
        await world.restart()
        ada = world.person("ada")
        await ada.react(answer, "👍")
        assert await thumbs(world) == ["up"]
        form = await ada.click(answer, label=texts.BAD)
        assert form.modal is not None
        (label,) = form.modal["components"]
        assert label["label"] == texts.ASKS["/react 👎"] and label["component"]["value"] == "I don't know."


async def test_a_long_answer_is_corrected_as_a_whole(install: Install) -> None:
    install.engine.answers["Long"] = "\n".join(f"This is line {number} of a long answer." for number in range(90))
    async with discord_world(install) as world:
        await world.says("ada", "Long")
        assert len(world.shown()) == 2
        form = await world.person("ada").click(world.last(), label=texts.BAD)
        assert form.modal is not None
        (label,) = form.modal["components"]
        assert label["component"]["value"] == install.engine.answers["Long"]


async def corrected(world: World, answer: object, said: str) -> simcord.InteractionResult:
    ada = world.person("ada")
    form = await ada.click(answer, label=texts.BAD)  # type: ignore[arg-type]  # a message of the simulation's
    return await ada.submit_modal(form, {"text": said})


async def test_thumbs_by_button_and_what_it_should_have_said(install: Install) -> None:
    async with discord_world(install) as world:
        agrees(world, "ada")
        await world.says("ada", "Hello")
        answer = world.last()
        pressed = await world.person("ada").click(answer, label=texts.GOOD)
        assert [(each.content, each.ephemeral) for each in pressed.followups] == [(texts.THANKS_UP, True)]
        await corrected(world, answer, "I don't know.")  # left as it was: no correction
        assert await thumbs(world) == ["down"]
        assert [each.correction for each in install.stored.feedback.of_user(1)] == [None, None]
        await world.says("ada", "And now?")
        await corrected(world, answer, "Say hello.\nAnd smile.")  # an older answer than the last
        (down,) = [each for each in install.stored.feedback.of_user(1) if each.correction]
        exchange = install.stored.exchanges.get(down.exchange_id)
        assert (exchange.question if exchange else "", down.correction) == ("Hello", "Say hello.\nAnd smile.")
        pressed = await world.person("bob").click(answer, label=texts.GOOD)
        assert [each.content for each in pressed.followups] == [texts.NOT_YOURS]


async def test_a_lesson_of_a_server_that_is_gone_still_ends(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    async with discord_world(install) as world:
        agrees(world, "ada")
        await world.says("ada", f"[Learn] {FACT}")
        path = f"/channels/{world.channel.id}/messages"
        for method, where in (("PATCH", f"{path}/*"), ("POST", path)):
            world.env.inject_error(method, where, status=403, code=50001, times=None)
        install.train()
        await world.learned()
        await world.writes("ada", "Hello")  # the others go on
        assert world.texts(world.direct("ada")) == ["I don't know."]
    assert lessons(install)[0].state == "live"


async def test_events_of_a_lesson_and_of_answers_reach_their_own_places(install: Install) -> None:
    install.engine.mode = "busy"
    async with discord_world(install) as world:
        agrees(world, "ada")
        await world.writes("ada", f"[Learn] {FACT}")
        await world.says("bob", "Hello")
        install.engine.mode = "ok"
        install.train()
        install.work(CHAT_QUEUE, Answering(install.app, install.queue.publish).answer_pending)
        install.queue.publish(Finished(99, 1))
        await world.learned()
        assert world.texts() == [texts.WAITING, "I don't know."]
        assert world.last(world.direct("ada")).content.startswith(LIVE)
