"""A crowd that writes at a steady pace, with a rush in the middle, to an installation of real processes."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from tests.services import eventually
from tests.town.town import ROLES, Town

SAMPLE_SECONDS = 0.5
SETTLE_SECONDS = 600.0
ROWS, MOST_WAITING = 16, 16  # answered at once, and in the engine's own line: so few that a rush has to wait on the queue


@dataclass
class Crowd:
    """`users` people, `rate` messages a second for `seconds`, and once `rush` messages at the same moment."""

    users: int
    rate: float
    seconds: float
    rush: int = 0
    seed: int = 1


@dataclass
class Measured:
    """What became of it. `memory`: megabytes of each process, sampled over the run; `waiting`: jobs on the queue, sampled as well."""

    crowd: Crowd
    sent: int = 0
    answered: int = 0
    answered_twice: int = 0
    waited: int = 0
    took: float = 0.0
    delays: list[float] = field(default_factory=list)
    memory: dict[str, list[float]] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.answered / self.took

    def delay(self, share: float) -> float:
        """Seconds within which that share of the answers came."""
        return sorted(self.delays)[min(len(self.delays) - 1, int(share * len(self.delays)))]

    def quarters(self, process: str) -> list[float]:
        """Megabytes of a process, the median of each quarter of the run: the first one fills caches, the rush comes after the second."""
        samples = self.memory[process]
        return [statistics.median(samples[len(samples) * each // 4 : len(samples) * (each + 1) // 4]) for each in range(4)]


def measure(crowd: Crowd, database: Literal["sqlite", "postgresql"] = "postgresql") -> Measured:
    """Live through it; everything that was sent has been answered at the end, or this raises AssertionError."""
    rng, done = Random(crowd.seed), Measured(crowd, memory={role: [] for role in ROLES})
    with Town(database, engine={"max_batch": ROWS, "max_waiting": MOST_WAITING}) as town:
        town.square.keeps_history = False
        began = next_sample = time.monotonic()
        rushed = 0
        rush_at = began + crowd.seconds / 2 if crowd.rush else float("inf")
        while (now := time.monotonic()) < began + crowd.seconds:
            if now >= rush_at:
                rush_at = float("inf")
                _rush(town, [_line(rng, done) for _ in range(crowd.rush)])
                rushed = crowd.rush
            while done.sent - rushed < crowd.rate * (now - began):
                town.say(*_line(rng, done))
            if now >= next_sample:
                next_sample += SAMPLE_SECONDS
                _sample(town, done)
            time.sleep(min(0.05, 1 / crowd.rate))  # the pace of the crowd
        eventually(lambda: _answers(town) >= done.sent, f"{done.sent} answers", SETTLE_SECONDS)
        done.took = time.monotonic() - began
        _count(town, done)
    return done


def _rush(town: Town, lines: list[tuple[str, str]]) -> None:
    """All at the same moment, while the engine stands still: however fast the machine is, somebody has to wait."""
    proxy, before = town.proxies["engine"], town.proxies["engine"].connections  # what is there is used again first
    town.freeze("engine")
    town.say_all(lines)
    too_many = before + ROWS + MOST_WAITING + 1
    eventually(lambda: proxy.connections >= too_many or _told_to_wait(town), "more than the engine can take, or who gave it up", 60)
    town.thaw("engine")


def _told_to_wait(town: Town) -> int:
    return sum(each.kind == "notice" for each in list(town.square.shown.values()))


def _line(rng: Random, done: Measured) -> tuple[str, str]:
    """Who writes what next."""
    done.sent += 1
    return f"user-{rng.randrange(done.crowd.users)}", f"What is number {rng.randrange(100)}?"


def _sample(town: Town, done: Measured) -> None:
    for role in ROLES:
        pages = int(Path(f"/proc/{town.pids[role]}/statm").read_text().split()[1])
        done.memory[role].append(pages * 4096 / 1e6)
    done.waiting.append(town.redis.llen("rq:queue:chat") + town.redis.zcard("rq:scheduled:chat"))


def _answers(town: Town) -> int:
    return sum(each.kind == "answer" for each in list(town.square.shown.values()))


def _count(town: Town, done: Measured) -> None:
    answers = [each for each in town.square.shown.values() if each.kind == "answer"]
    done.answered = len({each.reply_to for each in answers})
    done.answered_twice = len(answers) - done.answered
    done.waited = _told_to_wait(town)
    done.delays = [each.at - town.square.asked_at[each.reply_to] for each in answers if each.reply_to]


def written(done: Measured) -> str:
    """The result, as lines for docs/reliability.md."""
    crowd = done.crowd
    memory = "; ".join(f"{process} {', '.join(f'{each:.0f}' for each in done.quarters(process))}" for process in ROLES)
    return (
        f"{crowd.users} people, {crowd.rate:g} messages a second for {crowd.seconds:.0f} s and {crowd.rush} more at one moment: all {done.sent} were "
        f"answered once, {done.per_second:.1f} a second; half of them within {done.delay(0.5):.2f} s, 95 % within {done.delay(0.95):.2f} s. "
        f"{done.waited} were told to wait and answered from the queue, which was at most {max(done.waiting)} long.\n\n"
        f"Memory in MB, median of each quarter of the run (the rush comes after the second): {memory}.\n"
    )
