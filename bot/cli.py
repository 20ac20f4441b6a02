"""The command `tutee`: reads the arguments, starts the process that was asked for, turns errors into one sentence."""

from __future__ import annotations

import argparse
import asyncio
import errno
import importlib
import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from bot import logs
from bot.arguments import ENGINE_PORT, Run, parser
from bot.data_folder import DataFolder
from trainer.configuration import load
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE
from trainer.errors import TrainerError
from trainer.settings import Settings

if TYPE_CHECKING:
    from bot.app import App
    from bot.health import Measured
    from bot.queue import JobQueue
    from storage.artifacts import Artifacts
    from storage.session import Database

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5


class NotPossible(TrainerError):
    """What was asked for cannot be done; `user_message` says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Run `tutee` with these arguments (None: the process's own). Returns the exit code: 0 done, 1 not possible, 2 usage."""
    options = parser(COMMANDS).parse_args(arguments)
    _log_to_stderr(options)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        command: Run = options.run
        return command(options)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        message = getattr(error, "user_message", None)
        if isinstance(message, str):
            log.debug("%s", error, exc_info=True)
        else:
            incident = uuid.uuid4().hex[:8]
            log.debug("unexpected, id=%s", incident, exc_info=True)
            message = f"Something unexpected went wrong ({type(error).__name__}, id {incident}). --log-level debug shows what."
        print(message, file=sys.stderr)  # noqa: T201  (the command's own output)
        return 1
    finally:
        for number, handler in before.items():  # of whoever called us
            signal.signal(number, handler)


def _up(options: argparse.Namespace) -> int:
    return _talk(options, attach=False, user="you", as_json=False)


def _chat(options: argparse.Namespace) -> int:
    return _talk(options, attach=True, user=options.user, as_json=options.json)


def _talk(options: argparse.Namespace, *, attach: bool, user: str, as_json: bool) -> int:
    from bot import wiring
    from bot.platforms.terminal import run_terminal
    from bot.supervisor import Services

    settings = _settings(options)
    DataFolder(settings.data).prepare()
    if settings.engine.url is None:
        _with_base_model(settings)
    with_platforms = not attach and (settings.discord.token is not None or settings.slack.is_configured)
    if with_platforms:
        wiring.require_platforms(settings)  # what is wrong with their configuration is better said before anything is started
    logs.to_file(DataFolder(settings.data).log_file("tutee"), options.log_level, options.log_format)
    talking = threading.Event()

    def interrupt() -> None:
        if talking.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    services = Services(settings, options=_passed_on(options), attach=attach, with_platforms=with_platforms, on_failure=interrupt)
    try:
        services.start()
        database = wiring.open_database(services.settings)
        app = wiring.app(services.settings, wiring.open_queue(services.settings), database)
        talking.set()
        if services.failure is None:
            code = run_terminal(app, user=user, as_json=as_json, stdin=sys.stdin, stdout=sys.stdout)
            while with_platforms and code == 0 and services.failure is None:
                time.sleep(LOOK_SECONDS)  # the input has ended; who chats elsewhere goes on until Ctrl-C
        talking.clear()
        database.close()
    except KeyboardInterrupt:
        code = 0
    finally:
        talking.clear()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # stopping is under way and takes seconds at most
        services.stop()
    if services.failure is not None:
        raise NotPossible(services.failure)
    return 0 if code == 130 else code


def _bot(options: argparse.Namespace) -> int:
    from bot import wiring
    from bot.serving import serve_all

    settings = _with_running(_settings(options))
    wiring.require_platforms(settings)
    queue = wiring.open_queue(settings)
    database = wiring.open_database(settings)
    wiring.upgrade(database)
    app = wiring.app(settings, queue, database)
    _watched(settings, queue, database, app)
    asyncio.run(serve_all(app, wiring.platforms(settings, queue, database)))
    return 0


def _worker(options: argparse.Namespace) -> int:
    from bot import jobs, wiring
    from storage.repositories import Repositories
    from trainer.worker import run_worker

    settings = _with_running(_settings(options))
    queues = options.queue or [LESSON_QUEUE, CHAT_QUEUE]
    queue = wiring.open_queue(settings)
    database = wiring.open_database(settings)
    wiring.upgrade(database)
    app = None
    if CHAT_QUEUE in queues:
        app = wiring.app(settings, queue, database)
        jobs.configure(wiring.answering(app, queue))
    measured, computing = _watched(settings, queue, database, app), ""
    if LESSON_QUEUE in queues:
        _with_base_model(settings)
        from trainer.wiring import prepare_lessons

        computing = prepare_lessons(settings, queue.redis, Repositories.on(database))
    run_worker(wiring.open_queue(settings).redis, queues, wiring.sweeper(settings, queue, database), measured.job, computing)
    return 0


def _engine(options: argparse.Namespace) -> int:
    settings = _settings(options)
    DataFolder(settings.data).prepare()
    host = options.host or settings.engine.host
    port = options.port if options.port is not None else settings.engine.port or ENGINE_PORT
    _require_free(host, port)
    if settings.engine.vllm_url is not None:
        from bot.wiring import served_name
        from trainer.engine.vllm import serve_vllm

        serve_vllm(settings, served_name(settings.base_model), host, port, options.log_level)
        return 0
    _with_base_model(settings)
    from trainer.engine.process import serve_engine

    serve_engine(settings, host, port, options.log_level)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from bot.doctor import examine

    settings = _settings(options)
    return examine(DataFolder(settings.data).running(settings) or settings)


def _eval(options: argparse.Namespace) -> int:
    return _measure(f"trainer.evaluation.{options.what}", f"`tutee eval {options.what}`", options)


def _bench(options: argparse.Namespace) -> int:
    return _measure(f"trainer.bench.{options.what}", f"`tutee bench {options.what}`", options)


def _measure(module: str, name: str, options: argparse.Namespace) -> int:
    settings = _settings(options)
    try:
        measure = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise NotPossible(f"{name} is not part of this version yet.") from error
    code: int | None = measure.main(settings, options)
    return code or 0


def _db_upgrade(options: argparse.Namespace) -> int:
    from bot import wiring

    settings = _settings(options)
    if settings.database_url is None:
        DataFolder(settings.data).prepare()
    database = wiring.open_database(settings)
    wiring.upgrade(database)
    sys.stdout.write("The database is up to date.\n")
    return 0


def _backup(options: argparse.Namespace) -> int:
    from storage.backup import back_up

    database, artifacts = _kept(options)
    found = back_up(database, artifacts, options.file)
    sys.stdout.write(f"{options.file}: {found.rows} rows and {found.adapters} adapters.\n")
    if found.missing:
        raise NotPossible(
            f"The back-up is complete but for the files of {', '.join(found.missing)}, which are missing. `tutee doctor` looks further."
        )
    return 0


def _restore(options: argparse.Namespace) -> int:
    from storage.backup import restore

    database, artifacts = _kept(options)
    found = restore(database, artifacts, options.file)
    sys.stdout.write(f"{found.rows} rows and {found.adapters} adapters are back. Everything can be started.\n")
    return 0


def _watched(settings: Settings, queue: JobQueue, database: Database, app: App | None) -> Measured:
    """What counts this process's work, and tells it where it is asked to."""
    from bot import health
    from storage.repositories import Repositories

    measured, stored = health.Measured(), Repositories.on(database)
    if app is not None:
        app.engine.observe = measured.answer
    if settings.metrics.port:
        measured.registry.register(health.Installation(queue, stored))
        health.Watch(settings.metrics, measured.registry, health.checks(settings, queue, stored, engine=app is not None))
    return measured


def _kept(options: argparse.Namespace) -> tuple[Database, Artifacts]:
    """The database and the store of adapters, as they are configured."""
    from bot import wiring
    from storage.stores import open_artifacts

    settings = _settings(options)
    DataFolder(settings.data).prepare()
    return wiring.open_database(settings), open_artifacts(settings.artifacts, settings.data)


def _settings(options: argparse.Namespace) -> Settings:
    given = getattr(options, "config", None)
    return load(
        Path(given) if given else None,
        data=getattr(options, "data", None),
        base_model=getattr(options, "base_model", None),
    )


def _with_base_model(settings: Settings) -> Settings:
    """These settings, if their base model may be usable: it is better said at once than after the libraries are loaded."""
    from bot import base_model

    problem = base_model.problem(settings.base_model)
    if problem is not None:
        raise NotPossible(problem)
    return settings


def _with_running(settings: Settings) -> Settings:
    """With the addresses of the services that run on the same data folder, where none are configured."""
    if settings.redis_url is not None and settings.engine.url is not None:
        return settings
    return DataFolder(settings.data).running(settings) or settings


def _passed_on(options: argparse.Namespace) -> list[str]:
    config = getattr(options, "config", None)
    return [*(("--config", str(Path(config).resolve())) if config else ()), "--log-level", options.log_level, "--log-format", options.log_format]


def _require_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise NotPossible(f"Port {port} on {host} is in use. Choose another one with --port.") from error
            raise NotPossible(f"Cannot listen on {host}, port {port}: {error.strerror}. Choose with --host and --port.") from error


def _interrupt(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)  # one way to stop: also where an event loop has taken over Ctrl-C


def _log_to_stderr(options: argparse.Namespace) -> None:
    options.log_level, options.log_format = getattr(options, "log_level", "warning"), getattr(options, "log_format", "text")
    logs.to_stderr(options.log_level, options.log_format)


COMMANDS: dict[str, Run] = {
    "up": _up, "chat": _chat, "bot": _bot, "worker": _worker, "engine": _engine, "doctor": _doctor,
    "eval": _eval, "bench": _bench, "db upgrade": _db_upgrade, "backup": _backup, "restore": _restore,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
