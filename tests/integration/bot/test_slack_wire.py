"""The wire to Slack: connections that break, events that come again, limits, tokens, signed requests."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis import Redis

from bot import texts
from bot.doctor import Finding
from bot.errors import PlatformRefused
from bot.platforms.deliveries import AT_WORK_SECONDS, Deliveries
from bot.platforms.slack.checks import check
from bot.platforms.slack.platform import Pace, Slack
from bot.serving import serve
from tests.bot_fixtures import Install
from tests.fakes.slack.fake import FakeSlack
from tests.fakes.slack.people import Person
from tests.slack_world import QUICK, answered, free_port, running, settings, shows, slack_world


def spoken(person: Person, text: str, ts: str) -> dict[str, Any]:
    """A direct message as an event."""
    return {"type": "message", "channel_type": "im", "channel": person.direct.id, "user": person.id, "text": text, "ts": ts}


@pytest.mark.parametrize("by_http", [False, True])
async def test_an_event_is_acknowledged_before_it_is_dealt_with(install: Install, by_http: bool) -> None:
    install.engine.gate.clear()
    port = free_port() if by_http else 0
    async with FakeSlack() as fake:
        fake.posts_to = f"http://127.0.0.1:{port}/slack/events" if port else None
        async with running(install, fake, port=port):
            ada = fake.person("ada")
            await ada.says("Hello")  # comes back when it is acknowledged
            assert fake.said() == []
            install.engine.gate.set()
            await answered(fake, ada.direct)
        assert fake.violations == []


async def test_an_event_that_comes_again_is_answered_once(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        message = await ada.says("Hello")
        await fake.event(spoken(ada, "Hello", message.ts))
        await answered(fake)
        await fake.event(spoken(ada, "Hello", message.ts))
        await ada.says("Bye")
        await answered(fake, count=2)
        assert len(fake.said()) == 2
    assert len(install.engine.asked) == 2


async def test_an_event_that_comes_again_after_a_restart_is_answered_once(install: Install) -> None:
    async with FakeSlack() as fake:
        ada = fake.person("ada")
        async with running(install, fake):
            message = await ada.says("Hello")
            await answered(fake)
        await fake.until(lambda: not fake.socket.connections)
        async with running(install, fake):
            await fake.event(spoken(ada, "Hello", message.ts))
            await ada.says("Bye")
            await answered(fake, count=2)
            assert len(fake.said()) == 2
        assert fake.violations == []
    assert len(install.engine.asked) == 2


async def test_slack_may_ask_for_another_connection_and_nothing_is_lost(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        await ada.says("One")
        await fake.socket.ask_to_reconnect()
        await fake.until(lambda: fake.socket.opened == 2)
        await ada.says("Two")
        await answered(fake, count=2)
        assert len(fake.said()) == 2


async def test_what_came_while_the_connection_was_broken_is_answered(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        await fake.socket.close()
        await fake.until(lambda: not fake.socket.connections)
        await ada.says("Hello")  # delivered over the next connection
        await answered(fake)
        assert fake.socket.opened == 2 and len(fake.said()) == 1


async def test_what_comes_again_because_its_acknowledgement_was_lost_is_answered_once(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        fake.socket.is_deaf = True
        acknowledged = asyncio.create_task(ada.says("Hello"))
        await answered(fake)
        fake.socket.is_deaf = False
        await fake.socket.close()
        await acknowledged  # over the next connection
        await ada.says("Bye")
        await answered(fake, count=2)
        assert len(fake.said()) == 2
    assert len(install.engine.asked) == 2


async def test_slack_may_want_us_to_wait(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        fake.rate_limit("chat.postMessage", retry_after=1, times=2)
        fake.trouble("chat.postMessage", 503)
        await ada.commands("/model")
        await shows(fake, "The untaught model answers you.")
        assert [each.error for each in fake.calls("chat.postMessage")] == ["ratelimited", "ratelimited", "503", ""]


async def test_a_storm_loses_no_message_and_answers_each_once(install: Install) -> None:
    pace = Pace(answer=0.05, progress=0.05, tries=(0.01,) * 8)
    async with slack_world(install, pace) as fake:
        people = [fake.person(f"person{number}") for number in range(10)]
        for method in ("chat.startStream", "chat.stopStream", "chat.postMessage", "agents.sessions.setStatus"):
            fake.rate_limit(method, retry_after=0, times=4)
        messages = await asyncio.gather(*(each.says(f"Question {n}") for n in range(3) for each in people))
        await fake.until(lambda: len([m for m in fake.said() if not m.streaming and texts.GOOD in str(m.blocks)]) == 30)
        assert Counter(each.thread_ts for each in fake.said()) == Counter(each.ts for each in messages)
    assert len(install.engine.asked) == 30


async def test_where_a_reply_cannot_be_shown_the_bot_goes_on(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = fake.person("ada")
        fake.refuse("chat.startStream", "is_archived")
        fake.refuse("chat.postMessage", "is_archived")
        await ada.says("One")
        await fake.until(lambda: any(each.error for each in fake.calls("chat.postMessage")))
        await ada.says("Two")
        await answered(fake)


@pytest.mark.parametrize("bad", ["token", "app_token"])
async def test_a_token_that_slack_refuses_is_explained(install: Install, bad: str) -> None:
    async with FakeSlack() as fake:
        platform = Slack(settings(fake, **{bad: "xoxb-wrong"}), install.redis, install.database, QUICK, fake.api)
        with pytest.raises(PlatformRefused) as refused:
            await serve(install.app, platform)
        assert "invalid_auth" in refused.value.user_message


async def test_slack_that_does_not_answer_is_named(install: Install) -> None:
    async with FakeSlack() as fake:
        platform = Slack(settings(fake), install.redis, install.database, Pace(tries=()), "http://127.0.0.1:9/api/")
        with pytest.raises(PlatformRefused) as refused:
            await serve(install.app, platform)
        assert refused.value.user_message == texts.SLACK_UNREACHABLE


async def test_the_doctor_checks_tokens_and_scopes(install: Install) -> None:
    async with FakeSlack() as fake:

        def looks(**changes: Any) -> list[Finding]:
            return list(check(settings(fake, **changes), install.database, fake.api))

        good = await asyncio.to_thread(looks)
        assert [each.state for each in good] == ["ok", "ok", "ok"]
        fake.server.scopes -= {"files:read", "im:write"}
        lacking = await asyncio.to_thread(looks)
        assert lacking[1].state == "broken" and "files:read and im:write" in lacking[1].text
        bad = await asyncio.to_thread(looks, token="xoxb-no")
        assert [each.state for each in bad] == ["broken"] and "invalid_auth" in bad[0].text
        assert fake.violations == []


async def test_signed_requests_are_answered_and_all_others_change_nothing(install: Install) -> None:
    port = free_port()
    async with FakeSlack() as fake:
        fake.posts_to = f"http://127.0.0.1:{port}/slack/events"
        async with running(install, fake, port=port, app_token=None):
            ada = fake.person("ada")
            forged = fake.envelope(spoken(ada, "Forged", "1.0"), "Ev1")
            assert await fake.post("events_api", forged, secret="another") == 401
            assert await fake.post("events_api", forged, age=600) == 401
            assert await fake.post("events_api", forged, age=-600) == 401
            assert await fake.post("events_api", forged, signed=False) == 401
            assert install.stored.users.count() == 0 and fake.said() == []
            await ada.says("Hello")
            answer = await answered(fake, ada.direct)
            await ada.presses(answer, texts.GOOD)
            await ada.commands("/model")
            await shows(fake, "The untaught model answers you.")
            await fake.event(spoken(ada, "Hello", fake.world.messages[0].ts))  # Slack's retry
            assert fake.socket.opened == 0 and not fake.calls("apps.connections.open")
        assert fake.violations == []
    assert [body["messages"][-1]["content"] for body in install.engine.asked] == ["Hello"]


async def test_what_comes_to_two_bot_processes_is_followed_by_one(install: Install) -> None:
    ports = free_port(), free_port()
    async with FakeSlack() as fake, AsyncExitStack() as processes:
        bots = [await processes.enter_async_context(running(install, fake, port=port, app_token=None)) for port in ports]
        ada = fake.person("ada")
        message = await ada.writes("/lessons")  # which leaves no row that could show it was followed
        event = fake.envelope(message, "Ev1")
        addresses = [f"http://127.0.0.1:{port}/slack/events" for port in ports]
        assert await asyncio.gather(*(fake.post("events_api", event, to=address) for address in addresses * 2)) == [200] * 4
        await answered(fake, ada.direct)
        item = {"type": "message", "channel": ada.direct.id, "ts": fake.said()[0].ts}
        reaction = fake.envelope({"type": "reaction_added", "user": ada.id, "reaction": "+1", "item": item}, "Ev2")
        await asyncio.gather(*(fake.post("events_api", reaction, to=address) for address in addresses))
        for bot in bots:
            await bot.deals_with(3)
        assert len(fake.said()) == 1 and fake.violations == []


async def test_of_two_processes_in_socket_mode_one_follows_what_both_hear(install: Install) -> None:
    install.engine.answers["Hello"] = "Hello to you"
    install.train()
    async with FakeSlack() as fake, running(install, fake) as one, running(install, fake) as other:
        await fake.until(lambda: len(fake.socket.connections) == 2)
        fake.socket.unsure = True
        ada = fake.person("ada")
        await ada.says("Hello")
        answer = await answered(fake, ada.direct)
        await ada.says("/agree")
        await ada.commands("/help")
        await ada.presses(answer, texts.GOOD)
        await ada.says("[Learn] The cat is Miso.")
        await shows(fake, "is live")
        for each in (one, other):
            await each.deals_with(5)
        await fake.socket.connections[0].close()  # one of the processes leaves; the other hears everything
        await ada.says("/lessons")
        await shows(fake, "The cat is Miso.")
        counts = Counter(each.shown.split("\n")[0] for each in fake.said())
        assert max(counts.values()) == 1, counts
        assert fake.violations == []
    assert [body["messages"][-1]["content"] for body in install.engine.asked] == ["Hello"]
    assert len(install.stored.lessons.of_user(1)) == len(install.stored.feedback.of_user(1)) == 1


async def test_without_redis_each_process_knows_its_own_events(install: Install) -> None:
    key, away = "tutee:slack:event:Ev1", Deliveries(Redis(port=9, socket_connect_timeout=1), "slack")
    assert await away.take("Ev1")
    await away.done("Ev1")
    ours, other = Deliveries(install.redis, "slack"), Deliveries(install.redis, "slack")
    assert [await each.take("Ev1") for each in (ours, other)] == [True, False]
    assert 0 < install.redis.ttl(key) <= AT_WORK_SECONDS  # a process that dies at work leaves it to Slack's last try
    await ours.done("Ev1")
    assert install.redis.ttl(key) > AT_WORK_SECONDS and not await other.take("Ev1")


async def test_a_port_that_is_taken_is_named(install: Install) -> None:
    async with FakeSlack() as fake:
        port = int(fake.url.rpartition(":")[2])
        with pytest.raises(PlatformRefused) as refused:
            async with running(install, fake, port=port, app_token=None):
                pass
        assert refused.value.user_message == texts.slack_port_taken("127.0.0.1", port)
