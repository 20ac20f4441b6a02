"""New versions that go live while people are being answered: how soon each is used, and whether anybody notices."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from statistics import quantiles

import httpx

from storage.records import AdapterRecord
from trainer import loading
from trainer.bench.installation import Installation, question
from trainer.bench.report import Row, say
from trainer.bench.world import linear_shapes, save_random_adapter
from trainer.model import load_base
from trainer.publish import publish
from trainer.settings import Settings

ASKING = 4  # people who ask without a pause
CALM_S = 5.0  # without a new version, and as long with some
SWAPS = 20
SLOWEST = 20  # one of so many answers is slower than what is told


class Swaps:
    """People of an installation with models of random numbers, and new versions of them."""

    def __init__(self, there: Installation, settings: Settings) -> None:
        self._there = there
        self._shapes = linear_shapes(load_base(settings.base_model, pocket_path=loading.POCKET).model)
        self._users = [there.repositories.users.identify("bench", f"swaps {number}", "bench").id for number in range(ASKING)]
        self._live: dict[int, AdapterRecord] = {}
        self._made = 0
        for user in self._users:
            self._publish(user)

    def publish_and_use(self) -> float:
        """Seconds from the first file of a new version to the first piece of an answer by it."""
        user = self._users[self._made % ASKING]
        began = time.perf_counter()
        self._publish(user)
        self._there.first_piece(self._live[user].name)
        return time.perf_counter() - began

    def measure(self) -> Row:
        """Milliseconds of answers without new versions and while some go live, and how many failed."""
        times: list[tuple[float, float]] = []
        failed: list[str] = []
        stop = threading.Event()

        def ask(user: int) -> None:
            with httpx.Client(timeout=60) as client:
                while not stop.is_set():
                    body = question(self._live[user].name, 16)
                    began = time.perf_counter()
                    try:
                        client.post(f"{self._there.engine}/v1/chat/completions", json=body).raise_for_status()
                    except httpx.HTTPError as error:
                        failed.append(str(error))
                    times.append((began, time.perf_counter()))

        uses: list[float] = []
        with ThreadPoolExecutor(ASKING) as pool:
            try:
                for user in self._users:
                    pool.submit(ask, user)
                say("answers without new versions")
                time.sleep(CALM_S)
                change = time.perf_counter()
                for number in range(SWAPS):
                    say(f"new versions: {number + 1} of {SWAPS}")
                    began = time.perf_counter()
                    with suppress(httpx.HTTPError):  # counted among the answers
                        uses.append(self.publish_and_use())
                    time.sleep(max(0.0, CALM_S / SWAPS - (time.perf_counter() - began)))
            finally:
                stop.set()
        calm = [1000 * (end - began) for began, end in times if end < change]
        busy = [1000 * (end - began) for began, end in times if end >= change]
        told = {"answers": calm, "answers_with_swaps": busy, "publish_and_first_use": [1000 * each for each in uses]}
        row: Row = {"asking": ASKING, "swaps": SWAPS, "answers": len(times), "failed": len(failed) + SWAPS - len(uses)}
        for name, each in told.items():
            cuts = quantiles(each, n=SLOWEST)
            row |= {f"{name}_ms": round(cuts[SLOWEST // 2 - 1], 1), f"{name}_p95_ms": round(cuts[-1], 1)}
        return row

    def _publish(self, user: int) -> None:
        self._made += 1
        self._live[user] = publish(
            self._there.repositories,
            self._there.artifacts,
            lambda folder: save_random_adapter(folder, self._shapes, self._made),
            user_id=user,
            cause="lesson",
            lesson_ids=(),
            parent=self._live.get(user),
            base_model=self._there.base_model,
            metrics={},
        )
