"""The embedded Redis: a real server that keeps its jobs, whatever happens to it or to whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.embedded_redis import EmbeddedRedis, RedisFailed, answers
from bot.queue import JobQueue
from tests.services import ROOT, eventually, processes_of
from trainer.contracts import LESSON_QUEUE, lesson_job_id
from trainer.lease import connect


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path / "redis", tmp_path / "redis.log")
    server.start()
    yield server
    server.stop()


def test_a_queued_job_survives_kill_9(server: EmbeddedRedis) -> None:
    JobQueue(connect(server.url)).enqueue_lesson(7)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: not server.is_running)

    server.restart()

    assert JobQueue(connect(server.url)).waiting(LESSON_QUEUE) == {lesson_job_id(7)}


def test_a_queued_job_survives_an_orderly_stop_and_start(tmp_path: Path) -> None:
    first = EmbeddedRedis(tmp_path / "redis", tmp_path / "redis.log")
    first.start()
    JobQueue(connect(first.url)).enqueue_lesson(7)
    first.stop()
    assert not first.is_running and not answers(first.url)

    second = EmbeddedRedis(tmp_path / "redis", tmp_path / "redis.log")
    second.start()
    try:
        assert JobQueue(connect(second.url)).waiting(LESSON_QUEUE) == {lesson_job_id(7)}
    finally:
        second.stop()


def test_it_listens_on_a_socket_that_only_this_user_can_use(server: EmbeddedRedis) -> None:
    assert server.url == f"unix://{server.folder / 'redis.sock'}"
    assert (server.folder / "redis.sock").stat().st_mode & 0o777 == 0o700


def test_where_the_path_is_too_long_for_a_socket_it_listens_on_loopback_with_a_password(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / ("long" * 25) / "re dis", tmp_path / "redis.log")
    server.start()
    try:
        assert server.url.startswith("redis://:") and "@127.0.0.1:" in server.url
        assert answers(server.url)
        assert not answers("redis://" + server.url.rpartition("@")[2])
        assert (server.folder / "redis.conf").stat().st_mode & 0o077 == 0
    finally:
        server.stop()


def test_a_server_that_a_killed_predecessor_left_behind_is_replaced(server: EmbeddedRedis) -> None:
    JobQueue(connect(server.url)).enqueue_lesson(7)

    successor = EmbeddedRedis(server.folder, server.folder.parent / "redis.log")
    successor.start()
    try:
        assert not server.is_running
        assert JobQueue(connect(successor.url)).waiting(LESSON_QUEUE) == {lesson_job_id(7)}
    finally:
        successor.stop()


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import signal, sys; from pathlib import Path; from bot.embedded_redis import EmbeddedRedis; root = Path(sys.argv[1]);"
        "EmbeddedRedis(root / 'redis', root / 'redis.log').start(); print('up', flush=True); signal.pause()"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None and parent.stdout.readline() == "up\n"
    assert any("redis-server" in command for command in processes_of(tmp_path))

    parent.kill()
    parent.wait()
    parent.stdout.close()

    eventually(lambda: not processes_of(tmp_path), "the end of the server")


def test_damaged_files_are_reported_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n" + b"nonsense\r\n" * 50)

    with pytest.raises(RedisFailed, match="move that folder away"):
        EmbeddedRedis(tmp_path / "redis", tmp_path / "redis.log").start()

    assert not processes_of(tmp_path)
