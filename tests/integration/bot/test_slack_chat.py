"""Chatting on Slack: where the bot answers, how the answer looks, and what it understands."""

from __future__ import annotations

import asyncio
import json

import pytest

from bot import texts
from bot.platforms.slack.platform import Pace
from tests.bot_fixtures import Install
from tests.slack_world import answered, shows, slack_world
from trainer.configuration import CONFIGS


def asked(install: Install) -> list[str]:
    """The last question of each prompt."""
    return [body["messages"][-1]["content"] for body in install.engine.asked]


async def test_a_direct_message_is_answered_in_its_thread_by_a_stream(install: Install) -> None:
    install.engine.answers["Hello"] = "Hello you, how are you?"
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        message = await ada.says("Hello")
        answer = await answered(fake, ada.direct)
        assert answer.shown == "Hello you, how are you?"
        assert answer.thread_ts == message.ts
        assert [each.label for each in answer.buttons] == [texts.GOOD, texts.BAD, texts.AGAIN]
        assert len(fake.calls("chat.startStream")) == len(fake.calls("chat.stopStream")) == 1
    assert asked(install) == ["Hello"]


async def test_a_mention_in_a_channel_that_comes_as_two_events_is_answered_once(install: Install) -> None:
    async with slack_world(install) as fake:
        fake.hears_channels = True
        ada = fake.person("ada")
        message = await ada.says("Hello", fake.general)
        answer = await answered(fake, fake.general)
        await ada.says("Bye")
        await answered(fake, ada.direct)
        assert [each.thread_ts for each in fake.said(fake.general)] == [message.ts]
        assert answer.shown == "I don't know."
    assert asked(install) == ["Hello", "Bye"]


async def test_what_is_not_for_the_bot_is_left_alone(install: Install) -> None:
    async with slack_world(install) as fake:
        fake.hears_channels = True
        bob = fake.person("bob")
        await bob.says("Hello everybody", fake.general, mention=False)
        await fake.event({"type": "message", "subtype": "message_deleted", "channel": bob.direct.id, "channel_type": "im", "ts": "1.0"})
        await fake.event({"type": "message", "bot_id": "BOTHER", "channel": bob.direct.id, "channel_type": "im", "ts": "2.0", "text": "Hi"})
        await fake.person("ada").says("Hello")
        await answered(fake)
        assert len(fake.said()) == 1
    assert asked(install) == ["Hello"]
    assert install.stored.users.count() == 1


async def test_slacks_markup_becomes_words(install: Install) -> None:
    async with slack_world(install) as fake:
        bob = fake.person("bob")
        await fake.person("ada").says(f"Does <@{bob.id}> read <https://example.org/a|this> in <#C1|general> &amp; <!here>?", as_given=True)
        await answered(fake)
    assert asked(install) == ["Does @bob read https://example.org/a in #general & @here?"]


async def test_an_answer_calls_nobody(install: Install) -> None:
    install.engine.answers["Hello"] = "<!channel> <@U1> and 1 < 2"
    async with slack_world(install) as fake:
        await fake.person("ada").says("Hello")
        answer = await answered(fake)
        assert "<!" not in answer.shown and "<@" not in answer.shown
        assert answer.shown.replace("\u200b", "") == install.engine.answers["Hello"]
        assert all("<!" not in version and "<@" not in version for version in answer.versions)


async def test_an_answer_grows_step_by_step_and_a_session_shows_that_it_comes(install: Install) -> None:
    install.engine.answers["Count"] = " ".join(map(str, range(200)))
    async with slack_world(install, Pace(answer=0.0, progress=1, tries=())) as fake:
        message = await fake.person("ada").says("Count")
        answer = await answered(fake)
        assert answer.shown == install.engine.answers["Count"]
        assert all(install.engine.answers["Count"].startswith(each) for each in answer.versions)
        await fake.until(lambda: len(fake.world.statuses) == 2)
        assert fake.world.statuses == [
            (answer.channel, message.ts, "processing"),
            (answer.channel, message.ts, "active"),
        ]


async def test_without_agent_sessions_the_older_status_is_shown(install: Install) -> None:
    async with slack_world(install) as fake:
        fake.server.methods.has_sessions = False
        ada = fake.person("ada")
        await ada.says("Hello")
        await answered(fake)
        await ada.says("Hello again")
        await answered(fake, count=2)
        assert [status for _, _, status in fake.world.statuses] == [texts.IS_THINKING] * 2
        assert len(fake.calls("agents.sessions.setStatus")) == 1


async def test_where_no_stream_can_be_started_the_message_is_edited(install: Install) -> None:
    install.engine.answers["Count"] = " ".join(map(str, range(200)))
    async with slack_world(install, Pace(answer=0.0, progress=1, tries=(0.01,))) as fake:
        fake.rate_limit("chat.startStream", retry_after=60)
        await fake.person("ada").says("Count")
        answer = await fake.until(lambda: next((m for m in fake.said() if texts.GOOD in str(m.blocks)), None))
        assert answer.shown == install.engine.answers["Count"]
        assert not fake.calls("chat.appendStream") and len(fake.said()) == 1


@pytest.mark.parametrize("appends", [0, 1, 3])
async def test_a_stream_that_slack_ends_is_gone_on_with_by_edits(install: Install, appends: int) -> None:
    install.engine.answers["Count"] = " ".join(map(str, range(200)))
    async with slack_world(install, Pace(answer=0.0, progress=1, tries=(0.01,))) as fake:
        fake.server.methods.most_appends = appends
        await fake.person("ada").says("Count")
        answer = await fake.until(lambda: next((m for m in fake.said() if texts.GOOD in str(m.blocks)), None))
        assert answer.shown == install.engine.answers["Count"] and len(fake.said()) == 1
        assert fake.calls("chat.update")


async def test_a_stream_whose_end_slack_refuses_is_ended_by_an_edit(install: Install) -> None:
    install.engine.answers["Hello"] = "Hello you."
    async with slack_world(install) as fake:
        fake.refuse("chat.stopStream", "message_not_in_streaming_state")
        fake.server.methods.most_appends = 0
        await fake.person("ada").says("Hello")
        await fake.until(lambda: fake.calls("chat.stopStream") or fake.calls("chat.update"))
        for each in fake.said():
            each.streaming = False  # as it says
        answer = await fake.until(lambda: next((m for m in fake.said() if texts.GOOD in str(m.blocks)), None))
        assert answer.shown == "Hello you."


async def test_an_answer_that_breaks_off_is_ended_and_the_message_is_answered_later(install: Install) -> None:
    install.engine.answers["Count"] = "one two three four"
    async with slack_world(install, Pace(answer=0.0, progress=1, tries=(0.01,))) as fake:
        install.engine.mode = "cut"
        await fake.person("ada").says("Count")
        await shows(fake, texts.WAITING)
        assert all(not each.streaming for each in fake.said())


async def test_a_step_that_is_rate_limited_is_left_out_and_the_answer_is_whole(install: Install) -> None:
    install.engine.answers["Count"] = " ".join(map(str, range(200)))
    async with slack_world(install, Pace(answer=0.0, progress=1, tries=(0.01, 0.01))) as fake:
        fake.rate_limit("chat.appendStream", times=1)
        fake.rate_limit("chat.stopStream", times=1)
        await fake.person("ada").says("Count")
        answer = await answered(fake)
        assert answer.shown == install.engine.answers["Count"]


async def test_an_answer_that_is_too_long_for_a_message_comes_as_a_file(install: Install) -> None:
    install.engine.answers["Tell"] = ("word" * 100 + " ") * 40 + "end"
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        await ada.says("Tell")
        answer = await answered(fake)
        file = (await answered(fake, count=2)).files[0]
        assert answer.shown.startswith("wordword") and texts.REST_IN_FILE in answer.shown and len(answer.shown) < 12_000
        assert (file.name, file.content.decode()) == (texts.FILE_OF_ANSWER, install.engine.answers["Tell"])
        assert fake.said()[-1].thread_ts == answer.thread_ts


async def test_a_conversation_is_a_thread_and_everybody_has_their_own(install: Install) -> None:
    install.engine.answers |= {"First": "One.", "Second": "Two.", "Other": "Three."}
    async with slack_world(install) as fake:
        ada, bob = fake.person("ada"), fake.person("bob")
        first = await ada.says("First", fake.general)
        await answered(fake)
        await ada.says("Second", fake.general, thread=first)
        await answered(fake, count=2)
        await bob.says("Other", fake.general, thread=first)
        await answered(fake, count=3)
    histories = [[turn["content"] for turn in body["messages"]] for body in install.engine.asked]
    assert histories == [["First"], ["First", "One.", "Second"], ["Other"]]


async def test_when_the_engine_is_down_the_message_is_kept_and_answered_later(install: Install) -> None:
    async with slack_world(install) as fake:
        install.engine.mode = "busy"
        message = await fake.person("ada").says("Hello")
        waiting = await shows(fake, texts.WAITING)
        assert waiting.thread_ts == message.ts


async def test_the_stop_button_of_the_session_ends_the_answer(install: Install) -> None:
    install.engine.answers["Count"] = "one two three"
    install.engine.gate.clear()
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        message = await ada.says("Count")
        await fake.until(lambda: bool(fake.world.statuses))
        assert await asyncio.to_thread(install.engine.asked_once.wait, 60)
        await ada.stops(message)
        stopped = await shows(fake, texts.STOPPED)
        assert stopped.thread_ts == message.ts
        install.engine.gate.set()


async def test_the_stop_button_of_an_answer_that_is_edited_ends_it(install: Install) -> None:
    install.engine.answers["Count"] = "one two three four"
    install.engine.words_before_gate = 2
    install.engine.gate.clear()
    async with slack_world(install) as fake:
        fake.rate_limit("chat.startStream", retry_after=60)
        ada = fake.person("ada")
        await ada.says("Count")
        growing = await fake.until(lambda: next((each for each in fake.said() if "two" in each.shown), None))
        await ada.presses(growing, texts.STOP)
        await fake.until(lambda: texts.GOOD in str(growing.blocks))
        assert growing.shown == "one two" and len(fake.calls("chat.startStream")) == 1
        install.engine.gate.set()
        install.engine.words_before_gate = 0
        await ada.says("Count")  # Slack wants no streams for a minute, so none is asked for
        again = await answered(fake, ada.direct, count=2)
        await fake.until(lambda: texts.GOOD in str(again.blocks))
        assert len(fake.calls("chat.startStream")) == 1


async def test_each_suggested_prompt_leads_somewhere(install: Install) -> None:
    view = json.loads((CONFIGS / "slack-manifest.json").read_text())["features"]["agent_view"]
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        for number, prompt in enumerate(view["suggested_prompts"], start=1):
            await ada.says(prompt["message"])
            await answered(fake, ada.direct, count=number)
        consent, unknown, help_, privacy = (each.shown for each in fake.said(ada.direct))
        assert (consent, unknown, help_) == (texts.CONSENT, "I don't know.", texts.HELP_ON_PLATFORMS)
        assert privacy.splitlines()[0] in texts.PRIVACY


async def test_a_file_without_a_lesson_is_not_read_and_that_is_said(install: Install) -> None:
    async with slack_world(install) as fake:
        await fake.person("ada").says("Look", files=[fake.file("notes.txt", b"Secret")])
        await shows(fake, texts.file_skipped("notes.txt"))
    assert asked(install) == ["Look"]


async def test_where_the_bot_may_not_work_it_is_silent(install: Install) -> None:
    async with slack_world(install, channels=("C0OTHER",), direct_messages=False) as fake:
        ada = fake.person("ada")
        await ada.says("Hello", fake.general)
        await ada.says("Hello")
        await ada.commands("/model", channel=fake.general)
        refused = await answered(fake)
        assert refused.shown == texts.NOT_HERE and refused.seen_by == ada.id
        assert len(fake.said()) == 1
    assert asked(install) == []
