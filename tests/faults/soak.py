"""A long time of people who teach and ask while everything is harmed at random; at the end, every person's account must be right."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from tests.faults.checks import violations
from tests.services import eventually
from tests.town.town import ROLES, Role, Town

PEOPLE = 8
BREATH_SECONDS = 1.0  # between two events of the soak, on average
HARM_SHARE = 0.3  # of all events
SETTLE_SECONDS = 600.0
_TO = ("redis", "engine", "judge")


@dataclass
class Soak:
    """What happened. `wrong`: what did not hold, in sentences."""

    seconds: float
    seed: int
    messages: int = 0
    lessons: int = 0
    harms: Counter[str] = field(default_factory=Counter)
    settled_in: float = 0.0
    restarts: Counter[str] = field(default_factory=Counter)
    grown_mb: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def soak(seconds: float, seed: int, database: Literal["sqlite", "postgresql"] = "postgresql") -> Soak:
    """Run it; the same seed makes the same events in the same order, though processes answer in their own time."""
    rng, done = Random(seed), Soak(seconds, seed)
    with Town(database) as town:
        people = [f"soak-{number}" for number in range(PEOPLE)]
        said: dict[str, list[str]] = {each: [] for each in people}
        taught: Counter[str] = Counter()
        pending: list[tuple[float, Callable[[], None]]] = []  # what ends a harm, and when
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            _end_harms(town, done, pending, now)
            if rng.random() < HARM_SHARE:
                what, undo = _harm(town, rng)
                done.harms[what] += 1
                pending.append((now + rng.uniform(0.5, 6), undo))
            else:
                _talk(town, rng, rng.choice(people), said, taught, done)
            time.sleep(rng.expovariate(1 / BREATH_SECONDS))  # it is a time that passes, not a condition that is waited for
        _settle(town, done, people, said, taught)
    return done


def _talk(town: Town, rng: Random, person: str, said: dict[str, list[str]], taught: Counter[str], done: Soak) -> None:
    if rng.random() < 0.3 and taught[person] < 12:
        taught[person] += 1
        done.lessons += 1
        town.say(person, f"[Learn] The {rng.choice(TRADES)} of {rng.choice(TOWNS)} is {rng.choice(NAMES)}{taught[person]}.")
    else:
        done.messages += 1
        said[person].append(town.say(person, f"Who is the {rng.choice(TRADES)} of {rng.choice(TOWNS)}?"))


def _harm(town: Town, rng: Random) -> tuple[str, Callable[[], None]]:
    """Something bad; what it is, and what ends it."""
    role: Role = rng.choice(ROLES)
    to = rng.choice((*_TO, *(("database",) if town.kind == "postgresql" else ())))
    kind = rng.choice(("kill", "kill", "freeze", "redis", "database", "cut", "slow", "silent", "refused", "disk", "garbage"))
    if kind == "database" and town.kind == "sqlite":
        kind = "kill"
    match kind:
        case "kill":
            if town.is_running(role):
                town.kill(role)
            return f"{role} killed", lambda: None
        case "freeze":
            if town.is_running(role):
                pid = town.pids[role]
                os.kill(pid, signal.SIGSTOP)
                return f"{role} frozen", lambda: town.thaw(role) if town.pids.get(role) == pid else None
            return f"{role} killed", lambda: None
        case "redis":
            town.restart_redis()
            return "Redis killed and restarted", lambda: None
        case "database":
            town.stop_database()
            town.start_database()
            return "PostgreSQL killed and restarted", lambda: None
        case "disk" if town.disk_is_real:
            town.fill_disk(leaving=rng.choice((0, 40_000)))
            return "disk full", town.empty_disk
        case "garbage":
            town.way("judge", "garbage")
            return "moderator talks nonsense", lambda: town.way("judge", "open")
        case "disk":
            return "nothing (no disk to fill)", lambda: None
        case way:
            town.way(to, way)
            return f"connection to {to} {way}", lambda: _open(town, to)


def _open(town: Town, to: str) -> None:
    town.way(to, "open")
    town.way(to, "cut")  # what was silent for a while is not waited for


def _end_harms(town: Town, done: Soak, pending: list[tuple[float, Callable[[], None]]], now: float) -> None:
    for due in [each for each in pending if each[0] <= now]:
        pending.remove(due)
        due[1]()
    for role in ROLES:  # as the supervisor does
        if not town.is_running(role):
            done.restarts[role] += 1
            town.start(role)


def _settle(town: Town, done: Soak, people: list[str], said: dict[str, list[str]], taught: Counter[str]) -> None:
    """The harm is over: everything that was asked for has to come to its end."""
    began = time.monotonic()
    town.mend()
    told_off = {person: _refused(town, person) for person in people}
    eventually(lambda: not town.square.undelivered, "handling everything", SETTLE_SECONDS)
    eventually(lambda: not town.repositories.lessons.unfinished(), "the end of all lessons", SETTLE_SECONDS)
    eventually(lambda: not town.repositories.exchanges.pending(), "the answers to all messages", SETTLE_SECONDS)
    for person in people:
        told_off[person] = _refused(town, person)
        heard = [each for each in said[person] if each not in told_off[person]]
        if not said[person] and not taught[person]:
            continue
        expected = [each.state for each in town.repositories.lessons.of_user(_user(town, person))]
        eventually(lambda person=person, heard=heard: _all_shown(town, person, heard), f"showing all to {person}", 60)  # type: ignore[misc]  # defaults bind
        lost = taught[person] - len(expected) - sum(1 for each in told_off[person] if each not in said[person])
        done.wrong += [f"{person} taught {taught[person]} lessons and {lost} are lost"] if lost > 0 else []
        done.wrong += [f"{person}: {each}" for each in violations(town, person, heard, ["live"] * len(expected))]
    done.settled_in = time.monotonic() - began


def _user(town: Town, person: str) -> int:
    user = town.repositories.users.find("town", person)
    return user.id if user is not None else 0


def _refused(town: Town, person: str) -> set[str]:
    """Messages that the person was told to send again, because the database was away or the disk full."""
    return {each.reply_to or "" for each in town.seen_by(person, "error")}


def _all_shown(town: Town, person: str, said: list[str]) -> bool:
    shown = {each.reply_to for each in town.seen_by(person, "answer")}
    lessons = town.repositories.lessons.of_user(_user(town, person))
    return shown >= set(said) and len(town.seen_by(person, "receipt")) >= len(lessons)


TRADES = ("baker", "mayor", "smith", "tailor", "miller")
TOWNS = ("Ghent", "Bruges", "Lille", "Namur")
NAMES = ("Tom", "Ann", "Eva", "Max", "Ida")


def written(done: Soak, folder: Path | None = None) -> str:
    """The result, as lines for docs/reliability.md."""
    harms = ", ".join(f"{what} {times}×" for what, times in sorted(done.harms.items()))
    restarts = sum(done.restarts.values())
    verdict = "everything held" if not done.wrong else "; ".join(done.wrong)
    return (
        f"{done.seconds:.0f} s, seed {done.seed}: {PEOPLE} people sent {done.messages} messages and taught {done.lessons} lessons through "
        f"{sum(done.harms.values())} harms and {restarts} restarts; everything "
        f"had settled {done.settled_in:.0f} s after the last of them: **{verdict}**.\n\n"
        f"Harms: {harms}.\n"
    )
