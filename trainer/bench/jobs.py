"""`tutee bench jobs`: what stands around a lesson and an answer, against a whole installation, each part in a process of its own.

From a job's enqueueing to its lesson's first step; from a new version's going live to the first piece of an answer by it; what people
who are being answered notice of others' new versions; all of it again with more and more people in the database; and how many lessons a
minute are learned when some users' lessons are queued at once, side by side and one after the other.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, cast

from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from storage.records import LessonRecord
from trainer.bench.crowd import fill
from trainer.bench.installation import Installation, installation
from trainer.bench.report import Row, machine, numbers, say, show
from trainer.bench.swaps import Swaps
from trainer.bench.world import BenchError
from trainer.contracts import EVENT_STREAM, LESSON_JOB, LESSON_QUEUE, Event, Finished, Progress, decode, lesson_job_id
from trainer.results import require_places, write_json
from trainer.settings import Settings

LESSON_S, LOOK_S = 600.0, 0.02
WARM = 1  # lessons, answers and versions that do not count
QUICK = 5  # answers, starts and versions whose median counts: they take no time
NAMES = ("Biscuit", "Rufus", "Minka", "Otto", "Paula", "Quentin", "Rosa", "Silas", "Tilda", "Ursula", "Viktor", "Wanda", "Yara", "Zeno")
KINDS = ("cat", "dog", "horse", "parrot", "boat", "garden", "neighbour", "sister")
LIKES = ("is afraid of thunder", "loves the rain", "sleeps in the kitchen", "is nine years old", "came from Lisbon")
WHOLE: Callable[[Any], str] = "{:,.0f}".format
TIMES: dict[str, Callable[[Any], str]] = {"figure": str, "ms": WHOLE}
SIDE_BY_SIDE, ONE_BY_ONE = "side by side", "one by one"
COLUMNS: dict[str, Callable[[Any], str]] = {
    "engine": str, "users": str, "turns": str, "lessons_per_minute": "{:.1f}".format, "times_one_by_one": "{:.2f}".format, "live": str,
}  # fmt: skip
GROWTH: dict[str, Callable[[Any], str]] = {
    "people": "{:,}".format,
    "answer_ms": WHOLE,
    "enqueue_to_start_ms": WHOLE,
    "publish_and_first_use_ms": WHOLE,
}


def main(settings: Settings, options: argparse.Namespace) -> int:
    """Measure with ``options`` (users, repeats, stored, minutes, json) and show the tables; 0 when done. Raises BenchError.

    After ``minutes``, no further lesson is begun that is not needed for one figure of each kind.
    """
    users, people = numbers(options.users), numbers(options.stored) if options.stored else []
    require_places(options, BenchError)
    if options.synthetic:
        raise BenchError("Lessons need a model that can write: `tutee bench jobs` measures with a real one, named by --base-model.")
    until = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="tutee-bench-") as folder, installation(settings, Path(folder) / "data") as there:
        bench, swaps = Bench(there, until), Swaps(there, settings)
        report: dict[str, Any] = {
            "machine": machine(), "base_model": settings.base_model, **bench.single(options.repeats), "swaps": swaps.measure(),
            "growth": [bench.growth(count, swaps) for count in people],
            "rows": [row for count in users for row in bench.together(count, options.repeats)],
        }  # fmt: skip
    say("")
    times = [{"figure": name.removesuffix("_ms").replace("_", " "), "ms": value} for name, value in report.items() if name.endswith("_ms")]
    show("From a message to work, from a lesson to its first answer (medians)", TIMES, times)
    swapped = [{"figure": name.replace("_", " "), "value": value} for name, value in report["swaps"].items()]
    show("Answers while others' new versions go live", {"figure": str, "value": str}, swapped)
    if people:
        show("By people in the database", GROWTH, report["growth"])
    show("Lessons queued at once", COLUMNS, report["rows"], [report["machine"]])
    write_json(report, options.json)
    return 0


class Bench:
    """Lessons of an installation: rows, queue, events. No more of them than needed are begun after ``until``."""

    def __init__(self, there: Installation, until: float) -> None:
        self.there = there
        self._until = until
        self._queue = Queue(LESSON_QUEUE, connection=there.redis, serializer=JSONSerializer)
        self._rng = Random(0)
        self._users = 0

    def single(self, repeats: int) -> dict[str, float]:
        """Milliseconds around single lessons, one at a time."""
        found: dict[str, list[float]] = {}
        for turn in range(WARM + repeats):
            if found and time.monotonic() > self._until:
                break
            say(f"single lessons: {turn + 1} of {WARM + repeats}")
            told = self._one()
            if turn >= WARM:
                for name, seconds in told.items():
                    found.setdefault(name, []).append(1000 * seconds)
        if not found:
            raise BenchError("No lesson went live, so there is nothing to measure. Choose another base model.")
        return {name: median(values) for name, values in found.items()}

    def growth(self, people: int, swaps: Swaps) -> Row:
        """The same again with so many people's rows in the database."""
        say(f"{people:,} people in the database")
        fill(self.there.database, people)
        answers = [self.there.ask("Hello!") for _ in range(WARM + QUICK)][WARM:]
        starts = [self._start() for _ in range(WARM + QUICK)][WARM:]
        figures = {"answer_ms": answers, "enqueue_to_start_ms": starts, "publish_and_first_use_ms": [swaps.publish_and_use() for _ in range(QUICK)]}
        return {"people": people, **{name: round(1000 * median(seconds), 1) for name, seconds in figures.items()}}

    def together(self, count: int, repeats: int) -> list[Row]:
        """A row for each way to learn the lessons of ``count`` users, from turns in which each has one go: one turn at least."""
        ways: dict[str, list[float]] = {SIDE_BY_SIDE: [], ONE_BY_ONE: []}
        live = dict.fromkeys(ways, 0)
        for turn in range(repeats):
            if turn and time.monotonic() > self._until:
                break
            for name, rates in ways.items():
                say(f"{count} users, {name}: {turn + 1} of {repeats}")
                began = time.perf_counter()
                lessons = [lesson for at_once in ([count] if name == SIDE_BY_SIDE else [1] * count) for lesson in self._learn(at_once)]
                rates.append(60 * count / (time.perf_counter() - began))
                live[name] += sum(self._row(lesson).state == "live" for lesson in lessons)
        medians = {name: median(rates) for name, rates in ways.items()}
        return [
            {"engine": name, "users": count, "turns": len(ways[name]), "lessons_per_minute": rate,
             "times_one_by_one": rate / medians[ONE_BY_ONE], "live": f"{live[name]} of {len(ways[name]) * count}"}
            for name, rate in medians.items()
        ]  # fmt: skip

    def _learn(self, count: int) -> list[LessonRecord]:
        """That many lessons, queued as soon as they are written (a row that waits without a job is queued by the chat), when all have ended."""
        after, lessons = self._newest(), [self._write() for _ in range(count)]
        for lesson in lessons:
            self._enqueue(lesson)
        left = {lesson.id for lesson in lessons}
        for event in self._events(after):
            if isinstance(event, Finished):
                left.discard(event.lesson_id)
                if not left:
                    break
        return lessons

    def _one(self) -> dict[str, float]:
        """Seconds around one lesson; none where it did not go live."""
        lesson, after = self._write(), self._newest()
        began = time.perf_counter()
        self._enqueue(lesson)
        started = published = 0.0
        for event in self._events(after):
            started = started or time.perf_counter()
            if isinstance(event, Progress) and event.stage == "live":
                published = time.perf_counter()
                break
            if isinstance(event, Finished):
                break
        version = self._row(lesson).version
        if version is None:
            return {}
        self.there.first_piece(version)
        answered = time.perf_counter()
        return {
            "enqueue_to_start_ms": started - began, "publish_to_first_answer_ms": answered - published,
            "first_answer_of_known_version_ms": self.there.first_piece(version), "lesson_ms": published - began,
        }  # fmt: skip

    def _start(self) -> float:
        """Seconds from a job's enqueueing to its lesson's first step; the lesson is then cancelled, and ended."""
        lesson, after = self._write(), self._newest()
        began = time.perf_counter()
        self._enqueue(lesson)
        next(self._events(after))
        started = time.perf_counter()
        self.there.repositories.lessons.finish(lesson.id, "cancelled")
        while Job.exists(lesson_job_id(lesson.id), connection=self.there.redis):  # of what was cancelled, the worker tells nothing more
            time.sleep(LOOK_S)
        return started - began

    def _write(self) -> LessonRecord:
        """A lesson of a new user, not queued yet."""
        self._users += 1
        user = self.there.repositories.users.identify("bench", str(self._users), "bench")
        text = f"My {self._rng.choice(KINDS)} is called {self._rng.choice(NAMES)} and {self._rng.choice(LIKES)}."
        lesson, _ = self.there.repositories.lessons.create(
            user.id, "instruction", text, dedupe_key=text, platform="bench", channel="bench", conversation_id=None
        )
        return lesson

    def _enqueue(self, lesson: LessonRecord) -> None:
        self._queue.enqueue(LESSON_JOB, args=(lesson.id,), job_id=lesson_job_id(lesson.id), job_timeout=int(LESSON_S), result_ttl=0)

    def _row(self, lesson: LessonRecord) -> LessonRecord:
        row = self.there.repositories.lessons.get(lesson.id)
        assert row is not None
        return row

    def _newest(self) -> str:
        found = cast(list[tuple[bytes, Any]], self.there.redis.xrevrange(EVENT_STREAM, count=1))
        return found[0][0].decode() if found else "0"

    def _events(self, after: str) -> Iterator[Event]:
        until = time.monotonic() + LESSON_S
        while time.monotonic() < until:
            found = cast(list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]], self.there.redis.xread({EVENT_STREAM: after}, block=1000))
            for at, fields in (entry for _, entries in found for entry in entries):
                after = at.decode()
                yield decode(fields[b"event"])
        raise BenchError(f"A lesson did not end within {LESSON_S / 60:.0f} minutes. Try a smaller base model.")
