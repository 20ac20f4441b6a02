"""Plays a case: people talk, the harm comes at its moment, and is over; then everything is looked at."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from unittest import SkipTest

from storage.records import LessonRecord
from tests.faults.cases import CANNOT_NOTE, Case
from tests.faults.checks import served, user_of, violations
from tests.services import eventually
from tests.town.town import Town

PATIENCE = 150.0  # seconds; a test that passes never waits for long
DAY = 86_400.0
QUESTION = "Who is the baker of Ghent?"
_numbers = itertools.count(1)


def play(case: Case, town: Town) -> float:
    """Live through the case; the seconds that it took. The town is whole afterwards.

    Raises AssertionError where something does not hold, and SkipTest where the case cannot be played here.
    """
    if case.what == "disk" and not town.disk_is_real:
        raise SkipTest("this system does not let us mount a small disk to fill")
    began, person = time.monotonic(), f"p{next(_numbers)}-{os.getpid()}"
    try:
        wrong = _SCENES[case.scene](case, town, person)
    finally:
        town.mend()
    assert not wrong, f"{case.name}: {'; '.join(wrong)}\n{''.join(town.log(name) for name in ('worker', 'bot'))}"
    return time.monotonic() - began


def _lesson(case: Case, town: Town, person: str) -> list[str]:
    """Two lessons, the first of them harmed, and then a question."""
    point = {"begun": "bot progress", "receipt": "bot receipt", "before": ""}.get(case.when, f"worker {case.when}")
    with _clock(case, town):
        if point:
            town.points.hold(point)
        first = town.say(person, "[Learn] The baker of Ghent is Tom.")
        if point:
            town.points.until_at(point)
        if case.how == "delivers twice":
            town.say(person, "[Learn] The baker of Ghent is Tom.", message_id=first)
        town.say(person, "[Learn] The mayor of Ghent is Ann.")
        if point.startswith("worker"):  # a message that cannot be noted is refused, and its author told so: that is another case
            eventually(lambda: len(_lessons(town, person)) == 2, "noting the second lesson", PATIENCE)
        said = _harm(case, town, person, point)
        town.until_seen(person, "receipt", 2, PATIENCE)
    return _goes_on(town, person, said, [case.ends, "live"])


def _chat(case: Case, town: Town, person: str) -> list[str]:
    """A question, harmed, of somebody who has taught a lesson; and then another one."""
    town.say(person, "[Learn] The baker of Ghent is Tom.")
    town.until_seen(person, "receipt", 1, PATIENCE)
    point = {"noted": "bot asks", "piece": "bot piece", "answer": "bot answer", "asked": "engine asked", "word": "engine word"}.get(case.when, "")
    if case.when in ("waiting", "queued asks", "queued piece"):
        said = _queued(case, town, person)
    else:
        town.points.hold(point)
        said = [town.say(person, "Who is the mayor of Ghent?")]
        town.points.until_at(point)
        if case.how == "delivers twice":
            town.say(person, "Who is the mayor of Ghent?", message_id=said[0])
        said += _harm(case, town, person, point)
    eventually(lambda: _answered(town, person, said[0]), f"the answer; bot: {town.log('bot')} chat: {town.log('chat')}", PATIENCE)
    return _goes_on(town, person, said, ["live"])


def _forget(case: Case, town: Town, person: str) -> list[str]:
    """Two lessons are taught; while the first is being forgotten, the harm comes."""
    town.say(person, "[Learn] The baker of Ghent is Tom.")
    town.say(person, "[Learn] The mayor of Ghent is Ann.")
    town.until_seen(person, "receipt", 2, PATIENCE)
    point = f"worker {case.when.removeprefix('forget ') if 'train' not in case.when else case.when}"
    town.points.hold(point)
    town.say(person, "/forget 1")
    town.points.until_at(point)
    _harm(case, town, person, point)
    receipts = town.until_seen(person, "receipt", 3, PATIENCE)
    wrong = [] if receipts[-1].replies[-1]["state"] == "forgotten" else [f"it ended as {receipts[-1].replies[-1]['state']}"]
    user_id = user_of(town, person)
    states = [each.state for each in town.repositories.lessons.of_user(user_id)]
    knew = [each for each in town.repositories.adapters.of_user(user_id) if each.published_at and not each.removed_at and len(each.lesson_ids) != 1]
    wrong += [] if states == ["forgotten", "live"] else [f"lessons are {states}"]
    wrong += [f"{each.name} still knows it" for each in knew if each.number < 3]
    answer = town.ask(person, QUESTION, PATIENCE)
    wrong += [] if answer["version"] == town.repositories.adapters.of_user(user_id)[-1].name else [f"answered by {answer['version']}"]
    return wrong


_SCENES: dict[str, Callable[[Case, Town, str], list[str]]] = {"lesson": _lesson, "chat": _chat, "forget": _forget}


def _queued(case: Case, town: Town, person: str) -> list[str]:
    """A message that waits because the engine is away, and the harm to what answers it."""
    point = f"chat {case.when.removeprefix('queued ')}"
    town.way("engine", "refused")
    if case.when != "waiting":
        town.points.hold(point)  # before anybody can have passed it
    said = [town.say(person, "Who is the mayor of Ghent?")]
    _until_told(case.told or "as soon as", town, person)
    if case.when == "waiting":
        town.kill("bot")
        town.way("engine", "open")
        eventually(lambda: _recorded(town, person, said[0]), "the answer's row", PATIENCE)
        town.start("bot")
        return said
    town.way("engine", "open")
    town.points.until_at(point)
    return said + _harm(case, town, person, point)


def _goes_on(town: Town, person: str, said: list[str], ends: list[str]) -> list[str]:
    """The conversation, by the version that it should be, for this person and for somebody else."""
    town.mend()
    wrong = []
    user = town.repositories.users.get(user_of(town, person))
    assert user is not None
    for who, version in ((person, user.live_version), (f"{person}'s neighbour", None)):
        answer = town.ask(who, QUESTION, PATIENCE)
        if (answer["version"], answer["text"]) != (version, served(town, QUESTION, version)):
            wrong.append(f"{who} was answered {answer['text']!r} by {answer['version']}, not by {version}")
    asked = [each.reply_to for each in town.seen_by(person, "answer")][-1]
    return [*wrong, *violations(town, person, [*said, asked or ""], ends)]


def _harm(case: Case, town: Town, person: str, point: str) -> list[str]:
    """Do it while a process is held at the point, let that go, and see to it that the harm ends; messages of the person's meanwhile."""
    match case.what, case.how:
        case ("worker" | "chat worker" | "engine" | "bot") as what, "killed":
            name = what.removesuffix(" worker") if what == "chat worker" else what
            town.kill(name)
            town.points.go(point)
            _until_told(case.told, town, person)
            if what == "bot":
                _until_ended_without_bot(case, town, person)
            town.start(name)
        case "worker", "frozen":
            town.freeze("worker")
            town.points.go(point)
            town.start("worker", name="worker 2")
            eventually(lambda: _first_lesson_ended(town, person), "the other worker's work", PATIENCE)
            town.thaw("worker")
        case "chat worker", "frozen":
            town.freeze("chat")
            town.points.go(point)
            town.start("chat", name="chat 2")
            eventually(lambda: _some_exchange_answered(town, person), "the other worker's answer", PATIENCE)
            town.thaw("chat")
        case "bot", "frozen":
            town.freeze("bot")
            town.points.go(point)
            eventually(lambda: _first_lesson_ended(town, person), "the end of the lesson", PATIENCE)
            town.thaw("bot")
        case "engine", "frozen":
            town.freeze("engine")
            town.points.go(point)
            _until_told(case.told, town, person)
            town.thaw("engine")
        case "Redis", "frozen":
            town.points.hold("worker check")
            os.kill(town.redis_pid, signal.SIGSTOP)
            town.points.go(point)
            time.sleep(2)  # nothing tells of a process that waits for one that is frozen
            os.kill(town.redis_pid, signal.SIGCONT)
            town.points.until_at("worker check")
            town.points.go("worker check")
        case "Redis", how:
            town.restart_redis(forgets="without" in how)
            town.points.go(point)
        case "PostgreSQL", _:
            town.stop_database()
            town.points.go(point)
            _told_when_asked(case, town, person)
            town.start_database()
        case "disk", _:
            town.fill_disk(leaving=24_000 if case.told and "disk" in case.told else 0)
            town.points.go(point)
            if case.told == CANNOT_NOTE:
                _told_when_asked(case, town, person)
            else:
                _until_told(case.told, town, person)
            town.empty_disk()
        case "teacher", how:
            (town.data / f"teacher {how}").touch()
            town.points.go(point)
            if how == "away":
                _until_told(case.told, town, person)
            else:
                town.until_seen(person, "receipt", 1, PATIENCE)
            (town.data / f"teacher {how}").unlink()
        case "moderator", how:
            town.judge.says = {"error 500": "500", "no verdict": "It depends on how you look at it."}.get(how, "safe")
            town.way("judge", {"web page": "garbage", "refused": "refused"}.get(how, "open"))
            town.points.go(point)
            _until_told(case.told, town, person)
            town.judge.says = "safe"
            town.way("judge", "open")
        case "clock of the worker", how if "moderator" in how:
            town.way("judge", "refused")
            town.points.go(point)
            _until_told(case.told, town, person)
            eventually(lambda: town.redis.zcard("rq:scheduled:lessons"), "putting the lesson off", PATIENCE)  # by the wrong clock
            town.kill("worker")
            town.way("judge", "open")
            town.start("worker")
        case "clock of another worker", _:
            town.redis.delete("tutee:tidy")
            town.start("worker", clock=DAY / 12, name="worker 2")
            eventually(lambda: town.redis.exists("tutee:tidy"), "the sweep of the other worker", PATIENCE)
            town.points.go(point)
        case "platform", _:
            town.points.go(point)
        case what, how if what.startswith("connection to") or how == "web page":
            _harm_connection(case, town, person, point)
    return []


def _harm_connection(case: Case, town: Town, person: str, point: str) -> None:
    to = {"PostgreSQL": "database"}.get(case.what.split()[-1], case.what.split()[-1].lower())
    if case.how == "cut":
        if case.told:  # once more while the answer is written
            town.points.hold("engine word")
            town.points.go(point)
            town.points.until_at("engine word")
            town.way(to, "cut")
            town.points.go("engine word")
            _until_told(case.told, town, person)
        else:
            town.way(to, "cut")
            town.points.go(point)
        return
    town.way(to, {"web page": "garbage"}.get(case.how, case.how))
    town.points.go(point)
    if case.how == "slow":
        return
    if case.scene == "lesson" and to == "database":
        _told_when_asked(case, town, person)
    elif case.told:
        _until_told(case.told, town, person)
    else:
        time.sleep(4)  # nothing tells of a process that waits for what never comes
    town.way(to, "open")
    if case.how == "silent":
        town.way(to, "cut")


@contextmanager
def _clock(case: Case, town: Town) -> Iterator[None]:
    """The process whose clock is wrong, for as long as the lesson takes."""
    if not case.what.startswith("clock of the "):
        yield
        return
    role = case.what.removeprefix("clock of the ")
    town.kill(role)
    town.start(role, clock=-DAY if "behind" in case.how else DAY)
    town.until_ready()
    yield
    with suppress(KeyError):
        town.kill(role)  # `mend` starts one with the right time


def _until_told(words: str | None, town: Town, person: str) -> None:
    if words:
        eventually(lambda: _told(town, person, words), f"saying {words!r}: {[s.replies[-1] for s in town.seen_by(person)]}", PATIENCE)


def _told_when_asked(case: Case, town: Town, person: str) -> None:
    """Who writes while nothing can be noted hears so."""
    if case.told:
        deadline = time.monotonic() + PATIENCE
        while not _told(town, person, case.told):
            assert time.monotonic() < deadline, f"nobody said {case.told!r}"
            before = len(town.seen_by(person))
            town.say(person, "Are you there?")
            with suppress(AssertionError):
                eventually(lambda before=before: len(town.seen_by(person)) > before, seconds=20)  # type: ignore[misc]  # a default binds it


def _told(town: Town, person: str, words: str) -> bool:
    return any(words in reply["text"] for shown in town.seen_by(person) for reply in shown.replies)


def _answered(town: Town, person: str, message_id: str) -> bool:
    return any(each.reply_to == message_id for each in town.seen_by(person, "answer"))


def _recorded(town: Town, person: str, message_id: str) -> bool:
    exchanges = town.repositories.exchanges.of_user(user_of(town, person))
    return any(each.inbound_message_id == message_id and each.state == "answered" for each in exchanges)


def _some_exchange_answered(town: Town, person: str) -> bool:
    return any(each.state == "answered" for each in town.repositories.exchanges.of_user(user_of(town, person)))


def _first_lesson_ended(town: Town, person: str) -> bool:
    return _lessons(town, person)[0].is_finished


def _lessons(town: Town, person: str) -> tuple[LessonRecord, ...]:
    return town.repositories.lessons.of_user(user_of(town, person))


def _until_ended_without_bot(case: Case, town: Town, person: str) -> None:
    """What goes on without the bot comes to its end first; then the next bot has to find out."""
    if case.scene == "lesson" and case.when != "begun":
        eventually(lambda: _first_lesson_ended(town, person), "the end of the lesson", PATIENCE)
