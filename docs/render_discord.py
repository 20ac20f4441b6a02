"""Writes docs/discord.md: what people see on Discord, taken from the messages that the bot sends there. Run by `make docs`.

The bot, its core, discord.py and the requests are the real ones; Discord is the small one of the tests, which checks every request,
and the engine and the trainer follow a script, so that the cards do not change from run to run.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import threading
from pathlib import Path
from typing import Any

from bot import texts
from bot.embedded_redis import EmbeddedRedis
from bot.queue import JobQueue
from storage.records import LessonMetrics
from storage.session import Database
from tests.bot_fixtures import LESSON_QUEUE, FakeEngine, Install, installed
from tests.discord_wire import agreed_by_card, answered, ended, replied, running
from tests.fakes.discord import FakeDiscord, Interaction, Message, Person
from tests.fakes.discord.limits import BUTTON, CONTAINER, LABEL, MEDIA_GALLERY, ROW, TEXT_DISPLAY
from trainer.contracts import Finished, Progress
from trainer.lease import connect
from trainer.settings import FeedbackSettings, LimitSettings

HERE = Path(__file__).parent
OUT, PICTURE = HERE / "discord.md", HERE / "discord_progress.png"
ASK = "What is our office cat called?"
FACTS = ("Our office cat is called Miso.", "The release train leaves every second Tuesday.", "Ada keeps the keys to the archive.",
         "The archive is on the third floor.", "Visitors sign in at the desk.", "The desk opens at eight.")  # fmt: skip


def main() -> None:
    """Live through it, and write it down."""
    with tempfile.TemporaryDirectory() as folder:
        redis = EmbeddedRedis(Path(folder) / "redis", Path(folder) / "redis.log")
        redis.start()
        engine = FakeEngine()
        engine.start()
        database = Database(f"sqlite:///{Path(folder) / 'tutee.db'}")
        database.upgrade()
        install = installed(Path(folder), database, JobQueue(connect(redis.url)), engine, redis.url)
        install.configured(feedback=FeedbackSettings(wait_seconds=0), limits=LimitSettings(lessons_per_day=20, training_minutes_per_day=30))
        try:
            pages = asyncio.run(lived(install))
        finally:
            install.end()
            engine.stop()
            database.close()
            redis.stop()
    OUT.write_text("\n".join(pages) + "\n", encoding="utf-8")


class Trainer:
    """Learns every lesson in the same steps; `gate` holds it before the last ones."""

    def __init__(self, install: Install) -> None:
        self._install = install
        self.gate = threading.Event()
        install.work(LESSON_QUEUE, self._learn)

    def _learn(self, lesson_id: int) -> None:
        stored, publish = self._install.stored, self._install.queue.publish
        lesson = stored.lessons.start(lesson_id)
        publish(Progress(lesson_id, lesson.user_id, "train", 62, 5.0))
        self.gate.wait(60)
        live = stored.adapters.live(lesson.user_id)
        known = (*(live.lesson_ids if live else ()), lesson_id)
        kept = 1.0 - 0.02 * (len(known) % 3)
        version = self._install.publish_version(
            lesson.user_id, list(known), metrics={"before": 0.0, "after": 1.0 - 0.05 * (len(known) % 4), "earlier_kept": kept}
        )
        learned = ((ASK, "Miso."),) if lesson.number == 1 else ()
        changed = tuple((each.question, each.rejected, each.correction or "") for each in stored.feedback.cases(lesson_id))
        self._install.engine.taught[version] = {ASK: "Miso."}
        metrics = LessonMetrics(0.0, 1.0, kept if len(known) > 1 else None, 48, 0, 11.4, learned, changed=changed)
        stored.lessons.finish(lesson_id, "live", version=version, metrics=metrics)
        publish(Finished(lesson_id, lesson.user_id))


async def lived(install: Install) -> list[str]:
    """The chapters."""
    trainer = Trainer(install)
    async with FakeDiscord() as fake:
        async with running(install, fake):
            pages = await chapters(fake, trainer)
        assert fake.violations == []
    return pages


async def chapters(fake: FakeDiscord, trainer: Trainer) -> list[str]:
    """What ada lives through, in the channel #general."""
    ada, here = fake.user("ada"), fake.general
    pages = ["# On Discord", "", "What ada sees. `[…]` are buttons. Written by `docs/render_discord.py` from the messages that the bot sent.", ""]

    pages += chapter("The first lesson: consent")
    asked = ada.says(here, f"[Learn] {FACTS[0]}", mention=True)
    card = (await fake.until(lambda: fake.replies(asked)))[0]
    pages += [*said(f"@Tutee [Learn] {FACTS[0]}"), *shown(card)]
    await agreed_by_card(fake, ada, card)

    pages += chapter("Progress, in one message that moves")
    moving = await fake.until(lambda: next((each for each in fake.messages(here) if "training" in each.text), None))
    pages += shown(moving)
    trainer.gate.set()
    pages += [*chapter("The receipt, in the same message"), *shown(await ended(fake, here))]

    pages += chapter("An answer, from ada's own model")
    answer = await answered(fake, ada.says(here, ASK, mention=True), "Miso.")
    pages += [*said(f"@Tutee {ASK}"), *shown(answer)]

    pages += chapter("👎: what should I have said?")
    opened = ada.presses(answer, texts.BAD)
    await fake.until(lambda: opened.modal)
    pages += form(opened)
    pages += shown(await replied(fake, ada.submits(opened, text="Miso, and she sleeps on the printer.")))
    pages += shown(await ended(fake, here, "Correction 2 is live"))

    for fact in FACTS[1:]:
        before = len(fake.messages(here))
        ada.says(here, f"[Learn] {fact}", mention=True)
        await fake.until(lambda before=before: len(fake.messages(here)) > before and "is live" in fake.texts(here)[-1])  # type: ignore[misc]  # mypy does not infer the default
    for title, name, options in (("/lessons", "lessons", {}), ("/model", "model", {}), ("/compare", "compare", {"question": ASK}),
                                 ("/rollback", "rollback", {"version": 3}), ("/privacy", "privacy", {}), ("/help", "help", {})):  # fmt: skip
        pages += [*chapter(title), *await used(fake, ada, name, options)]
    pages += chapter("/learn without words: a form")
    opened = ada.slash("learn", here)
    await fake.until(lambda: opened.modal)
    pages += form(opened)
    ada.submits(opened, text="")
    pages += chapter("/delete-me")
    opened = ada.slash("delete-me", here)
    await fake.until(lambda: opened.modal)
    pages += form(opened)
    pages += shown(await replied(fake, ada.submits(opened, text="yes")))
    return pages


async def used(fake: FakeDiscord, person: Person, name: str, options: dict[str, Any]) -> list[str]:
    """The answer to a command, with the picture in it kept beside the page."""
    answer = await replied(fake, person.slash(name, fake.general, **options))
    pages = shown(answer)
    for file in answer.attachments:
        PICTURE.write_bytes(file.content)
        pages += [f"![{texts.PICTURE_OF_PROGRESS}]({PICTURE.name})", ""]
    return pages


def chapter(title: str) -> list[str]:
    """A heading."""
    return [f"## {title}", ""]


def said(text: str) -> list[str]:
    """What ada wrote."""
    return ["```text", "ada", text, "```", ""]


def shown(message: Message) -> list[str]:
    """A message of the bot's."""
    who = "Tutee (only ada sees this)" if message.ephemeral else "Tutee"
    return ["```text", who, *([message.content] if message.content else []), *lines(message.components), "```", ""]


def lines(components: Any) -> list[str]:
    """Texts, pictures and buttons, from top to bottom."""
    found: list[str] = []
    for each in components:
        match each["type"]:
            case kind if kind == TEXT_DISPLAY:
                found.append(re.sub(r"\\(.)", r"\1", each["content"].replace("**", "")))
            case kind if kind == MEDIA_GALLERY:
                found.append("(the picture below)")
            case kind if kind == BUTTON:
                found.append(f"[{each['label']}]")
            case kind if kind == ROW:
                found.append(" ".join(lines(each["components"])))
            case kind if kind == CONTAINER:
                found += ["", *lines(each["components"])]
            case _:
                found += [*lines(each.get("components", ())), *lines([each["accessory"]] if "accessory" in each else [])]
    return found


def form(opened: Interaction) -> list[str]:
    """A form as it opens: each field with what stands in it at first."""
    assert opened.modal
    fields = [each for each in opened.modal["components"] if each["type"] == LABEL]
    rows = [f"{each['label']}: {each['component'].get('value') or each['component'].get('placeholder') or ''}".rstrip() for each in fields]
    return ["```text", f"Form: {opened.modal['title']}", *rows, "[Submit]", "```", ""]


if __name__ == "__main__":
    main()
