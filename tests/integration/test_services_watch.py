"""What bots and workers tell those who watch over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot import health
from tests.bot_fixtures import Install
from trainer.configuration import load
from trainer.contracts import CHAT_QUEUE
from trainer.settings import EngineSettings, MetricsSettings, SettingsError


class Watched:
    def __init__(self, here: Install, key: str | None = None) -> None:
        self.measured = health.Measured()
        self.measured.registry.register(health.Installation(here.queue, here.stored))
        settings = replace(here.app.settings, engine=EngineSettings(url=f"http://127.0.0.1:1, http://127.0.0.1:{here.engine.port}"))
        ready = health.checks(settings, here.queue, here.stored, engine=True)
        self.watch = health.Watch(MetricsSettings(port=0, key=key), self.measured.registry, ready)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.watch.port}{path}", headers=headers, timeout=30)

    def figures(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        families = text_string_to_metric_families(self.get("/metrics").text)
        return {(each.name, tuple(sorted(each.labels.items()))): each.value for family in families for each in family.samples}


@pytest.fixture
def watched(install: Install) -> Iterator[Watched]:
    found = Watched(install)
    yield found
    found.watch.close()


def test_what_the_installation_and_this_process_do_can_be_read(install: Install, watched: Watched) -> None:
    install.app.engine.observe = watched.measured.answer
    install.engine.mode = "busy"
    install.talk_without_waiting("Hello?")
    install.engine.mode = "ok"
    install.talk_without_waiting("[Learn] My cat is called Miso.")

    seen = watched.figures()

    assert seen["tutee_users", ()] == 1 and seen["tutee_messages_pending", ()] == 1 and seen["tutee_lessons_unfinished", ()] == 1
    assert seen["tutee_jobs_waiting", (("queue", CHAT_QUEUE),)] == 1 and seen["tutee_workers", (("queue", CHAT_QUEUE),)] == 0
    assert seen["tutee_up", (("part", "database"),)] == seen["tutee_up", (("part", "redis"),)] == 1
    assert seen["tutee_answers_total", (("outcome", "unavailable"),)] >= 1
    assert seen["process_resident_memory_bytes", ()] > 0
    install.talk_without_waiting("/new", "And now?")
    assert watched.figures()["tutee_answer_first_seconds_count", ()] >= 1
    watched.measured.job(CHAT_QUEUE, True, 2.0)
    assert watched.figures()["tutee_job_seconds_sum", (("outcome", "done"), ("queue", CHAT_QUEUE))] == 2.0


def test_nothing_of_what_people_write_is_in_the_figures(install: Install, watched: Watched) -> None:
    install.talk_without_waiting("[Learn] My cat is called Miso.", "Hello?")
    text = watched.get("/metrics").text
    assert "Miso" not in text and "ada" not in text and "user-1" not in text


def test_ready_says_which_part_is_away(install: Install, watched: Watched) -> None:
    assert watched.get("/health").status_code == 200
    install.engine.stop()
    away = watched.get("/ready")
    assert (away.status_code, away.json()) == (503, {"status": "waiting", "away": {"engine": "no engine answers"}})
    assert watched.get("/health").status_code == 200, "it runs all the same: starting it again would mend nothing"


def test_figures_without_a_database_say_so(install: Install, watched: Watched, tmp_path: Path) -> None:
    install.database.engine.dispose()
    (install.folder / "tutee.db").write_bytes(b"no database at all, only some text" * 100)
    seen = watched.figures()
    assert seen["tutee_up", (("part", "redis"),)] == 1
    assert ("tutee_users", ()) in seen or seen["tutee_up", (("part", "database"),)] == 0


def test_a_key_is_asked_for_where_there_is_one(install: Install) -> None:
    keyed = Watched(install, key="s3cret")
    try:
        assert keyed.get("/metrics").status_code == keyed.get("/metrics", Authorization="Bearer other").status_code == 401
        assert keyed.get("/metrics", Authorization="Bearer s3cret").status_code == 200
        assert keyed.get("/health").status_code == 200 and keyed.get("/elsewhere").status_code == 404
    finally:
        keyed.watch.close()


def test_others_may_only_read_it_with_a_key(tmp_path: Path) -> None:
    config = tmp_path / "tutee.yaml"
    config.write_text("metrics: {host: 0.0.0.0, port: 9100}\n")
    with pytest.raises(SettingsError, match="TUTEE_METRICS_KEY"):
        load(config, {})
    assert load(config, {"TUTEE_METRICS_KEY": "k"}).metrics.key == "k"
    config.write_text("metrics: {key: k}\n")
    with pytest.raises(SettingsError, match="secret"):
        load(config, {})


def test_a_port_that_is_taken_is_said_in_words(install: Install, watched: Watched) -> None:
    with pytest.raises(health.PortTaken, match=r"metrics\.port"):
        health.Watch(MetricsSettings(port=watched.watch.port), watched.measured.registry, {})
