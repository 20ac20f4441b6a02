"""Dialogues: forgetting lessons, and models trained anew."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from bot import texts
from bot.messages import Answer, LessonProgress, LessonReceipt, Reply, Trouble
from bot.platforms.base import Core
from bot.platforms.recording import RecordingPlatform
from bot.rebuilds import rebuild_everyone
from bot.serving import serve
from bot.sweeper import Sweeper
from storage.repositories.base import utc_now
from tests.bot_fixtures import Install, said
from tests.services import eventually
from trainer.contracts import LESSON_QUEUE, rebuild_job_id


@pytest.fixture
def taught(install: Install) -> Install:
    """Two lessons, each known to a version of its own and to those after it."""
    for line in ("The cat is Miso.", "The dog is Rex."):
        install.talk_without_waiting(f"[Learn] {line}")
        (lesson,) = install.stored.lessons.unfinished()
        live = install.stored.adapters.live(1)
        version = install.publish_version(1, [*(live.lesson_ids if live else ()), lesson.id])
        install.stored.lessons.finish(lesson.id, "live", version=version)
        install.stored.lessons.said_all(lesson.id)
    install.redis.delete(f"rq:queue:{LESSON_QUEUE}")
    return install


def seen_through(install: Install) -> list[Reply]:
    """What a bot that starts now shows of the work under way, to its end."""

    class Watching(RecordingPlatform):
        async def run(self, core: Core) -> None:
            await core.idle()

    platform = Watching()
    asyncio.run(serve(install.app, platform))
    return platform.replies


def spoken(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


def test_forgetting_is_one_message_that_moves_and_ends_with_the_proof(taught: Install) -> None:
    taught.train()
    *moving, receipt = taught.talk("/forget 1")
    assert {type(each) for each in moving} == {LessonProgress}
    assert all(text.startswith("Forgetting lesson 1: ") for text in spoken(moving))
    assert isinstance(receipt, LessonReceipt)
    assert (receipt.lesson, receipt.kind, receipt.state, receipt.version) == (1, "forget", "forgotten", "user-1-v3")
    assert receipt.text.splitlines() == [
        "Lesson 1 is forgotten: in 14 s, I trained your model anew without it, from your other 1 lesson.",
        "It is now user-1-v3.",
        "Of its questions I answer 100% before, 0% now.",
        "Of your other lessons I still know 100%.",
        "I deleted what I had stored of it, and versions 1 and 2, which knew it.",
    ]
    assert taught.app.artifacts.names() == ("user-1-v3",)
    assert taught.engine.unloaded == ["user-1-v1", "user-1-v2"]


def test_what_is_forgotten_cannot_be_rolled_back_to_and_is_told_why(taught: Install) -> None:
    taught.train()
    taught.talk("/forget 1")
    lessons, versions, back, again = taught.talk("/lessons", "/model", "/rollback 2", "/forget 1")
    assert "  1. forgotten\n  2. live" in lessons.text
    assert "1: user-1-v1, knows lesson 1 (deleted: it knew a lesson that is forgotten)" in versions.text
    assert isinstance(back, Trouble) and back.text == texts.version_removed(2, [1])
    assert again.text == texts.forgotten_already(1)
    assert taught.stored.adapters.live(1).name == "user-1-v3"  # type: ignore[union-attr]  # it is there


def test_when_nothing_else_is_known_the_untaught_model_answers_at_once(install: Install) -> None:
    install.train()
    install.talk("[Learn] The cat is Miso.")
    install.end()
    install.talk_without_waiting("/forget 1")
    (answer,) = [each for each in install.talk_without_waiting("Hi") if isinstance(each, Answer)]
    assert answer.version is None
    install.train()
    receipt = seen_through(install)[-1]
    assert receipt.text.startswith("Lesson 1 is forgotten: the untaught model answers you, which never learned it.")
    assert install.app.artifacts.names() == ()


def test_a_forgetting_that_is_cancelled_changes_nothing(taught: Install) -> None:
    replies = taught.talk_without_waiting("/forget 1", "/forget 1", "/cancel 1")
    assert replies[1].text == texts.forgetting_under_way(1)
    assert texts.cancelled([], [1]) in spoken(replies)
    assert replies[-1].text == "Forgetting lesson 1 was cancelled. Your model stays as it was."
    assert taught.job_ids() == []
    assert [each.state for each in taught.stored.lessons.of_user(1)] == ["live", "live"]


@pytest.mark.parametrize(("number", "sentence"), [(3, texts.forget_first_cancel(3)), (7, texts.no_such_lesson(7))])
def test_what_cannot_be_forgotten_says_so(taught: Install, number: int, sentence: str) -> None:
    taught.talk_without_waiting("[Learn] The fish is Bob.")
    assert taught.talk_without_waiting(f"/forget {number}")[-1].text == sentence


def test_a_lesson_that_was_never_learned_is_erased_without_training(install: Install) -> None:
    install.train("rejected", reason="no")
    install.talk("[Learn] The cat is Miso.")
    assert spoken(install.talk("/forget 1")) == [texts.forgotten_unlearned(1)]
    assert install.stored.lessons.of_user(1)[0].text == ""
    assert install.job_ids() == []


def test_a_model_is_trained_anew_on_demand(taught: Install) -> None:
    replies = taught.talk_without_waiting("/rebuild", "/rebuild")
    assert replies[-1].text == texts.REBUILD_UNDER_WAY
    taught.train()
    receipt = seen_through(taught)[-1]
    assert isinstance(receipt, LessonReceipt)
    assert (receipt.lesson, receipt.kind, receipt.state, receipt.version) == (None, "rebuild", "live", "user-1-v3")
    assert receipt.text.startswith("I trained your model anew from your 2 lessons in 14 s: it is now user-1-v3.")
    assert spoken(taught.talk(said("/rebuild", user="bob"))) == [texts.NO_LESSONS]


def test_at_night_models_are_trained_anew_without_a_word(taught: Install) -> None:
    assert rebuild_everyone(taught.stored, taught.queue, [1, 2]) == 1
    taught.train()
    eventually(lambda: not taught.stored.rebuilds.unfinished())
    assert seen_through(taught) == []
    assert taught.stored.adapters.live(1).name == "user-1-v3"  # type: ignore[union-attr]  # it is there
    assert rebuild_everyone(taught.stored, taught.queue, [1]) == 0  # nothing was taught since


@pytest.mark.parametrize(("hour", "queued"), [(3, {rebuild_job_id(1)}), (4, set()), (-1, set())])
def test_once_a_night_at_the_hour_of_the_configuration_models_are_trained_anew(taught: Install, hour: int, queued: set[str]) -> None:
    for minute in (0, 30):
        taught.redis.delete("tutee:tidy")
        at = utc_now().replace(hour=3, minute=minute)
        Sweeper(taught.queue, taught.stored, taught.app.artifacts, lambda at=at: at, rebuild_hour=hour)()  # type: ignore[misc]  # bound to this turn
    assert taught.queue.waiting(LESSON_QUEUE) == queued
    assert len(taught.stored.rebuilds.of_user(1)) == len(queued)


def test_a_script_reads_the_proof_as_json(taught: Install) -> None:
    taught.stored.users.identify("terminal", "you", "you")
    taught.train()
    taught.pipe("[Learn] The cat is Miso.\n[Learn] The dog is Rex.\n")
    shown = taught.pipe("/forget 1\n")
    assert {"type": "progress", "lesson": 1, "stage": "queued", "percent": 0}.items() <= shown[0].items()
    expected = {"type": "receipt", "lesson": 1, "kind": "forget", "state": "forgotten", "before": 1.0, "after": 0.0, "earlier_kept": 1.0}
    assert expected.items() <= shown[-1].items(), json.dumps(shown)


def test_a_rebuild_whose_job_was_lost_is_queued_again(taught: Install) -> None:
    taught.talk_without_waiting("/forget 1")
    taught.redis.flushall()
    for _ in range(4):
        taught.redis.delete("tutee:sweep")
        Sweeper(taught.queue, taught.stored, taught.app.artifacts)()
    assert taught.queue.waiting(LESSON_QUEUE) == {rebuild_job_id(1)}


def test_files_that_a_crash_left_of_removed_versions_are_swept_up(taught: Install) -> None:
    rebuild, _ = taught.stored.rebuilds.create(1, platform="recording", channel="general", forgets=1)
    taught.train()
    taught.queue.enqueue_rebuild(rebuild.id)
    eventually(lambda: not taught.stored.rebuilds.unfinished())  # and no bot was there to see it
    assert taught.app.artifacts.names() == ("user-1-v1", "user-1-v2", "user-1-v3")

    Sweeper(taught.queue, taught.stored, taught.app.artifacts, lambda: utc_now() + timedelta(minutes=2))()

    assert taught.app.artifacts.names() == ("user-1-v3",)


def test_deleting_everything_takes_rebuilds_along(taught: Install) -> None:
    taught.talk_without_waiting("/forget 1", "/delete-me yes")
    assert taught.job_ids() == []
    assert taught.stored.rebuilds.unfinished() == ()
    assert taught.app.artifacts.names() == ()


def test_a_forgotten_lesson_is_in_no_file_any_more(taught: Install) -> None:
    def stored() -> bytes:
        return b"".join(path.read_bytes() for path in taught.folder.rglob("*") if path.is_file())

    assert b"The cat is Miso." in stored()
    taught.train()
    taught.talk("/forget 1")
    assert b"The cat is Miso." not in stored()
    assert b"The dog is Rex." in stored()


def test_what_ends_just_while_a_bot_starts_is_told_all_the_same(taught: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    taught.talk_without_waiting("/rebuild")
    look, stored = type(taught.stored.rebuilds).to_show, taught.stored

    def end_and_look(rebuilds: object, platform: str) -> object:
        taught.train()
        eventually(lambda: stored.adapters.live(1).name == "user-1-v3")  # type: ignore[union-attr]  # it is there
        taught.end()
        return look(rebuilds, platform)  # type: ignore[arg-type]  # it is the repository itself

    monkeypatch.setattr(type(stored.rebuilds), "to_show", end_and_look)
    (receipt,) = seen_through(taught)
    assert isinstance(receipt, LessonReceipt) and receipt.version == "user-1-v3"
