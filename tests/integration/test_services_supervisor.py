"""`tutee up` and `tutee chat` as real processes: who starts what, who joins whom, and that nothing stays behind."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.data_folder import DataFolder
from bot.embedded_redis import answers
from tests.services import ROOT, eventually, pid_of, pids_of, processes_of, tutee
from tests.tiny_models import save_tiny_model
from trainer.configuration import load
from trainer.lease import connect
from trainer.settings import Settings

Start = Callable[..., "subprocess.Popen[str]"]


class ReadyEngine(BaseHTTPRequestHandler):
    """Answers every question with the same word, as the real engine would stream it."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        words = [{"delta": {"role": "assistant", "content": "Hello."}, "index": 0, "finish_reason": None}]
        end = [{"delta": {}, "index": 0, "finish_reason": "stop"}]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for choices in (words, end):
            self.wfile.write(f"data: {json.dumps({**chunk, 'choices': choices})}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the name in the standard library)
        """Not into the test's output."""


@pytest.fixture
def engine_url() -> Iterator[str]:
    """A stand-in for the engine, so that most of these tests load one model less."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), ReadyEngine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("services") / "base")


@pytest.fixture
def start(tmp_path: Path, engine_url: str, model: Path) -> Iterator[Start]:
    """Start a command with its terminal open; killed at the end of the test, if it still runs."""
    started: list[subprocess.Popen[str]] = []
    terminals: list[int] = []

    def start(*arguments: str, engine: str | None = engine_url) -> subprocess.Popen[str]:
        ours, theirs = pty.openpty()
        terminals.extend((ours, theirs))
        command = [sys.executable, "-m", "bot.cli", *arguments, "--data", str(tmp_path), "--base-model", str(model)]
        environment = {**os.environ, **({"TUTEE_ENGINE_URL": engine} if engine else {})}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    for terminal in terminals:
        os.close(terminal)
    eventually(lambda: not processes_of(tmp_path), "the end of all processes")


def running(data: Path) -> Settings | None:
    return DataFolder(data).running(load(None, {}, data=str(data)))


def up(data: Path) -> Settings:
    """Wait until the services on that folder say where they are."""
    return eventually(lambda: running(data), "the start of the services")  # type: ignore[return-value]  # true, so not None


def commands(data: Path, word: str) -> list[str]:
    return [command for command in processes_of(data) if word in command]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_running_after_it_was_stopped(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    process = start("up")
    settings = up(tmp_path)
    assert settings.redis_url is not None and answers(settings.redis_url)
    eventually(lambda: commands(tmp_path, "worker --queue lessons") and commands(tmp_path, "worker --queue chat"))

    process.send_signal(number)
    _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (0, "")
    assert processes_of(tmp_path) == []
    assert running(tmp_path) is None


def test_nothing_is_left_running_after_it_was_killed(start: Start, tmp_path: Path) -> None:
    process = start("up")
    up(tmp_path)

    process.kill()
    process.wait()

    eventually(lambda: processes_of(tmp_path) == [], "the end of all its children")
    second = start("up")  # and what it left on the disk is in nobody's way
    settings = up(tmp_path)
    assert settings.redis_url is not None and answers(settings.redis_url)
    assert second.poll() is None


def test_a_second_up_on_the_same_folder_says_so(start: Start, tmp_path: Path, model: Path) -> None:
    start("up")
    up(tmp_path)

    second = tutee("up", "--data", str(tmp_path), "--base-model", str(model))

    assert second.returncode == 1 and second.stdout == ""
    assert "is running on the data folder" in second.stderr and len(second.stderr.splitlines()) == 1


def test_a_chat_joins_the_services_that_run(start: Start, tmp_path: Path, model: Path) -> None:
    start("up")
    up(tmp_path)

    chat = tutee("chat", "--json", "--data", str(tmp_path), "--base-model", str(model), lines="Hi!\n")

    assert chat.returncode == 0, chat.stderr
    assert json.loads(chat.stdout.splitlines()[0])["text"] == "Hello."
    assert len(commands(tmp_path, "redis-server")) == 1
    assert len(commands(tmp_path, "worker --queue chat")) == 1


def test_doctor_sees_what_runs(start: Start, tmp_path: Path, model: Path) -> None:
    start("up")
    redis = connect(up(tmp_path).redis_url or "")
    eventually(lambda: redis.scard("rq:workers") == 2, "the workers' saying that they are there")
    redis.close()

    done = tutee("doctor", "--data", str(tmp_path), "--base-model", str(model))

    assert done.returncode == 0, done.stdout
    assert all(word in done.stdout for word in ("redis.sock", "up to date", "1 worker(s), 0 job(s) waiting"))


def test_a_chat_that_joined_takes_over_when_the_others_end(start: Start, tmp_path: Path) -> None:
    first = start("chat")
    settings = up(tmp_path)
    second = start("chat", "--user", "bob")
    eventually(lambda: (tmp_path / "logs" / "tutee.log").exists())

    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)

    taken_over = up(tmp_path)
    assert taken_over.redis_url == settings.redis_url
    assert answers(str(taken_over.redis_url)) and second.poll() is None


def test_what_dies_is_started_again(start: Start, tmp_path: Path) -> None:
    process = start("up")
    settings = up(tmp_path)
    eventually(lambda: commands(tmp_path, "worker --queue chat"))
    worker, redis = pid_of(tmp_path, "worker --queue chat"), pid_of(tmp_path, "redis-server")

    os.kill(worker, signal.SIGKILL)
    os.kill(redis, signal.SIGKILL)

    eventually(lambda: {*pids_of(tmp_path, "worker --queue chat")} - {worker}, "another worker")
    eventually(lambda: answers(str(settings.redis_url)))
    assert pid_of(tmp_path, "redis-server") != redis
    assert process.poll() is None


def test_a_redis_that_does_not_start_is_tried_until_it_does(start: Start, tmp_path: Path) -> None:
    process = start("up")
    settings = up(tmp_path)
    (configuration,) = tmp_path.rglob("redis.conf")
    good = configuration.read_text()

    configuration.write_text("no such directive\n")  # as little as on a full disk will it start
    os.kill(pid_of(tmp_path, "redis-server"), signal.SIGKILL)
    eventually(lambda: "redis does not start" in "".join(log.read_text() for log in tmp_path.rglob("*.log")), "the first try")
    assert process.poll() is None

    configuration.write_text(good)
    eventually(lambda: answers(str(settings.redis_url)))
    assert process.poll() is None


def test_up_ends_with_its_input_where_no_platform_is_connected(tmp_path: Path, model: Path, engine_url: str) -> None:
    ended = tutee(
        "up",
        "--data",
        str(tmp_path),
        "--base-model",
        str(model),
        lines="Hi!\n",
        environment={"TUTEE_ENGINE_URL": engine_url},
    )
    assert ended.returncode == 0, ended.stderr
    assert "Hello." in ended.stdout
    assert processes_of(tmp_path) == []


def test_a_piped_chat_with_the_real_engine_answers_all_lines_in_order(tmp_path: Path, model: Path) -> None:
    chat = tutee("chat", "--json", "--data", str(tmp_path), "--base-model", str(model), lines="one\ntwo\nthree\n")

    assert chat.returncode == 0, chat.stderr
    answers_given = [event for event in map(json.loads, chat.stdout.splitlines()) if event["type"] == "answer"]
    assert len(answers_given) == 3
    assert processes_of(tmp_path) == []


def test_a_model_that_turns_out_to_be_broken_ends_everything_with_its_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "no such kind"}')
    for name in ("model.safetensors", "tokenizer.json"):
        (broken / name).write_text("{}")

    chat = tutee("chat", "--json", "--data", str(tmp_path / "data"), "--base-model", str(broken), lines="Hi!\n")

    assert chat.returncode == 1
    assert "does not hold a model that can be used" in chat.stderr and len(chat.stderr.splitlines()) == 1
    assert processes_of(tmp_path) == []
