"""`tutee doctor` about the parts of an installation on many hosts."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from threading import Event

from rich.console import Console

from bot.doctor import examine
from storage.stores import ArtifactSettings
from tests.bot_fixtures import FakeEngine
from tests.buckets import S3
from tests.services import Installation
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE
from trainer.settings import EngineSettings, Settings
from trainer.worker import WarmWorker


def report(settings: Settings) -> dict[str, list[str]]:
    console = Console(record=True, width=400, file=io.StringIO())
    examine(settings, console)
    text = console.export_text().replace("│", " ")
    rows = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    found: dict[str, list[str]] = {}
    for first, *rest in rows:
        found.setdefault(first, []).extend(rest)
    return found


def test_the_bucket_is_looked_into(tmp_path: Path, s3: S3) -> None:
    there = Settings(data=tmp_path, artifacts=ArtifactSettings(f"s3://{s3.bucket()}/x", s3.endpoint))
    away = replace(there, artifacts=ArtifactSettings("s3://bucket/x", "http://127.0.0.1:1"))
    wrong = replace(there, artifacts=ArtifactSettings("s3://key:secret@bucket/x"))

    assert report(there)["adapters"][0].startswith("ok") and "0 in s3://" in report(there)["adapters"][0]
    assert report(away)["adapters"][0].startswith("broken") and "AWS_ACCESS_KEY_ID" in report(away)["adapters"][0]
    assert report(wrong)["adapters"][0].startswith("broken") and "secret" not in report(wrong)["adapters"][0]


def test_each_engine_of_a_list_is_asked(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.start()
    try:
        settings = Settings(data=tmp_path, engine=EngineSettings(url=f"http://127.0.0.1:1, http://127.0.0.1:{engine.port}/v1"))
        lines = report(settings)["engine"]
    finally:
        engine.stop()
    assert len(lines) == 2 and lines[0].startswith("broken") and "127.0.0.1:1 does not answer" in lines[0] and str(engine.port) in lines[1]


def test_what_the_workers_compute_with_is_told(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    workers = [WarmWorker([queue], Event(), here.redis, computing=what) for queue, what in ((LESSON_QUEUE, "bfloat16, 4 threads"), (CHAT_QUEUE, ""))]
    try:
        for worker in workers:
            worker.register_birth()
        lessons, chat = report(Settings(data=tmp_path, redis_url=here.redis_server.url))["queue"]
    finally:
        for worker in workers:
            worker.register_death()  # type: ignore[no-untyped-call]  # RQ leaves it untyped
        here.close()
    assert " ".join(lessons.split()) == "lessons ok 1 worker(s), 0 job(s) waiting; computing in bfloat16, 4 threads"
    assert "1 worker(s)" in chat and "computing" not in chat
