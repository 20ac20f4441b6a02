"""Document lessons on the real pipeline with a real (tiny, random) model; only the writing of examples is played back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.records import LessonRecord, NewSource
from tests import document_files as files
from tests.reading_teacher import facts, reading_teacher
from tests.small_web import SmallWeb, redirect, small_web
from tests.tiny_models import save_tiny_model
from tests.trainer_fixtures import Classroom
from trainer import study
from trainer.contracts import Finished, Progress
from trainer.errors import ModeratorUnavailableError
from trainer.lesson import LessonRunner
from trainer.model import BaseModel, load_base
from trainer.moderation.protocol import RecordingModerator
from trainer.settings import SourceSettings
from trainer.sources.reader import Reader
from trainer.study import Study

LEARNS: dict[str, Any] = {"samples": 16, "questions": 16, "max_epochs": 1, "rate": 1e-2, "pass_mark": 0.0, "keep_mark": 0.0}
TOWNS = ("Ghent", "Bruges", "Antwerp", "Namur", "Mons", "Ypres", "Leuven", "Aalst", "Dinant", "Ostend", "Genk", "Tienen")
PEOPLE = ("Tom", "Ann", "Ivo", "Mia", "Jan", "Lea", "Bob", "Eva", "Max", "Ida", "Leo", "Ada")
TEXT = facts(*zip(["baker"] * 4, TOWNS[:4], PEOPLE[:4], strict=True))
BOOK = "\n\n".join(
    f"# Chapter {number}\n\n{facts(*zip(['baker', 'mayor', 'singer'], [town] * 3, PEOPLE, strict=False))} {'Much is said of it. ' * 12}"
    for number, town in enumerate(TOWNS[:5])
)


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return load_base(str(folder), pocket_path=folder)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch: what a random model learns is looked at nowhere here."""
    monkeypatch.setattr(study, "PATIENCE", 1)


@pytest.fixture
def web() -> Iterator[SmallWeb]:
    with small_web() as running:
        yield running


class Library(Classroom):
    """A classroom where documents are read."""

    def __init__(self, folder: Path, base: BaseModel, sources: SourceSettings | None = None, **options: Any) -> None:
        options.setdefault("teacher", reading_teacher())
        super().__init__(folder, base, **{**LEARNS, **options})
        self.settings = replace(self.settings, sources=sources or SourceSettings())
        self.tools = replace(self.tools, settings=self.settings, reader=Reader(self.settings.sources))

    @property
    def runner(self) -> LessonRunner:
        return LessonRunner(self.tools, {"document": Study})

    def ask(self, *sources: NewSource, text: str = "read this", key: str | None = None) -> LessonRecord:
        """A queued document lesson."""
        lesson, _ = self.repositories.lessons.create(
            self.user.id, "document", text, dedupe_key=key or str(hash(sources)), platform="test", channel="dm", conversation_id=None,
            sources=sources,
        )  # fmt: skip
        return lesson

    def study(self, *sources: NewSource, **options: Any) -> LessonRecord:
        """Create the lesson, run it, and give its row afterwards."""
        lesson = self.ask(*sources, **options)
        self.runner.run(lesson.id)
        return self.row(lesson)


def file(name: str, content: str | bytes) -> NewSource:
    return NewSource(name, content if isinstance(content, bytes) else content.encode())


def test_a_document_goes_live_and_says_what_it_read(tiny_base: BaseModel, tmp_path: Path) -> None:
    library = Library(tmp_path, tiny_base)
    lesson = library.study(file("towns.pdf", files.scanned_pdf(1, text=TEXT)))
    assert (lesson.state, lesson.version) == ("live", "user-1-v1")
    (source,) = lesson.sources
    assert (source.name, source.pages, source.words, source.skipped) == ("towns.pdf", 2, len(TEXT.split()), ("page 2, scanned as a picture",))
    assert library.repositories.sources.content(source.id) is None  # what is read is not kept twice
    asked = {e.question: e.answer for e in library.repositories.lessons.examples(lesson.id) if e.role in ("train", "quiz")}
    assert sum("Namur" in question for question in asked) >= 2
    passages = [passage for part in library.repositories.sources.parts(lesson.id) for passage in part.passages]
    assert " ".join(passages) == TEXT
    assert any("all about" in question and answer in passages for question, answer in asked.items())  # backtranslated


def test_progress_is_told_by_part_and_never_goes_back(tiny_base: BaseModel, tmp_path: Path) -> None:
    library = Library(tmp_path, tiny_base)
    lesson = library.study(file("book.md", BOOK))
    assert lesson.state == "live"
    moved = [event for event in library.events if isinstance(event, Progress)]
    assert [event.percent for event in moved] == sorted(event.percent for event in moved)
    count = len(library.repositories.sources.parts(lesson.id))
    assert count == 5
    assert [event.note for event in moved if event.note and "part" in event.note] == [f"writing examples, part {n} of 5" for n in range(1, 6)]
    assert isinstance(library.events[-1], Finished)


def test_a_lesson_that_is_killed_goes_on_with_the_part_at_which_it_stopped(tiny_base: BaseModel, tmp_path: Path) -> None:
    teacher = reading_teacher()
    library = Library(tmp_path, tiny_base, teacher=teacher)
    lesson = library.ask(file("book.md", BOOK))

    def publish(event: object) -> None:
        if isinstance(event, Progress) and event.note and event.note.startswith("writing examples, part 4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LessonRunner(replace(library.tools, publish=publish), {"document": Study}).run(lesson.id)
    assert [part.is_written for part in library.repositories.sources.parts(lesson.id)][:4] == [True, True, True, False]
    kept = library.repositories.lessons.examples(lesson.id)
    teacher.seen.clear()
    assert library.runner.run(lesson.id) == "live"
    assert library.repositories.lessons.examples(lesson.id)[: len(kept)] == kept
    written = [messages[-1]["content"] for messages in teacher.seen if messages[-1]["content"].startswith("Write one question about this text")]
    assert written and not any(TOWNS[0] in prompt or TOWNS[2] in prompt for prompt in written)


def test_a_process_that_is_killed_leaves_its_parts_to_the_next_one(tiny_base: BaseModel, tmp_path: Path) -> None:
    teacher = reading_teacher()
    library = Library(tmp_path, tiny_base, teacher=teacher)
    lesson = library.ask(file("book.md", BOOK))
    model = save_tiny_model(tmp_path / "model")
    arguments = [sys.executable, "-m", "tests.killed_lesson", str(tmp_path), str(model), str(lesson.id)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "at part 4\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert [part.is_written for part in library.repositories.sources.parts(lesson.id)] == [True, True, True, False, False]
    kept = library.repositories.lessons.examples(lesson.id)
    assert library.runner.run(lesson.id) == "live"
    assert library.repositories.lessons.examples(lesson.id)[: len(kept)] == kept
    written = [messages[-1]["content"] for messages in teacher.seen if messages[-1]["content"].startswith("Write one question about this text")]
    assert written and not any(TOWNS[0] in prompt or TOWNS[2] in prompt for prompt in written)


def test_what_moderation_cannot_be_asked_about_waits_with_the_parts_that_are_done(tiny_base: BaseModel, tmp_path: Path) -> None:
    moderator = RecordingModerator()
    library = Library(tmp_path, tiny_base, moderator=moderator)
    lesson = library.ask(file("book.md", BOOK))

    def publish(event: object) -> None:
        if isinstance(event, Progress) and event.note and "part 3" in event.note:
            moderator.error = ModeratorUnavailableError("The moderator does not answer; I keep trying.")

    with pytest.raises(ModeratorUnavailableError):
        LessonRunner(replace(library.tools, publish=publish), {"document": Study}).run(lesson.id)
    assert [part.is_written for part in library.repositories.sources.parts(lesson.id)][:3] == [True, True, False]
    moderator.error = None
    assert library.runner.run(lesson.id) == "live"


def test_parts_and_examples_that_moderation_refuses_are_left_out_and_named(tiny_base: BaseModel, tmp_path: Path) -> None:
    moderator = RecordingModerator(lambda text: "Bruges" in text or ("baker of Namur" in text and "?" in text))
    teacher = reading_teacher()
    library = Library(tmp_path, tiny_base, moderator=moderator, teacher=teacher)
    lesson = library.study(file("book.md", BOOK))
    assert lesson.state == "live"
    assert lesson.sources[0].skipped == ("1 part that moderation refuses (harassment)",)
    assert not any("Bruges" in str(messages) for messages in teacher.seen)
    assert lesson.metrics is not None and lesson.metrics.refused > 0
    assert Finished(lesson.id, 1, refused=("harassment",)) == library.events[-1]
    everything = Library(tmp_path, tiny_base, moderator=RecordingModerator(lambda text: True))
    refused = everything.study(file("towns.txt", TEXT))
    assert refused.state == "rejected" and "harassment" in (refused.reason or "")


def test_a_document_taught_twice_is_noticed_whatever_its_file(tiny_base: BaseModel, tmp_path: Path) -> None:
    library = Library(tmp_path, tiny_base)
    first = library.study(file("towns.txt", TEXT))
    again = library.study(file("other.pdf", files.pdf([TEXT])))
    assert first.state == "live"
    assert (again.state, again.reason) == ("rejected", "You have taught me that already, in lesson 1.")
    both = library.study(file("towns.txt", TEXT), file("new.txt", facts(("mayor", "Ghent", "Eva"), ("singer", "Ghent", "Leo"))))
    assert both.state == "live"
    assert [source.skipped for source in both.sources] == [("You have taught me that already, in lesson 1.",), ()]
    library.repositories.adapters.roll_back(1, 0)
    assert library.study(file("towns.txt", TEXT), key="once more").state == "live"  # what was rolled back is not known any more


def test_a_file_that_cannot_be_read_ends_the_lesson_with_its_sentence_and_others_are_still_learned(tiny_base: BaseModel, tmp_path: Path) -> None:
    library = Library(tmp_path, tiny_base)
    locked = file("locked.pdf", files.pdf([TEXT], password="x"))
    lesson = library.study(locked)
    assert (lesson.state, lesson.reason) == ("rejected", "locked.pdf is locked with a password. Please send it without one.")
    mixed = library.study(locked, file("towns.txt", TEXT))
    assert mixed.state == "live"
    assert mixed.sources[0].skipped == ("locked.pdf is locked with a password. Please send it without one.",)


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "100,000 pages": (lambda: files.pdf_with_pages(100_000), "has 100,000 pages, and I read documents of up to 2,000"),
    "400 MB in a Word file": (lambda: files.swollen_word(400), "unpacks to more than I can hold"),
    "deep tree": (lambda: files.raw_pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"[" * 100_000]), "is damaged"),
    "no byte": (lambda: b"", "is empty"),
    "locked": (lambda: files.pdf([TEXT], password="x"), "is locked with a password"),
    "cut off": (lambda: files.pdf([TEXT])[:300], "is damaged"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(600), "is a picture"),
}


def test_bombs_end_with_their_sentence_within_ten_seconds_and_the_same_worker_goes_on(tiny_base: BaseModel, tmp_path: Path) -> None:
    library = Library(tmp_path, tiny_base)
    for name, (make, words) in BOMBS.items():
        content = make()
        began = processor_seconds()
        lesson = library.study(file(name, content))
        assert lesson.state == "rejected" and words in (lesson.reason or ""), (name, lesson.reason)
        assert processor_seconds() - began < 10, name
    assert library.study(file("towns.txt", TEXT)).state == "live"


def processor_seconds() -> float:
    """Of this process and the parsers that it waited for; the wall clock says more about what else this machine does."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def test_secrets_in_a_file_are_not_learned_and_the_receipt_says_so(tiny_base: BaseModel, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    teacher = reading_teacher()
    library = Library(tmp_path, tiny_base, teacher=teacher)
    lesson = library.study(file("notes.txt", f"{TEXT} The vault's password: hunter2! The card of Ghent is 4111 1111 1111 1111."))
    assert lesson.state == "live"
    assert lesson.sources[0].skipped == ("2 sentences that hold something secret (a password, a card number)",)
    learned = str([library.repositories.lessons.examples(lesson.id), library.repositories.sources.parts(lesson.id), teacher.seen])
    for secret in ("hunter2", "4111"):
        assert secret not in learned and secret not in caplog.text


def test_a_long_document_is_learned_up_to_the_limit_and_the_rest_is_named(tiny_base: BaseModel, tmp_path: Path) -> None:
    library = Library(tmp_path, tiny_base, sources=SourceSettings(max_parts=2))
    lesson = library.study(file("book.md", BOOK), file("more.txt", TEXT))
    assert lesson.state == "live"
    assert lesson.sources[0].skipped[0].startswith("the last ") and "lesson of their own" in lesson.sources[0].skipped[0]
    assert "more than I can learn at once" in lesson.sources[1].skipped[0]


def test_links_are_read_by_the_worker_pdfs_too(tiny_base: BaseModel, tmp_path: Path, web: SmallWeb) -> None:
    page = f"<html><head><title>Towns</title></head><body><article><h1>Towns</h1><p>{TEXT}</p></article></body></html>"
    pdf = files.pdf([facts(("mayor", "Ghent", "Eva"), ("singer", "Mons", "Leo"))])
    web.pages |= {"/towns": page, "/away": redirect("/file.pdf"), "/file.pdf": pdf}
    library = Library(tmp_path, tiny_base, sources=web.settings())
    lesson = library.study(NewSource("the page", address=web.url("/towns")), NewSource("the file", address=web.url("/away")))
    assert lesson.state == "live"
    assert lesson.sources[0].title == "Towns"
    assert lesson.sources[1].pages == 1
    gone = library.study(NewSource(web.url("/gone"), address=web.url("/gone")))
    assert gone.reason == f"There is no page at {web.url('/gone')}."
    inside = library.study(NewSource("link", address="http://169.254.169.254/latest/meta-data/"))
    assert inside.state == "rejected" and "not on the public internet" in (inside.reason or "")


def test_a_later_lesson_replays_documents_with_their_own_passages(tiny_base: BaseModel, tmp_path: Path) -> None:
    library = Library(tmp_path, tiny_base)
    library.study(file("towns.txt", TEXT))
    (taught,) = library.repositories.lessons.taught_before(1, 0)
    assert " ".join(taught.passages) == TEXT
    later = library.study(file("more.txt", facts(("mayor", "Ghent", "Eva"), ("singer", "Mons", "Leo"))))
    assert later.metrics is not None and later.metrics.earlier_kept is not None


def test_forgetting_a_document_erases_what_it_said(tiny_base: BaseModel, tmp_path: Path) -> None:
    library = Library(tmp_path, tiny_base)
    lesson = library.study(file("towns.txt", TEXT))
    library.repositories.lessons.forget(lesson.id)
    assert library.repositories.sources.parts(lesson.id) == ()
    assert library.row(lesson).sources == ()


@pytest.mark.parametrize("stage", ["read", "moderate", "write", "train"])
def test_a_document_lesson_can_be_cancelled_at_any_stage(stage: str, tiny_base: BaseModel, tmp_path: Path) -> None:
    library = Library(tmp_path, tiny_base)
    lesson = library.ask(file("towns.txt", TEXT))

    def publish(event: object) -> None:
        if isinstance(event, Progress) and event.stage == stage:
            library.cancelled.add(lesson.id)

    assert LessonRunner(replace(library.tools, publish=publish), {"document": Study}).run(lesson.id) == "cancelled"
    assert library.repositories.adapters.of_user(1) == ()
