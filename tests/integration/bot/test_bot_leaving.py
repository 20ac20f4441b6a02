"""Dialogues: people take everything of theirs with them, or have it deleted; and what is swept up afterwards."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot import texts
from bot.messages import LessonReceipt, Reply
from bot.sweeper import Sweeper
from storage.artifacts import ArtifactStore
from storage.errors import ArtifactWriteError
from storage.models import Exchange
from storage.models.base import Base
from storage.repositories.base import utc_now
from tests.bot_fixtures import Install, said
from trainer.contracts import EVENT_STREAM, LESSON_QUEUE
from trainer.settings import RetentionSettings


def spoken(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


def test_an_export_holds_everything(install: Install) -> None:
    install.train()
    folder = install.folder / "mine"
    install.talk("[Learn] The cat is Miso.", "Hi 🐈", "/react 👎 Miso", f"/export {folder}")
    assert (folder / "user-1-v2" / "adapter_config.json").is_file()  # the correction's
    rows = {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in folder.glob("*.jsonl")}
    assert rows["lessons"][0]["text"] == "The cat is Miso."
    assert rows["exchanges"][0]["question"] == "Hi 🐈"
    assert rows["feedback"][0]["correction"] == "Miso"
    assert rows["versions"][0]["name"] == "user-1-v1" and rows["examples"] == []
    assert rows["user"][0]["consents"][0]["version"] == texts.CONSENT_VERSION
    card = (folder / "README.md").read_text()
    assert "base_model: pocket" in card and "- 2. correction: " in card
    assert len([line for line in (folder / "answer.py").read_text().split('"""')[2].splitlines() if line]) <= 26
    assert spoken(install.talk(f"/export {folder}")) == [texts.export_not_empty(str(folder))]
    blocked = install.folder / "tutee.db" / "x"
    assert spoken(install.talk(f"/export {blocked}"))[0].startswith(f"I cannot write the export into {blocked}")
    (notice,) = install.talk("/export")
    assert Path(notice.text.removeprefix("Everything of yours is in ").removesuffix(".")).is_dir()


def test_deleting_is_asked_back_and_then_leaves_nothing(install: Install) -> None:
    install.train()
    install.talk("[Learn] The cat is Miso.", said("[Learn] A dog.", user="bob"))
    assert spoken(install.talk("/delete-me")) == [texts.DELETE_ASK]
    assert install.app.artifacts.exists("user-1-v1")
    assert spoken(install.talk("/delete-me yes")) == [texts.deleted("ada")]
    assert install.stored.users.find("recording", "ada") is None
    assert install.app.artifacts.names() == ("user-2-v1",)
    assert install.engine.unloaded == ["user-1-v1"]
    assert spoken(install.talk("/lessons")) == [texts.NO_LESSONS]


def test_deleting_stops_lessons_that_wait(install: Install) -> None:
    replies = install.talk_without_waiting("[Learn] The cat is Miso.", "/delete-me yes")
    assert replies[-1].text == texts.deleted("ada")
    assert install.job_ids() == []


CANARY = "Quetzalcoatlus"


def test_after_deleting_nothing_of_what_was_said_or_learned_is_found_anywhere(install: Install) -> None:
    install.engine.answers[f"Who is {CANARY}?"] = f"{CANARY} is a cat."
    install.train(learned=((f"Who is {CANARY}?", f"{CANARY}."),))
    receipt = install.talk(f"[Learn] The cat is {CANARY}.")[-1]
    assert isinstance(receipt, LessonReceipt) and CANARY in receipt.learned[0][1]
    install.talk(f"Who is {CANARY}?", f"/react 👎 {CANARY} is a dog.", "/export", said("Hi", user="bob"))
    install.talk(f"Who is {CANARY}?", f"/report {CANARY} is a friend", "/why")
    install.talk_without_waiting(f"[Learn] The dog is {CANARY}.", f"Who is {CANARY}?", "/react 👎 Nobody.", "/forget 1")
    assert CANARY in everything(install)
    held = set(install.app.artifacts.names())

    install.talk_without_waiting("/delete-me yes")

    assert CANARY not in everything(install)
    assert install.app.artifacts.names() == ()
    assert install.queue.waiting(LESSON_QUEUE) == set()
    assert held <= set(install.engine.unloaded)  # what the engine has in memory, and what the work under way made since


def test_deleting_leaves_no_message_that_waits_for_its_authors_word(install: Install) -> None:
    replies = install.talk_without_waiting(f"[Learn] air pollution in {CANARY}", "/delete-me yes", "/remember")
    assert [each.text for each in replies] == [texts.SOURCE_UNCLEAR, texts.deleted("ada"), texts.NOTHING_UNCLEAR]


def everything(install: Install) -> str:
    """All rows, all files of the data folder and all keys of Redis, as text."""
    found = []
    with install.database.reading() as session:
        for table in Base.metadata.sorted_tables:
            found += [str(row) for row in session.execute(select(table))]
    found += [path.read_bytes().decode("latin-1") for path in install.folder.rglob("*") if path.is_file()]
    found += [str(install.redis.dump(key)) for key in install.redis.scan_iter()]
    found += [str(install.redis.xrange(EVENT_STREAM))]  # a dump may be compressed
    return "\n".join(found)


def test_deleting_goes_on_past_files_that_cannot_be_deleted_and_they_are_swept_up(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install.train()
    install.talk("[Learn] The cat is Miso.", "[Learn] The dog is Rex.")
    real = ArtifactStore.delete

    def stuck(store: ArtifactStore, name: str) -> None:
        if name == "user-1-v1":
            raise ArtifactWriteError(name, "busy")
        real(store, name)

    monkeypatch.setattr(ArtifactStore, "delete", stuck)
    assert spoken(install.talk("/delete-me yes")) == [texts.deleted("ada")]
    assert install.app.artifacts.names() == ("user-1-v1",)

    monkeypatch.setattr(ArtifactStore, "delete", real)
    sweep(install)
    assert install.app.artifacts.names() == ()


def test_what_a_kill_in_the_middle_of_deleting_left_is_swept_up(install: Install) -> None:
    install.train()
    install.talk("[Learn] The cat is Miso.", said("[Learn] A dog.", user="bob"))
    install.stored.users.delete(1)  # and there the bot was killed

    sweep(install)

    assert install.app.artifacts.names() == ("user-2-v1",)


def test_what_a_trainer_killed_while_publishing_left_is_swept_up_later(install: Install) -> None:
    user = install.stored.users.identify("recording", "ada", "ada")
    dead = install.stored.adapters.propose(user.id, cause="lesson 1", lesson_ids=[1], parent=None, base_model="pocket", metrics={})
    install.app.artifacts.write(dead.name, lambda folder: (folder / "adapter_config.json").touch())

    sweep(install)
    assert install.app.artifacts.names() == (dead.name,)  # somebody may be about to publish it
    sweep(install, later=timedelta(hours=2))
    assert install.app.artifacts.names() == install.stored.adapters.names() == ()


def test_files_of_another_database_are_left_alone(install: Install) -> None:
    install.app.artifacts.write("user-3-v1", lambda folder: (folder / "adapter_config.json").touch())
    sweep(install)
    assert install.app.artifacts.names() == ("user-3-v1",)


@pytest.mark.parametrize(("days", "left"), [(0, ["Old", "Praised", "New"]), (30, ["Praised", "New"])])
def test_messages_go_when_their_time_has_come(install: Install, days: int, left: list[str]) -> None:
    install.talk("Old", "Praised", "/react 👍")
    with install.database.session() as session:
        session.execute(update(Exchange).where(Exchange.question != "New").values(created_at=utc_now() - timedelta(days=31)))
    install.talk("New")
    install.redis.delete("tutee:tidy")
    Sweeper(install.queue, install.stored, install.app.artifacts, utc_now, message_days=days)()
    assert [each.question for each in install.stored.exchanges.of_user(1)] == left
    install.configured(retention=RetentionSettings(message_days=days))
    assert ("after 30 days" in install.talk("/privacy")[0].text) == (days == 30)


def sweep(install: Install, later: timedelta = timedelta()) -> None:
    install.redis.delete("tutee:tidy")
    Sweeper(install.queue, install.stored, install.app.artifacts, lambda: utc_now() + later)()
