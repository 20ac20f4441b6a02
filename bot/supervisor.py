"""Starts what is not configured elsewhere, keeps it running, and leaves nothing behind."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.data_folder import DataFolder
from bot.embedded_redis import EmbeddedRedis, RedisFailed, free_port
from bot.processes import Child
from bot.wiring import open_database, open_queue, upgrade
from trainer.configuration import as_environment
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE
from trainer.errors import TrainerError
from trainer.settings import Settings

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
STEADY_S = 60.0  # a process that ran this long was well: if it dies, it starts again at once
ATTACH_SECONDS = 30.0


class AlreadyRunning(TrainerError):
    """Somebody else runs services on the data folder."""


class ServicesFailed(TrainerError):
    """A process cannot run with this configuration; its own sentence says why."""


@dataclass
class _Watched:
    """A child and its restarts."""

    child: Child
    started: float = 0.0
    restarts: int = 0
    start_again_at: float | None = None

    def start(self) -> None:
        self.child.start()
        self.started = time.monotonic()
        self.start_again_at = None


class Services:
    """Redis, database, engine and workers on one data folder.

    `start` returns when messages can be received; the engine may still be loading its model, and messages wait for it.
    With `attach`, services that run already on the folder are used, and taken over if they end. `settings` then has all
    addresses. When a process cannot run at all, `failure` says why and `on_failure` is called, from another thread.
    `options` are passed on to the `tutee` processes. `with_platforms`: the chat platforms that are configured are among them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        options: Sequence[str] = (),
        attach: bool = False,
        with_platforms: bool = False,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.failure: str | None = None
        self.owned = False
        self._configured = settings
        self._options = list(options)
        self._attach = attach
        self._with_platforms = with_platforms
        self._on_failure = on_failure
        self._folder = DataFolder(settings.data)
        self._redis: EmbeddedRedis | None = None
        self._redis_up_since = self._redis_again_at = 0.0  # in the future while it is down; when to try again
        self._watched: list[_Watched] = []
        self._stopping = threading.Event()
        self._up = threading.Event()
        self._refusal: Exception | None = None
        # The kernel ties a child to the thread that started it, so one thread starts them all and stays until the end.
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Raises AlreadyRunning, DataFolderError, RedisFailed, RedisUnreachable or DatabaseUnreachable; then nothing is left running."""
        self._thread.start()
        self._up.wait()
        if self._refusal is not None:
            raise self._refusal

    def stop(self) -> None:
        """End everything that was started here, workers first, Redis last; returns when it is gone."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._folder.prepare()
            if self._folder.lock():
                self._start_all()
            else:
                self._use_running()
            self._up.set()
            while not self._stopping.wait(LOOK_EVERY_S):
                if self.owned:
                    self._look_after()
                elif self._folder.lock():
                    log.warning("the services on this folder ended, taking over")
                    self._start_all()
        except Exception as error:
            self._refusal = error
            if self._up.is_set():
                log.exception("the services cannot go on")
                self._fail(getattr(error, "user_message", "The services ended unexpectedly; the log says why."))
        finally:
            self._stop_all()
            self._up.set()

    def _use_running(self) -> None:
        if not self._attach:
            raise AlreadyRunning(
                f"Tutee is running on the data folder {self._folder.root} already. Stop it first, or use another folder "
                "with --data; `tutee chat` joins the one that runs."
            )
        deadline = time.monotonic() + ATTACH_SECONDS
        while time.monotonic() < deadline and not self._stopping.is_set():
            found = self._folder.running(self.settings)
            if found is not None:
                self.settings = found
                return
            if self._folder.lock():  # it ended before it was up
                self._start_all()
                return
            time.sleep(LOOK_EVERY_S / 4)
        raise AlreadyRunning(f"Tutee is starting on the data folder {self._folder.root} but does not get ready. Stop it and try again.")

    def _start_all(self) -> None:
        self.owned = True
        self._resolve_engine()
        self._start_redis()
        database = open_database(self.settings)
        try:
            upgrade(database)
        finally:
            database.close()
        self._spawn("lessons", ["worker", "--queue", LESSON_QUEUE])
        self._spawn("chat", ["worker", "--queue", CHAT_QUEUE])
        if self._with_platforms:
            self._spawn("bot", ["bot"])
        self._folder.note(self.settings)

    def _resolve_engine(self) -> None:
        """First of all, because loading the model takes longest."""
        if self._configured.engine.url is None:
            host = self.settings.engine.host
            # after taking over, at the address that other processes know already
            port = self.settings.engine.port or _port_of(self.settings.engine.url) or free_port()
            self._spawn("engine", ["engine", "--host", host, "--port", str(port)])
            near = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  (compared, not bound)
            self.settings = replace(self.settings, engine=replace(self.settings.engine, url=f"http://{near}:{port}"))

    def _start_redis(self) -> None:
        if self._configured.redis_url is None:
            self._redis = EmbeddedRedis(self._folder.root / "redis", self._folder.log_file("redis"))
            self._redis.start()
            self.settings = replace(self.settings, redis_url=self._redis.url)
        else:
            open_queue(self.settings).redis.close()

    def _spawn(self, name: str, arguments: list[str]) -> None:
        # -P: a folder named `bot` where the user happens to stand is not ours
        command = [sys.executable, "-P", "-m", "bot.cli", *arguments, *self._options]
        environment = as_environment(self.settings)
        watched = _Watched(Child(name, command, self._folder.log_file(name), environment=environment))
        watched.start()
        self._watched.append(watched)

    def _look_after(self) -> None:
        now = time.monotonic()
        if self._redis is not None and not self._redis.is_running and now >= self._redis_again_at:
            self._restart(self._redis)
        for watched in self._watched:
            if watched.child.is_running:
                continue
            if watched.start_again_at is None:
                self._plan_restart(watched, now)
            elif now >= watched.start_again_at:
                watched.restarts += 1
                watched.start()

    def _restart(self, redis: EmbeddedRedis) -> None:
        """What ends meanwhile ends for want of it, and is no failure of its own."""
        log.error("redis died, starting it again")
        self._redis_up_since = float("inf")
        try:
            redis.restart()
            self._redis_up_since = time.monotonic()
        except RedisFailed as error:  # as on a full disk: until there is room, messages are told to wait
            self._redis_again_at = time.monotonic() + LONGEST_PAUSE_S
            log.error("redis does not start, trying again in=%.0f error=%s", LONGEST_PAUSE_S, error)

    def _plan_restart(self, watched: _Watched, now: float) -> None:
        code = watched.child.exit_code
        if now - watched.started > STEADY_S:
            watched.restarts = 0
        elif code == 1 and watched.restarts == 0 and watched.started > self._redis_up_since:  # it says itself that it cannot work like this
            self._fail(watched.child.last_words())
        pause = min(FIRST_PAUSE_S * 2**watched.restarts, LONGEST_PAUSE_S)
        log.error("a process died, name=%s exit_code=%s starting_again_in=%.1f", watched.child.name, code, pause)
        watched.start_again_at = now + pause

    def _fail(self, sentence: str) -> None:
        if self.failure is None:
            self.failure = sentence
            self._on_failure()

    def _stop_all(self) -> None:
        if not self.owned:
            return
        self._folder.erase_note()
        for watched in self._watched:
            watched.child.ask_to_stop()
        for watched in self._watched:
            watched.child.wait()
        if self._redis is not None:
            self._redis.stop()
        self._folder.unlock()
        self.owned = False


def _port_of(url: str | None) -> int | None:
    return int(url.rpartition(":")[2]) if url else None
