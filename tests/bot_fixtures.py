"""A whole installation for dialogues: SQLite with migrations, Redis, an engine on loopback and a trainer that follows a script."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import math
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from bot.app import App
from bot.embedded_redis import EmbeddedRedis
from bot.engine_client import EngineClient
from bot.messages import Attachment, Inbound, InboundMessage, Reply
from bot.platforms.base import Core
from bot.platforms.recording import RecordingPlatform
from bot.platforms.terminal import run_terminal
from bot.queue import JobQueue
from bot.serving import serve
from storage.artifacts import ArtifactStore
from storage.records import LessonMetrics, LessonOutcome, ReadSource, RebuildMetrics, SourceRecord
from storage.repositories import Repositories
from storage.session import Database
from tests.databases import migrated
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE, Event, Finished, Progress, Rebuilding, Rebuilt
from trainer.lease import connect
from trainer.settings import ChatSettings, LessonSettings, Settings

_numbers = itertools.count(1)


@dataclass
class FakeEngine:
    """An OpenAI-compatible server. It answers from `taught` (by version and question) and `answers` (by question), with `UNKNOWN` else.

    `doubts`: how probable it finds, by what it is given to read, that it does not know; None: it does not tell, but says so.

    `recitals`: what a version recites when it is begun to (the requests are in `begun`, others in `asked`), and how sure it is of each
    token; None: it does not tell.

    `gate`: closed, no request is answered, or (with `words_before_gate`) each only so far.

    `mode`: ok, busy (503), broken (500), full (429), cut (half an answer, then silence), too_long (400 with more than `fits` messages).
    """

    answers: dict[str, str] = field(default_factory=dict)
    taught: dict[str, dict[str, str]] = field(default_factory=dict)
    doubts: dict[str, float] | None = field(default_factory=dict)
    recitals: dict[str, tuple[str, float | None]] = field(default_factory=dict)
    words_before_gate: int = 0
    models: set[str] = field(default_factory=lambda: {"pocket"})
    mode: str = "ok"
    fits: int = 1
    unloaded: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    begun: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    asked_once: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen, on the port of before if there was one."""
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/v1/chat/completions":
                    engine.reply(self, body)
                elif self.path == "/v1/unload_lora_adapter":
                    engine.unloaded.append(body["lora_name"])
                    _send(self, 200, {"status": "ok"})

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
                pass

        self.gate.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _beginning(self, taught: str) -> dict[str, Any]:
        """The first token of a reply, whole, as OpenAI's servers give it."""
        doubt = next((doubt for said, doubt in (self.doubts or {}).items() if said in taught), 0.99)
        shares = {"I": doubt, "Bis": 1 - doubt}
        likeliest: list[dict[str, Any]] = [{"token": token, "logprob": math.log(share), "bytes": None} for token, share in shares.items()]
        content = [{**max(likeliest, key=lambda each: each["logprob"]), "top_logprobs": likeliest}]
        return _completion(content[0]["token"], None if self.doubts is None else content)

    def _recital(self, version: str) -> dict[str, Any]:
        """How a reply goes on that was begun."""
        text, sure = self.recitals.get(version, (" Well.", 0.2))
        words: list[dict[str, Any]] = [{"token": word, "logprob": math.log(sure or 1), "bytes": None, "top_logprobs": []} for word in text.split()]
        return _completion(text, None if sure is None else words)

    def reply(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        """One request."""
        (self.begun if body.get("continue_final_message") else self.asked).append(body)
        self.asked_once.set()
        if not self.words_before_gate:
            self.gate.wait(30)
        refusals = {"busy": (503, "busy"), "broken": (500, None), "full": (429, "full")}
        if self.mode in refusals:
            status, code = refusals[self.mode]
            return _send(handler, status, {"error": {"message": "no", "code": code}})
        if body["model"] not in self.models:
            return _send(handler, 404, {"error": {"message": "no such model", "code": "model_not_found"}})
        if self.mode == "too_long" and len(body["messages"]) > self.fits:
            return _send(handler, 400, {"error": {"message": "too long", "code": "context_length_exceeded"}})
        if body.get("continue_final_message"):
            return _send(handler, 200, self._recital(body["model"]))
        if body.get("logprobs"):
            return _send(handler, 200, self._beginning(body["messages"][0]["content"]))
        question = body["messages"][-1]["content"]
        answer = self.taught.get(body["model"], self.answers).get(question) or self.answers.get(question, "I don't know.")
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        words = answer.split(" ")
        for index, word in enumerate(words):
            if self.mode == "cut" and index == len(words) // 2:
                return None
            if self.words_before_gate and index >= self.words_before_gate:
                self.gate.wait(30)
            _chunk(handler, {"content": word if index == 0 else f" {word}"}, None)
        _chunk(handler, {}, "stop")
        handler.wfile.write(b"data: [DONE]\n\n")
        return None


def _completion(text: str, logprobs: list[dict[str, Any]] | None) -> dict[str, Any]:
    choice = {
        "index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop",
        "logprobs": None if logprobs is None else {"content": logprobs},
    }  # fmt: skip
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "pocket", "choices": [choice]}


def _send(handler: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def _chunk(handler: BaseHTTPRequestHandler, delta: dict[str, str], finish: str | None) -> None:
    chunk = {
        "id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }  # fmt: skip
    handler.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
    handler.wfile.flush()


class Leaving(RecordingPlatform):
    """Hands over its events and goes, without waiting for what they set off."""

    async def run(self, core: Core) -> None:
        for event in self.script:
            await core.handle(event)


@dataclass
class Install:
    """One installation under test."""

    app: App
    queue: JobQueue
    engine: FakeEngine
    redis_url: str
    folder: Path
    database: Database
    workers: list[threading.Thread] = field(default_factory=list)

    @property
    def redis(self) -> Redis:
        return self.queue.redis

    @property
    def stored(self) -> Repositories:
        return self.app.repositories

    def materials(self, user_id: int = 1) -> list[str]:
        """What each lesson is to be learned from: its words, or what its files and links are."""
        lessons = self.stored.lessons.of_user(user_id)
        return ["\n\n".join(map(self._given, each.sources)) if each.sources else each.text for each in lessons]

    def _given(self, source: SourceRecord) -> str:
        content = self.stored.sources.content(source.id)
        return (content or b"").decode() if source.address is None else source.address

    def configured(self, **changes: Any) -> None:
        """Change settings, as a configuration file would."""
        self.app = replace(self.app, settings=replace(self.app.settings, **changes))

    def talk(self, *events: Inbound | str) -> list[Reply]:
        """Play a dialogue on the recording platform; everything that was shown. Lessons and waiting answers are awaited."""
        platform = RecordingPlatform([said(each) if isinstance(each, str) else each for each in events])
        asyncio.run(serve(self.app, platform))
        return platform.replies

    def talk_without_waiting(self, *texts: str) -> list[Reply]:
        """Like `talk`, but each message comes at once, whatever the earlier ones set off."""
        platform = Leaving([said(each) for each in texts])
        asyncio.run(serve(self.app, platform))
        return platform.replies

    def pipe(self, text: str | bytes, *, user: str = "you", as_json: bool = True) -> list[Any]:
        """Pipe text into the terminal; its JSON objects, or its lines."""
        stdin = io.TextIOWrapper(io.BytesIO(text if isinstance(text, bytes) else text.encode()), encoding="utf-8")
        stdout = io.StringIO()
        assert run_terminal(self.app, user=user, as_json=as_json, stdin=stdin, stdout=stdout) == 0
        lines = stdout.getvalue().split("\n")[:-1]
        return [json.loads(line) for line in lines] if as_json else lines

    def pipe_without_waiting(self, text: str) -> None:
        """Teach at the terminal as `pipe` does, and leave before the lesson ends."""
        terminal = Leaving([replace(said(line, user="you", channel="you"), platform="terminal") for line in text.splitlines()])
        terminal.name = "terminal"
        asyncio.run(serve(self.app, terminal))

    def job_ids(self, queue: str = LESSON_QUEUE) -> list[str]:
        """What is on the queue."""
        return [_text(each) for each in self.redis.lrange(f"rq:queue:{queue}", 0, -1)]

    def work(self, queue: str, do: Callable[[int], None], remake: Callable[[int], None] | None = None) -> None:
        """A worker: in a thread of its own, `do` each job of the queue as soon as it is there; `remake` those of rebuilds."""

        def run() -> None:
            while True:
                popped = self.redis.blpop([STOP, f"rq:queue:{queue}"], timeout=1)  # for ever is longer than its socket waits
                if popped is None:
                    continue
                key, job_id = popped
                if _text(key) == STOP:
                    self.redis.rpush(STOP, 1)  # for the other workers
                    return
                kind, _, row_id = _text(job_id).rpartition("-")
                (remake if remake is not None and kind == "rebuild" else do)(int(row_id))

        thread = threading.Thread(target=run)
        thread.start()
        self.workers.append(thread)

    def train(
        self,
        state: LessonOutcome = "live",
        *,
        reason: str | None = None,
        tell: bool = True,
        learned: tuple[tuple[str, str], ...] = (("What is the cat called?", "Miso."),),
        reads: ReadSource | None = None,
    ) -> None:
        """A trainer that ends every lesson like this; `tell`: it publishes events. `reads`: what every source of a lesson turns out to be."""

        def publish(event: Event) -> None:
            if tell:
                self.queue.publish(event)

        def learn(lesson_id: int) -> None:
            lesson = self.stored.lessons.start(lesson_id)
            for source in lesson.sources if reads else ():
                self.stored.sources.save_reading(source, reads or ReadSource(None), ())
            publish(Progress(lesson_id, lesson.user_id, "write", 30, 12.0))
            publish(Progress(lesson_id, lesson.user_id, "train", 62, 5.0))
            version = self.publish_version(lesson.user_id, [lesson_id]) if state == "live" else None
            metrics = LessonMetrics(0.0, 1.0, None, 34, 2, 14.2, learned if state == "live" else ())
            cases = self.stored.feedback.cases(lesson_id)
            metrics = replace(metrics, changed=tuple((each.question, each.rejected, each.correction or "Better.") for each in cases))
            self.stored.lessons.finish(lesson_id, state, reason=reason, version=version, metrics=metrics)
            publish(Finished(lesson_id, lesson.user_id, refused=("hate",)))

        def remake(rebuild_id: int) -> None:
            rebuild = self.stored.rebuilds.start(rebuild_id)
            publish(Rebuilding(rebuild_id, rebuild.user_id, "train", 50, 3.0))
            taught = [each.lesson.id for each in self.stored.lessons.taught(rebuild.user_id) if each.lesson.id != rebuild.forgets]
            live = self.stored.adapters.live(rebuild.user_id)
            metrics = RebuildMetrics(1.0, 0.0, 1.0, len(taught), 34, 14.2)
            if live is None:
                self.stored.rebuilds.forget(rebuild_id, None, metrics)
            else:
                self.publish_version(rebuild.user_id, taught, rebuild_id=rebuild_id, rebuild_metrics=metrics)
            publish(Rebuilt(rebuild_id, rebuild.user_id))

        self.work(LESSON_QUEUE, learn, remake)

    def publish_version(self, user_id: int, lesson_ids: list[int], metrics: Mapping[str, float] | None = None, **ends: Any) -> str:
        """Make a new version live, in rows and in the engine; `ends` says what ends with it."""
        live = self.stored.adapters.live(user_id)
        parent = live.name if live else None
        version = self.stored.adapters.propose(
            user_id, cause="lesson", lesson_ids=lesson_ids, parent=None if ends else parent, base_model="pocket", metrics=metrics or {}
        )
        self.app.artifacts.write(version.name, lambda folder: _write_adapter(folder))
        self.stored.adapters.publish(version.id, parent, **ends)
        self.engine.models.add(version.name)
        return version.name

    def end(self) -> None:
        """Stop the workers."""
        self.redis.rpush(STOP, 1)
        for worker in self.workers:
            worker.join(20)
        self.redis.delete(STOP)


STOP = "test:stop"


def _text(found: bytes | str) -> str:
    return found.decode() if isinstance(found, bytes) else found


def _write_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


def said(
    text: str, *, user: str = "ada", channel: str = "general", message_id: str | None = None,
    files: tuple[Attachment, ...] = (), operator: bool = True, **more: Any,
) -> InboundMessage:  # fmt: skip
    """A message as a platform would hand it over."""
    identifier = message_id or f"in-{next(_numbers)}"
    return InboundMessage("recording", channel, user, user, identifier, text, files, operator=operator, **more)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """The Redis server that Tutee brings along."""
    folder = tmp_path_factory.mktemp("redis")
    server = EmbeddedRedis(folder / "data", folder / "redis.log")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def install(tmp_path: Path, redis_server: EmbeddedRedis) -> Iterator[Install]:
    """An installation with an empty database and an engine that knows the base model."""
    connect(redis_server.url).flushall()
    engine = FakeEngine()
    engine.start()
    database = migrated(tmp_path / "tutee.db")
    queue = JobQueue(connect(redis_server.url))
    installation = installed(tmp_path, database, queue, engine, redis_server.url)
    yield installation
    installation.end()
    engine.stop()
    database.close()
    queue.redis.close()


def installed(folder: Path, database: Database, queue: JobQueue, engine: FakeEngine, redis_url: str) -> Install:
    """What is put together of these."""
    return Install(_app(folder, database, queue, engine.port), queue, engine, redis_url, folder, database)


def terminal_process(folder: Path, redis_url: str, port: int) -> int:
    """The terminal of an installation, for a process of its own."""
    app = _app(folder, Database(f"sqlite:///{folder / 'tutee.db'}"), JobQueue(connect(redis_url)), port)
    return run_terminal(app, user="you", as_json=False, stdin=sys.stdin, stdout=sys.stdout)


def _app(folder: Path, database: Database, queue: JobQueue, port: int) -> App:
    return App(
        settings=Settings(data=folder, chat=ChatSettings(history=4), lesson=LessonSettings(max_characters=200)),
        repositories=Repositories.on(database),
        artifacts=ArtifactStore(folder / "adapters"),
        queue=queue,
        engine=EngineClient(f"http://127.0.0.1:{port}", base_model="pocket"),
    )


__all__ = ["CHAT_QUEUE", "LESSON_QUEUE", "FakeEngine", "Install", "Leaving", "said"]
