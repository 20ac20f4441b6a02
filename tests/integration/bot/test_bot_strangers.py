"""A stranger tries every command, button, reaction and page with ids and messages of somebody else's: nothing is shown, nothing changes."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from bot import cards, commands, texts
from bot.following import Following
from bot.messages import Answer, Inbound, InboundMessage, LessonProgress, LessonReceipt, Notice, Reaction
from bot.platforms.recording import RecordingPlatform
from bot.router import Router
from storage.models import Base
from storage.records import ExampleRecord, NewPart, NewSource, ReadSource
from tests.bot_fixtures import Install, said

CANARY = "zebrafish"
# Every command with what belongs to Ada: all her numbers, and her version by its name. A new command needs its line here.
TRIED: dict[str, tuple[str, ...]] = {
    "/learn": ("The cat is mine.",), "/search": ("", "for cats"), "/remember": ("",), "/learn-anyway": ("", "no"),
    "/approve": ("1", "2", "3", "4"), "/drop": ("2 1", "3 1", "4 1"), "/refresh": ("1", "2", "3"),
    "/react": ("👍", "👎", "👎 wrong", "👎 It should be Rex."), "/report": ("", "bad"), "/why": ("",),
    "/share": ("", "1", "1,2 yes", "3 yes"), "/offer": ("{hidden}", "000000000000"), "/take": ("{hidden}",), "/unshare": ("{code}",),
    "/forget": ("1", "2", "3"), "/rebuild": ("",), "/rollback": ("", "1", "v1", "{version}"), "/compare": ("What swims?", "0,1 What swims?"),
    "/export": ("", "../..", "/etc"), "/delete-me": ("", "yes"), "/file": ("/etc/passwd",), "/lessons": ("", "1"), "/model": ("",),
    "/cancel": ("", "1", "2", "3", "4"), "/stop": ("",), "/again": ("",), "/privacy": ("",), "/admin": ("", "reports", "on", "off"),
    "/new": ("",), "/agree": ("",), "/help": ("",),
}  # fmt: skip


@dataclasses.dataclass
class Ada:
    """Somebody with everything that can be had."""

    user_id: int
    version: str
    code: str
    answer: str
    waiting: str


@pytest.fixture
def ada(install: Install) -> Ada:
    stored = install.stored
    user = stored.users.identify("recording", "ada", "Ada")
    stored.users.record_consent(user.id, texts.CONSENT_VERSION)
    bob = stored.users.identify("recording", "bob", "Bob")
    stored.users.record_consent(bob.id, texts.CONSENT_VERSION)
    here = stored.conversations.current(user.id, "recording", "general")

    def lesson(kind: Any, words: str, key: str) -> Any:
        made, _ = stored.lessons.create(user.id, kind, words, dedupe_key=key, platform="recording", channel="general", conversation_id=here.id)
        return made

    live = lesson("instruction", f"The {CANARY} swims.", "1")
    stored.lessons.save_examples(live.id, [ExampleRecord("train", f"What swims? {CANARY}", f"The {CANARY}.")])
    version = install.publish_version(user.id, [live.id])
    stored.lessons.finish(live.id, "live", version=version)
    stored.lessons.said_all(live.id)
    awaiting = lesson("web", f"news on {CANARY}", "2")
    stored.lessons.start(awaiting.id)
    (page,) = stored.sources.add(awaiting.id, [NewSource("page", address="https://example.org/")])
    stored.sources.save_reading(page, ReadSource("digest", words=3), [NewPart("", (f"{CANARY} news",))])
    stored.lessons.ask(awaiting.id)
    stored.lessons.asked(awaiting.id)
    running, queued = lesson("instruction", f"A running {CANARY}.", "3"), lesson("instruction", f"A queued {CANARY}.", "4")
    stored.lessons.start(running.id)
    for each in (running, queued):
        stored.lessons.set_progress_message(each.id, f"ada-sees-{each.number}")
    exchange, _ = stored.exchanges.receive(user.id, here.id, "recording", "ada-asks", f"Which {CANARY}?")
    stored.exchanges.answer(exchange.id, f"The {CANARY}.", version, 0.1, "ada-sees")
    waiting, _ = stored.exchanges.receive(user.id, here.id, "recording", "ada-waits", f"And which {CANARY}?")
    code = stored.packs.share(user.id, [live.id], "abcdef123456").code
    return Ada(user.id, version, code, "ada-sees", waiting.inbound_message_id)


def rows(install: Install) -> dict[tuple[str, int], dict[str, Any]]:
    """Every row that there is, but Bob's own."""
    bob = install.stored.users.find("recording", "bob")
    found = {}
    with install.database.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            for row in connection.execute(text(f"SELECT * FROM {table.name}")).mappings():
                owner = row["id"] if table.name == "users" else row.get("user_id")
                if bob is None or owner != bob.id:
                    found[table.name, row["id"]] = dict(row)
    return found


def lines(ada: Ada) -> list[str]:
    return [
        f"{name} {argument.format(code=ada.code, hidden='ffffffffffff', version=ada.version)}".rstrip()
        for name, arguments in TRIED.items()
        for argument in arguments
    ]


def try_all(install: Install, events: list[Inbound]) -> list[str]:
    """Everything that is shown where Bob is, when these events come; the worker and the engine are not there to change anything."""
    platform = RecordingPlatform()

    async def live() -> None:
        async with Following(install.app, platform) as following:
            core = Router(install.app, platform, following)
            before = len(platform.replies)
            for event in events:
                await core.handle(event)
            await core.home("recording", "bob")
            for command in ("/forget", "/rollback"):
                offered = await core.choices("recording", "bob", command, "")
                assert CANARY not in repr(offered) and ada_free(repr(offered))
            shown.extend(repr(each) for each in platform.replies[before:])
            shown.extend(repr(each) for each in await core.home("recording", "bob"))
        await install.app.engine.close()

    shown: list[str] = []
    asyncio.run(live())
    return shown


def ada_free(words: str) -> bool:
    return "user-1-v1" not in words


def test_every_command_is_tried(ada: Ada) -> None:
    assert set(TRIED) == set(commands._COMMANDS)


@pytest.mark.parametrize("reply_to", [None, "ada-sees", "ada-asks"], ids=["alone", "to her answer", "to her question"])
def test_no_command_of_a_strangers_reaches_what_is_somebody_elses(install: Install, ada: Ada, reply_to: str | None) -> None:
    before = rows(install)
    channel = "general"  # Ada's own, as in a channel where both write
    events: list[Inbound] = [
        replace(said(line, user="bob", channel=channel, operator=False), reply_to=reply_to) for line in lines(ada) if line != "/delete-me yes"
    ]
    events.append(replace(said("/delete-me yes", user="bob", channel=channel, operator=False), reply_to=reply_to))
    shown = try_all(install, events)
    assert len(shown) >= len(events) / 2
    assert [each for each in shown if CANARY in each] == []
    assert [each for each in shown if not ada_free(each)] == []
    unchanged(before, rows(install))
    assert install.app.artifacts.exists(ada.version) and not install.engine.unloaded


def unchanged(before: dict[tuple[str, int], dict[str, Any]], after: dict[tuple[str, int], dict[str, Any]]) -> None:
    """Nothing that was there before is gone or different: what Bob did may only have made something of his own."""
    before = {key: row for key, row in before.items() if row.get("name") != "Bob" and row.get("external_id") != "bob"}
    assert {key: after.get(key) for key in before} == before


def test_no_button_works_for_who_is_not_meant(install: Install, ada: Ada) -> None:
    user = install.stored.users.get(ada.user_id)
    assert user is not None
    lessons = install.stored.lessons.of_user(user.id)
    live = install.stored.adapters.live(user.id)
    shown: list[Answer | LessonProgress | LessonReceipt | Notice] = [
        Answer("x", ada.version, 0.1, user.id), LessonProgress(1, "train", 50, "…", user.id),
        LessonReceipt(1, "instruction", "live", ada.version, 0, 1, None, 1, 0, None, 1.0, (), "…", user.id),
        cards.consent(user), cards.privacy(user, 0), cards.deletion(user), cards.which_source(user), cards.secret(user, ["a key"]),
        cards.approval(lessons[1], []), cards.lessons(user, lessons, 1), cards.model(user, live, [live] if live else [], lessons),
    ]  # fmt: skip
    pressed: list[InboundMessage] = [
        replace(said(action.command, user="bob", operator=False), meant_for=reply.owner, reply_to=ada.answer)
        for reply in shown
        for action in cards.actions(reply)
    ]
    assert len(pressed) >= 20 and all(each.meant_for == user.id for each in pressed)
    before = rows(install)
    replies = try_all(install, [*pressed])
    assert sum(texts.NOT_YOURS in each for each in replies) == len(pressed)
    unchanged(before, rows(install))


def test_no_reaction_of_a_strangers_counts(install: Install, ada: Ada) -> None:
    before = rows(install)
    kinds: tuple[Any, ...] = ("up", "down", "report")
    events: list[Inbound] = [
        Reaction("recording", "general", "bob", "Bob", message, kind, removed)
        for kind in kinds
        for removed in (False, True)
        for message in (ada.answer, "ada-asks", "ada-waits")
    ]
    shown = [each for each in try_all(install, events) if CANARY in each]
    assert shown == []
    unchanged(before, rows(install))
