"""Dialogues: chat, history, the bridge, and messages that have to wait."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from bot import texts
from bot.engine_client import EngineClient
from bot.errors import EarlierPending, EngineUnavailable
from bot.jobs import Answering
from bot.messages import Answer, Notice, Reaction, Reply, Trouble
from bot.platforms.recording import RecordingPlatform
from bot.queue import JobQueue
from bot.serving import serve
from tests.bot_fixtures import CHAT_QUEUE, Install, Leaving, said
from trainer.lease import connect
from trainer.settings import ChatSettings


def spoken(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


def test_an_answer_is_streamed_and_kept(install: Install) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    platform = RecordingPlatform([said("Hello")])
    asyncio.run(serve(install.app, platform))
    assert platform.pieces == ["Hello", " to", " you"]
    (exchange,) = install.stored.exchanges.of_user(1)
    assert (exchange.state, exchange.answer, exchange.reply_message_id) == ("answered", "Hello to you", "m1")


def test_earlier_turns_of_this_conversation_are_in_the_prompt_and_no_others(install: Install) -> None:
    install.engine.answers |= {"One": "1", "Two": "2"}
    install.talk("One", "Two", "/new", "Three")
    asked = [[turn["content"] for turn in body["messages"]] for body in install.engine.asked]
    assert asked == [["One"], ["One", "1", "Two"], ["Three"]]


def test_only_as_much_history_as_configured(install: Install) -> None:
    install.configured(chat=ChatSettings(system_prompt="Be kind.", history=1))
    install.talk("One", "Two", "Three")
    last = install.engine.asked[-1]["messages"]
    assert [turn["content"] for turn in last] == ["Be kind.", "Two", "I don't know.", "Three"]


def test_a_lesson_bridges_in_the_prompt_until_it_is_live_and_only_for_its_user(install: Install) -> None:
    install.configured(chat=ChatSettings(system_prompt="Be kind."))
    user = install.stored.users.identify("recording", "ada", "ada")
    lesson, _ = install.stored.lessons.create(
        user.id,
        "instruction",
        "The cat is Miso.",
        dedupe_key="k",
        platform="elsewhere",
        channel="c",
        conversation_id=None,
    )
    install.talk(said("Hi"), said("Hi", user="bob"))
    mine, other = (body["messages"] for body in install.engine.asked)
    assert mine[0] == {"role": "system", "content": "Be kind.\n\nThe user taught you this:\nThe cat is Miso."}
    assert other[0]["content"] == "Be kind."
    install.stored.lessons.finish(lesson.id, "failed")
    install.talk(said("Hi"))
    assert install.engine.asked[-1]["messages"][0]["content"] == "Be kind."


def test_the_live_version_answers_and_is_recorded(install: Install) -> None:
    user = install.stored.users.identify("recording", "ada", "ada")
    name = install.publish_version(user.id, [])
    (answer,) = install.talk("Hi")
    assert isinstance(answer, Answer) and answer.version == name
    assert install.engine.asked[0]["model"] == name


def test_a_version_that_the_engine_does_not_have_is_said_and_not_replaced_by_the_base_model(install: Install) -> None:
    user = install.stored.users.identify("recording", "ada", "ada")
    install.engine.models.discard(install.publish_version(user.id, []))
    (trouble,) = install.talk("Hi")
    assert isinstance(trouble, Trouble) and "user-1-v1 cannot be loaded" in trouble.text and "/rollback" in trouble.text
    assert len(install.engine.asked) == 1
    assert install.stored.exchanges.of_user(1)[0].state == "failed"


def test_a_message_delivered_twice_is_answered_once(install: Install) -> None:
    replies = install.talk(said("Hi", message_id="same"), said("Hi", message_id="same"))
    assert len(replies) == 1 and len(install.engine.asked) == 1


def test_a_waiting_message_delivered_twice_waits_once(install: Install) -> None:
    install.engine.mode = "busy"
    platform = Leaving([said("Hi", message_id="same")] * 2)
    asyncio.run(serve(install.app, platform))
    assert spoken(platform.replies) == [texts.WAITING]
    assert install.job_ids(CHAT_QUEUE) == ["answer-1"]


def test_a_conversation_that_is_too_long_is_asked_with_less_history(install: Install) -> None:
    install.engine.mode = "too_long"
    assert spoken(install.talk("One", "Two")) == ["I don't know."] * 2
    assert [len(body["messages"]) for body in install.engine.asked] == [1, 3, 1]
    install.engine.fits = 0
    assert spoken(install.talk("Three")) == [texts.PROMPT_TOO_LONG]


@pytest.mark.parametrize("mode", ["busy", "full", "cut", "down"])
def test_messages_that_have_to_wait_are_answered_once_and_in_order(install: Install, mode: str) -> None:
    install.engine.answers |= {"One": "The first answer", "Two": "The second answer"}
    if mode == "down":
        install.engine.stop()
    install.engine.mode = mode

    def answer(exchange_id: int) -> None:
        """As the worker does it, with the engine back."""
        if install.engine.mode == "down":
            install.engine.start()
        install.engine.mode = "ok"
        Answering(install.app, install.queue.publish).answer_pending(exchange_id)
        Answering(install.app, install.queue.publish).answer_pending(exchange_id)

    class Impatient(RecordingPlatform):
        async def run(self, core) -> None:  # type: ignore[no-untyped-def]  # Core
            for event in self.script:
                await core.handle(event)
            install.work(CHAT_QUEUE, answer)
            await core.idle()

    platform = Impatient([said("One"), said("Two")])
    asyncio.run(serve(install.app, platform))
    shown = [each for each in platform.replies if each != Notice("The first" if mode == "cut" else "")]
    assert spoken(shown[:2]) in ([texts.WAITING, texts.WAITING_BEHIND], ["The", texts.WAITING])
    assert spoken([each for each in platform.replies if isinstance(each, Answer)]) == [
        "The first answer",
        "The second answer",
    ]
    assert [each.state for each in install.stored.exchanges.of_user(1)] == ["answered", "answered"]


def test_a_later_waiting_message_is_not_answered_before_an_earlier_one(install: Install) -> None:
    install.engine.mode = "busy"
    user = install.stored.users.identify("recording", "ada", "ada")
    here = install.stored.conversations.current(user.id, "recording", "general")
    first, _ = install.stored.exchanges.receive(user.id, here.id, "recording", "1", "One")
    second, _ = install.stored.exchanges.receive(user.id, here.id, "recording", "2", "Two")
    answering = Answering(install.app, install.queue.publish)
    with pytest.raises(EarlierPending):
        answering.answer_pending(second.id)
    with pytest.raises(EngineUnavailable):
        answering.answer_pending(first.id)
    install.engine.mode = "ok"
    with install.queue.answering(first.id), pytest.raises(EngineUnavailable):
        answering.answer_pending(first.id)
    answering.answer_pending(first.id)
    answering.answer_pending(second.id)
    answering.answer_pending(12345)
    assert len(install.engine.asked) == 3


def test_a_waiting_message_that_cannot_be_answered_is_given_up_aloud(install: Install) -> None:
    install.engine.mode = "busy"

    def answer(exchange_id: int) -> None:
        install.engine.mode = "broken"
        Answering(install.app, install.queue.publish).answer_pending(exchange_id)

    install.work(CHAT_QUEUE, answer)
    assert spoken(install.talk("One")) == [texts.WAITING, texts.GAVE_UP]


def test_a_restarted_bot_shows_the_answer_that_it_owes(install: Install) -> None:
    user = install.stored.users.identify("recording", "ada", "ada")
    here = install.stored.conversations.current(user.id, "recording", "general")
    install.stored.exchanges.receive(user.id, here.id, "recording", "1", "One")
    install.work(CHAT_QUEUE, Answering(install.app, install.queue.publish).answer_pending)
    assert "I don't know." in spoken(install.talk("/help"))


def test_two_messages_at_once_are_answered_in_order(install: Install) -> None:
    install.engine.gate.clear()

    class Hasty(RecordingPlatform):
        async def run(self, core) -> None:  # type: ignore[no-untyped-def]  # Core
            first = asyncio.create_task(core.handle(self.script[0]))
            await asyncio.to_thread(install.engine.asked_once.wait)
            second = asyncio.create_task(core.handle(self.script[1]))
            while len(await asyncio.to_thread(install.stored.exchanges.pending)) < 2:
                pass
            install.engine.gate.set()
            await asyncio.gather(first, second)

    platform = Hasty([said("One"), said("Two")])
    asyncio.run(serve(install.app, platform))
    assert spoken(platform.replies) == ["I don't know."] * 2
    assert [body["messages"][-1]["content"] for body in install.engine.asked] == ["One", "Two"]


def test_reactions_are_kept_and_say_what_becomes_of_them(install: Install) -> None:
    assert spoken(install.talk("/react 👍")) == [texts.NO_ANSWER_YET]
    replies = install.talk("Hi", "/react 👍", "/react 👎")
    assert spoken(replies)[1:] == [texts.THANKS_UP, texts.THANKS_DOWN]
    (standing,) = install.stored.feedback.unused(1)
    assert (standing.kind, standing.correction) == ("down", None)


def test_a_thumb_on_an_answers_message_counts_only_from_its_user(install: Install) -> None:
    thumb = Reaction("recording", "general", "ada", "ada", "m1", "up")
    replies = install.talk("Hi", thumb, replace(thumb, external_user_id="bob"), replace(thumb, message_id="m9"))
    assert spoken(replies)[1:] == [texts.THANKS_UP]
    assert spoken(install.talk(replace(thumb, removed=True))) == [texts.REACTION_WITHDRAWN]
    assert install.stored.feedback.unused(1) == ()


def test_versions_are_compared_side_by_side(install: Install) -> None:
    user = install.stored.users.identify("recording", "ada", "ada")
    install.publish_version(user.id, [])
    install.publish_version(user.id, [])
    (comparison,) = install.talk("/compare Who is the cat?")
    assert [line.split()[0] for line in comparison.text.splitlines()] == ["untaught", "user-1-v1", "user-1-v2"]
    chosen, unknown = spoken(install.talk("/compare 2,0 Who is the cat?", "/compare 1,7 Who is the cat?"))
    assert [line.split()[0] for line in chosen.splitlines()] == ["user-1-v2", "untaught"]
    assert unknown == texts.no_such_version(7)
    install.engine.mode = "busy"
    assert spoken(install.talk("/compare Who is the cat?")) == [texts.COMPARE_LATER]


def test_a_bug_has_an_id_that_is_also_in_the_log(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install.app.repositories.users._now = lambda: 1 / 0  # type: ignore[assignment,return-value]  # a defect, on purpose
    (trouble,) = install.talk("Hi")
    assert isinstance(trouble, Trouble) and trouble.id in trouble.text
    assert trouble.id in caplog.text and "ZeroDivisionError" in caplog.text


def test_an_empty_message_and_a_nul_are_harmless(install: Install) -> None:
    assert spoken(install.talk("\x00", "a\x00b")) == [texts.NOTHING_SAID, "I don't know."]
    assert install.engine.asked[0]["messages"][0]["content"] == "ab"


def test_chat_goes_on_without_redis(install: Install) -> None:
    away = JobQueue(connect("redis://127.0.0.1:1"))
    install.app = replace(install.app, queue=away)
    assert spoken(install.talk("Hi")) == ["I don't know."]


def test_a_question_waits_for_an_engine_that_is_still_starting(install: Install) -> None:
    install.engine.mode = "busy"
    threading.Timer(0.5, lambda: setattr(install.engine, "mode", "ok")).start()
    patient = EngineClient(f"http://127.0.0.1:{install.engine.port}", base_model="pocket", start_seconds=30)
    platform = RecordingPlatform([said("Hi")])
    asyncio.run(serve(replace(install.app, engine=patient), platform))
    assert [type(reply) for reply in platform.replies] == [Answer]
