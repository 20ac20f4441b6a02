"""What must hold after every fault: nothing lost, nothing doubled, nothing half, versions in order, nobody mixed up, plain words."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from bot.engine_client import EngineClient
from storage.artifacts import Artifacts
from storage.errors import ArtifactError
from storage.records import LessonRecord
from storage.repositories import Repositories
from tests.town.platform import NAME
from tests.town.square import Shown
from trainer import prompts
from trainer.engine.adapter_file import read_adapter
from trainer.errors import TrainerError

_NOT_PLAIN = re.compile(r"Traceback|Error\b|Exception|errno|0x[0-9a-f]{6}|\bNone\b|sqlalchemy|redis\.|psycopg", re.I)


class Installation(Protocol):
    """What is looked at: a `Town` or `Hosts`."""

    @property
    def repositories(self) -> Repositories:
        """What is stored, past everything that was harmed."""

    @property
    def store(self) -> Artifacts:
        """The adapters."""

    @property
    def engine_port(self) -> int:
        """Where an engine listens."""

    def seen_by(self, person: str, kind: str | None = None) -> list[Shown]:
        """What is shown to the person."""


def user_of(town: Installation, person: str) -> int:
    """The id of a person's user."""
    user = town.repositories.users.find(NAME, person)
    assert user is not None, f"{person} was never noted"
    return user.id


def violations(town: Installation, person: str, said: list[str], ends: list[str]) -> list[str]:
    """Everything that is wrong for that person, in sentences. `said`: ids of their messages to the model; `ends`: how their lessons end."""
    return [*_lessons(town, person, ends), *_versions(town, person), *_files(town, person), *_answers(town, person, said), *_words(town, person)]


def served(town: Installation, question: str, version: str | None) -> str:
    """What a person is shown when that version is asked, with nothing in between."""

    async def asked() -> str:
        engine = EngineClient(f"http://127.0.0.1:{town.engine_port}", base_model="base", max_tokens=6)
        try:
            return "".join([piece async for piece in engine.pieces(prompts.chat([], question), version)])
        finally:
            await engine.close()

    return asyncio.run(asked())


def _lessons(town: Installation, person: str, ends: list[str]) -> Iterator[str]:
    lessons = town.repositories.lessons.of_user(user_of(town, person))
    if [each.state for each in lessons] != ends:
        yield f"lessons are {[each.state for each in lessons]}, not {ends}"
    receipts = Counter(shown.replies[-1]["lesson"] for shown in town.seen_by(person, "receipt"))
    if receipts != Counter(each.number for each in lessons):
        yield f"receipts by lesson are {dict(receipts)}"
    ended = {shown.replies[-1]["lesson"]: shown.replies[-1]["state"] for shown in town.seen_by(person, "receipt")}
    if any(ended.get(each.number) != each.state for each in lessons):
        yield f"the receipts say {ended}"


def _versions(town: Installation, person: str) -> Iterator[str]:
    user = town.repositories.users.get(user_of(town, person))
    assert user is not None
    learned = [each for each in town.repositories.lessons.of_user(user.id) if each.state == "live"]
    versions = [each for each in town.repositories.adapters.of_user(user.id) if each.published_at]
    by_lesson = [each for each in versions if each.cause.startswith("lesson ")]
    forgotten = len(by_lesson) - len(learned)
    if forgotten < 0 or [each.version for each in learned if each.version] != [each.name for each in by_lesson[forgotten:]]:
        yield f"versions {[each.name for each in by_lesson]} do not belong one to one to lessons {[each.version for each in learned]}"
    if [each.number for each in versions] != sorted({each.number for each in versions}):
        yield "versions are numbered twice"
    times = [each.published_at for each in versions if each.published_at]
    if times != sorted(times) and not _has_wrong_clock(learned):
        yield "versions went live out of order"
    if versions and user.live_version != versions[-1].name:
        yield f"live is {user.live_version}, not {versions[-1].name}"
    if versions and list(versions[-1].lesson_ids) != [each.id for each in learned]:
        yield f"the live version knows lessons {versions[-1].lesson_ids}, not {[each.id for each in learned]}"


def _has_wrong_clock(lessons: list[LessonRecord]) -> bool:
    """Whether some process wrote times of another day, as in the cases about clocks."""
    times = [each.finished_at for each in lessons if each.finished_at]
    return bool(times) and (max(times) - min(times)).total_seconds() > 3600


def _files(town: Installation, person: str) -> Iterator[str]:
    user_id = user_of(town, person)
    stored = [each for each in town.store.names() if each.startswith(f"user-{user_id}-v")]
    published = [each.name for each in town.repositories.adapters.of_user(user_id) if each.published_at and not each.removed_at]
    for name in {*stored, *published}:
        try:
            read_adapter(town.store.path(name))
        except (TrainerError, ArtifactError) as error:
            yield f"{name} is not whole: {error}"


def _answers(town: Installation, person: str, said: list[str]) -> Iterator[str]:
    exchanges = {each.inbound_message_id: each for each in town.repositories.exchanges.of_user(user_of(town, person))}
    for message_id in said:
        exchange = exchanges.get(message_id)
        if exchange is None or exchange.state != "answered":
            yield f"message {message_id} is {exchange.state if exchange else 'not noted'}"
        shown = [each for each in town.seen_by(person, "answer") if each.reply_to == message_id]
        if len(shown) != 1:
            yield f"message {message_id} was answered {len(shown)} times"
        elif exchange and (shown[0].replies[-1]["version"], shown[0].replies[-1]["text"]) != (exchange.version, exchange.answer):
            yield f"message {message_id} shows another answer than the one that was noted"
    if doubled := [each for each, times in Counter(one.inbound_message_id for one in exchanges.values()).items() if times > 1]:
        yield f"noted twice: {doubled}"


def _words(town: Installation, person: str) -> Iterator[str]:
    for shown in town.seen_by(person):
        for reply in shown.replies:
            if reply["type"] != "answer" and _NOT_PLAIN.search(reply["text"]):
                yield f"said to the person: {reply['text']!r}"
