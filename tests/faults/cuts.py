"""Plays the cases in which a host is cut off from everything and is back later: an installation on many hosts goes on meanwhile."""

from __future__ import annotations

import itertools
import os
from contextlib import suppress

from tests.faults.cases import Case
from tests.faults.checks import served, user_of, violations
from tests.faults.scenes import PATIENCE, QUESTION
from tests.hosts.hosts import ENGINES, Hosts
from tests.services import eventually

SETTLE_SECONDS = 20.0
BOTS, WORKERS = ("bot-1", "bot-2"), ("worker-1", "worker-2")
EVERYONE = (*ENGINES, *WORKERS, *BOTS)
GAVE_WAY = ("state=cancelled", "it had ended already", "it goes on later")  # what a worker logs that finds its lesson ended by another
_numbers = itertools.count(1)


def play_cut(case: Case, hosts: Hosts) -> None:
    """Live through the case; every host is whole and at work afterwards. Raises AssertionError where something does not hold."""
    person = f"c{next(_numbers)}-{os.getpid()}"
    try:
        wrong = _SCENES[case.what](case, hosts, person)
    finally:
        for name in EVERYONE:
            hosts.hosts[name].points.free()
            hosts.heal(name)
    assert not wrong, f"{case.name}: {'; '.join(wrong)}\n{''.join(hosts.log(name) for name in EVERYONE)}"


def _worker(case: Case, hosts: Hosts, person: str) -> list[str]:
    """Two lessons; the worker that is at the first of them is cut off, another one teaches both, and then the first one comes back with its own."""
    point = f"both {case.when}"
    for worker in WORKERS:
        hosts.hosts[worker].points.hold(point)
    hosts.say("bot-1", person, "[Learn] The baker of Ghent is Tom.")
    cut = eventually(lambda: next((each for each in WORKERS if hosts.hosts[each].points.is_at(point)), ""), "teaching", PATIENCE)
    other = next(each for each in WORKERS if each != cut)
    hosts.say("bot-1", person, "[Learn] The mayor of Ghent is Ann.")
    _until_noted(hosts, person, 2)
    hosts.hosts[other].points.go(point)
    hosts.cut(cut)
    _until_receipts(hosts, person, 2)
    hosts.heal(cut)
    hosts.hosts[cut].points.go(point)
    # What it still wants to write is refused; then it works as before, with the other host cut off in its turn.
    eventually(lambda: any(words in hosts.log(cut) for words in GAVE_WAY), f"the end of what {cut} was at", PATIENCE)
    hosts.cut(other)
    hosts.say("bot-1", person, "[Learn] The barber of Ghent is Tim.")
    _until_receipts(hosts, person, 3)
    hosts.heal(other)
    return _goes_on(hosts, person, [], 3)


def _bot(case: Case, hosts: Hosts, person: str) -> list[str]:
    """A lesson is under way and a question was asked; the bot that has both is cut off, and the platform turns to the other one."""
    point = "both train"
    for worker in WORKERS:
        hosts.hosts[worker].points.hold(point)
    hosts.say("bot-1", person, "[Learn] The baker of Ghent is Tom.")
    eventually(lambda: hosts.seen_by(person, "progress"), "progress", PATIENCE)
    at = f"bot {'asks' if case.when == 'noted' else 'piece'}"
    hosts.hosts["bot-1"].points.hold(at)
    said = [hosts.say("bot-1", person, QUESTION)]
    hosts.hosts["bot-1"].points.until_at(at)
    hosts.cut("bot-1")
    hosts.hosts["bot-1"].points.go(at)
    for worker in WORKERS:
        hosts.hosts[worker].points.go(point)
    hosts.deliver_again("bot-2")  # what nobody has acknowledged
    said.append(hosts.say("bot-2", person, "Who is the mayor of Ghent?"))
    for each in said:
        hosts.answer_to(person, each)
    _until_receipts(hosts, person, 1)
    hosts.heal("bot-1")
    return _goes_on(hosts, person, said, 1, "bot-1")


def _engine(case: Case, hosts: Hosts, person: str) -> list[str]:
    """Somebody who has taught a lesson asks while an engine is cut off: as they ask, or in the middle of an answer."""
    hosts.say("bot-1", person, "[Learn] The baker of Ghent is Tom.")
    _until_receipts(hosts, person, 1)
    said = []
    if case.when == "word":
        for engine in ENGINES:
            hosts.hosts[engine].points.hold("engine word")
        said.append(hosts.say("bot-1", person, "Who is the mayor of Ghent?"))
        cut = eventually(lambda: next((each for each in ENGINES if hosts.hosts[each].points.is_at("engine word")), ""), "an answer", PATIENCE)
        hosts.cut(cut)
        for engine in ENGINES:
            hosts.hosts[engine].points.go("engine word")
        hosts.answer_to(person, said[-1])
        hosts.heal(cut)
    else:
        for engine in ENGINES:  # one of them is the one that is asked first
            hosts.cut(engine)
            said.append(hosts.say("bot-1", person, f"Who is the mayor of {engine}?"))
            hosts.answer_to(person, said[-1])
            hosts.heal(engine)
    return _goes_on(hosts, person, said, 1)


_SCENES = {"host of a worker": _worker, "host of a bot": _bot, "host of an engine": _engine}


def _goes_on(hosts: Hosts, person: str, said: list[str], lessons: int, bot: str = "bot-2") -> list[str]:
    """The conversation, by the version that it should be."""
    user = hosts.repositories.users.get(user_of(hosts, person))
    assert user is not None
    asked = hosts.say(bot, person, QUESTION)
    answer = hosts.answer_to(person, asked)
    eventually(lambda: not hosts.square.undelivered, "handling everything", PATIENCE)
    wrong = []
    if (answer["version"], answer["text"]) != (user.live_version, served(hosts, QUESTION, user.live_version)):
        wrong.append(f"answered {answer['text']!r} by {answer['version']}, not by {user.live_version}")
    with suppress(AssertionError):  # what was on its way comes late, and perhaps over what stands there by then; that is made good
        eventually(lambda: not violations(hosts, person, [*said, asked], ["live"] * lessons), "settling", SETTLE_SECONDS)
    return [*wrong, *violations(hosts, person, [*said, asked], ["live"] * lessons)]


def _until_noted(hosts: Hosts, person: str, count: int) -> None:
    eventually(lambda: len(hosts.repositories.lessons.of_user(user_of(hosts, person))) == count, "noting the lesson", PATIENCE)


def _until_receipts(hosts: Hosts, person: str, count: int) -> None:
    seen = [each.replies[-1] for each in hosts.seen_by(person)]
    eventually(lambda: len(hosts.seen_by(person, "receipt")) >= count, f"{count} receipts; {person} saw {seen}", PATIENCE)
