"""What a bot or a worker tells those who watch over it: /health, /ready and /metrics, on a port of its own."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, GCCollector, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from rq import Worker
from sqlalchemy.exc import SQLAlchemyError

from bot.engine_client import addresses
from bot.queue import JobQueue
from storage.errors import StorageError
from storage.repositories import Repositories
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE
from trainer.errors import TrainerError
from trainer.settings import MetricsSettings, Settings

CHECK_SECONDS = 3.0
# From the pocket model's first word on two cores to a long answer of a large model behind a waiting line.
ANSWER_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
JOB_BUCKETS = (0.5, 1, 5, 15, 60, 300, 1800, 7200)

Check = Callable[[], str | None]
"""None where the part answers, else why not, without secrets."""


class PortTaken(TrainerError):
    """Somebody else listens there."""


class Measured:
    """What this process has done since it started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._answers = Counter("tutee_answers", "Answers asked of the engine, by how they ended", ["outcome"], registry=self.registry)
        first = "Seconds until the first piece of an answer"
        self._first = Histogram("tutee_answer_first_seconds", first, buckets=ANSWER_BUCKETS, registry=self.registry)
        self._whole = Histogram("tutee_answer_seconds", "Seconds until the end of an answer", buckets=ANSWER_BUCKETS, registry=self.registry)
        self._jobs = Histogram("tutee_job_seconds", "Seconds of a job, by queue and how it ended", ["queue", "outcome"], buckets=JOB_BUCKETS,
                               registry=self.registry)  # fmt: skip

    def answer(self, outcome: str, first: float | None, whole: float) -> None:
        """An answer has ended: `first` and `whole` are the seconds to its first piece, if any, and to its end."""
        self._answers.labels(outcome).inc()
        if first is not None:
            self._first.observe(first)
        if outcome == "answered":
            self._whole.observe(whole)

    def job(self, queue: str, succeeded: bool, seconds: float) -> None:
        """A job has ended, or has to be tried again."""
        self._jobs.labels(queue, "done" if succeeded else "put back").observe(seconds)


class Installation(Collector):
    """How the whole installation stands, read when somebody asks; every process gives the same figures."""

    def __init__(self, queue: JobQueue, repositories: Repositories) -> None:
        self._queue = queue
        self._stored = repositories

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Nothing of a part that is away: that is what `tutee_up` is for."""
        up = GaugeMetricFamily("tutee_up", "1 where the part answers", labels=["part"])
        for part, read in {"database": self._rows, "redis": self._queues}.items():
            try:
                found = list(read())
                up.add_metric([part], 1)
                yield from found
            except (StorageError, SQLAlchemyError, RedisError):
                up.add_metric([part], 0)
        yield up

    def _rows(self) -> Iterator[GaugeMetricFamily]:
        stored = self._stored
        yield GaugeMetricFamily("tutee_users", "People who have chatted", stored.users.count())
        yield GaugeMetricFamily("tutee_lessons_unfinished", "Lessons that wait or are being learned", len(stored.lessons.unfinished()))
        yield GaugeMetricFamily("tutee_rebuilds_unfinished", "Rebuilds that wait or are under way", len(stored.rebuilds.unfinished()))
        yield GaugeMetricFamily("tutee_messages_pending", "Messages that wait for an answer", stored.exchanges.count_pending())
        yield GaugeMetricFamily("tutee_reports", "Answers that were reported", len(stored.feedback.reports()))

    def _queues(self) -> Iterator[GaugeMetricFamily]:
        waiting = GaugeMetricFamily("tutee_jobs_waiting", "Jobs that wait, or wait to be tried again", labels=["queue"])
        working = GaugeMetricFamily("tutee_workers", "Workers on the queue", labels=["queue"])
        workers = Worker.all(connection=self._queue.redis)
        for name in (LESSON_QUEUE, CHAT_QUEUE):
            waiting.add_metric([name], len(self._queue.waiting(name)))
            working.add_metric([name], sum(name in each.queue_names() for each in workers))
        yield from (waiting, working)


def checks(settings: Settings, queue: JobQueue, repositories: Repositories, *, engine: bool) -> dict[str, Check]:
    """What a process cannot work without; `engine`: also an engine that answers."""

    def redis() -> str | None:
        try:
            queue.redis.ping()
        except RedisError as error:
            return type(error).__name__
        return None

    def database() -> str | None:
        try:
            repositories.users.count()
        except (StorageError, SQLAlchemyError) as error:
            return type(error).__name__
        return None

    def engines() -> str | None:
        for address in addresses(settings.engine.url or ""):
            try:
                if httpx.get(f"{address.removesuffix('/v1')}/health", timeout=CHECK_SECONDS).is_success:
                    return None
            except httpx.HTTPError:
                continue
        return "no engine answers"

    return {"redis": redis, "database": database, **({"engine": engines} if engine else {})}


class Watch:
    """A small HTTP server in threads of its own. /health says that the process runs, /ready whether it can work, /metrics needs the key."""

    def __init__(self, settings: MetricsSettings, registry: CollectorRegistry, ready: Mapping[str, Check]) -> None:
        """Raises PortTaken."""
        watch = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # seconds for one request: a client that sends nothing must not hold a thread

            def do_GET(self) -> None:
                status, kind, body = watch.answer(self.path.partition("?")[0], self.headers.get("Authorization", ""))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
                """Probes come every few seconds."""

        self._key = settings.key
        self._registry = registry
        self._checks = ready
        try:
            self._server = ThreadingHTTPServer((settings.host, settings.port), Handler)
        except OSError as error:
            raise PortTaken(f"Cannot listen on {settings.host}, port {settings.port}: {error.strerror}. Choose another metrics.port.") from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="watch", daemon=True).start()

    def answer(self, path: str, authorization: str) -> tuple[int, str, bytes]:
        """Status, kind and body for a path."""
        if path == "/health":
            return 200, "application/json", b'{"status": "running"}'
        if path == "/ready":
            found = {name: check() for name, check in self._checks.items()}
            body = {"status": "waiting" if any(found.values()) else "ready", "away": {name: why for name, why in found.items() if why}}
            return (503 if body["away"] else 200), "application/json", json.dumps(body).encode()
        if path == "/metrics":
            if self._key and not hmac.compare_digest(authorization.encode(), f"Bearer {self._key}".encode()):
                return 401, "text/plain", b"TUTEE_METRICS_KEY is asked for\n"
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        return 404, "text/plain", b"not here\n"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
