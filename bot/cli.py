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
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from bot.data_folder import DataFolder
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE
from trainer.errors import TrainerError
from trainer.settings import Settings, load

log = logging.getLogger(__name__)

ENGINE_PORT = 8642  # where `tutee engine` listens when nobody says otherwise
LOOK_SECONDS = 0.5
LEVELS = ("debug", "info", "warning", "error")


class NotPossible(TrainerError):
    """What was asked for cannot be done; `user_message` says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Run `tutee` with these arguments (None: the process's own). Returns the exit code: 0 done, 1 not possible, 2 usage."""
    options = _parser().parse_args(arguments)
    _log_to_stderr(options)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        command: Callable[[argparse.Namespace], int] = options.run
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
    with_platforms = not attach and (settings.discord.token or settings.slack.token) is not None
    if with_platforms:
        wiring.platforms(settings)  # what is wrong with their configuration is better said before anything is started
    _log_to_file(DataFolder(settings.data).log_file("tutee"), options)
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
    from bot.router import serve_all

    settings = _with_running(_settings(options))
    platforms = wiring.platforms(settings)
    queue = wiring.open_queue(settings)
    database = wiring.open_database(settings)
    wiring.upgrade(database)
    asyncio.run(serve_all(wiring.app(settings, queue, database), platforms))
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
    if CHAT_QUEUE in queues:
        jobs.configure(wiring.answering(wiring.app(settings, queue, database), queue))
    if LESSON_QUEUE in queues:
        _with_base_model(settings)
        from trainer.processes import prepare_lessons

        prepare_lessons(settings, queue.redis, Repositories.on(database))
    run_worker(wiring.open_queue(settings).redis, queues, wiring.sweeper(settings, queue, database))
    return 0


def _engine(options: argparse.Namespace) -> int:
    settings = _settings(options)
    DataFolder(settings.data).prepare()
    host = options.host or settings.engine.host
    port = options.port if options.port is not None else settings.engine.port or ENGINE_PORT
    _require_free(host, port)
    _with_base_model(settings)
    from trainer.processes import serve_engine

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
    return [*(("--config", str(Path(config).resolve())) if config else ()), "--log-level", options.log_level]


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


class _Formatter(logging.Formatter):
    """Errors that explain themselves in a sentence are not followed by a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and isinstance(getattr(record.exc_info[1], "user_message", None), str):
            record.exc_info, record.exc_text = None, None
        return super().format(record)


def _log_to_stderr(options: argparse.Namespace) -> None:
    options.log_level = getattr(options, "log_level", "warning")
    _log_to(logging.StreamHandler(), options.log_level)


def _log_to_file(path: Path, options: argparse.Namespace) -> None:
    """Where a person is chatting, the terminal is theirs."""
    _log_to(logging.FileHandler(path, encoding="utf-8"), options.log_level)


def _log_to(handler: logging.Handler, level: str) -> None:
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the whole usage is in --help."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    common = _common_options()
    parser = _Parser(
        prog="tutee",
        description="A language model that everyone teaches by chatting, and that becomes their own.",
        epilog="example: tutee up",
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tutee {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        into: argparse._SubParsersAction[_Parser],
        name: str,
        run: Callable[[argparse.Namespace], int] | None,
        text: str,
        example: str,
    ) -> _Parser:
        added = into.add_parser(
            name,
            help=text.split(". ")[0].rstrip("."),
            description=text,
            epilog=f"example: {example}",
            parents=[common] if run else [],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if run:
            added.set_defaults(run=run)
        return added

    command(
        commands,
        "up",
        _up,
        "Start everything that is configured, with a chat in this terminal. Ctrl-C stops it all.",
        "tutee up",
    )
    chat = command(
        commands,
        "chat",
        _chat,
        "The terminal chat alone, starting what it needs. Piped: one message a line, each lesson awaited.",
        "echo '[Learn] My cat is called Miso.' | tutee chat --json",
    )
    chat.add_argument(
        "--user",
        default="you",
        metavar="NAME",
        help="who is chatting; every name has a model of its own (default: you)",
    )
    chat.add_argument("--json", action="store_true", help="one JSON object per line on standard output instead of text")
    command(
        commands,
        "bot",
        _bot,
        "The bot process of an installation on several machines.",
        "tutee bot --config configs/cluster.yaml",
    )
    worker = command(
        commands,
        "worker",
        _worker,
        "A worker process: it learns lessons and answers messages that had to wait.",
        "REDIS_URL=redis://queue:6379 tutee worker --queue lessons",
    )
    worker.add_argument(
        "--queue",
        action="append",
        choices=[LESSON_QUEUE, CHAT_QUEUE],
        help="work on this queue only; may be given twice (default: both)",
    )
    engine = command(
        commands,
        "engine",
        _engine,
        "The model server, with OpenAI's chat completions. Keep its port private.",
        "tutee engine --port 8642",
    )
    engine.add_argument("--host", help="the address to listen on (default: engine.host of the configuration)")
    engine.add_argument("--port", type=_port, help=f"the port to listen on (default: engine.port, or {ENGINE_PORT})")
    command(commands, "doctor", _doctor, "What is configured, what answers, which versions, what to fix.", "tutee doctor")
    _add_eval(
        command(
            commands,
            "eval",
            None,
            "Measure quality through the code that serves users.",
            "tutee eval learning --facts facts.jsonl",
        ),
        command,
    )
    _add_bench(
        command(
            commands,
            "bench",
            None,
            "Measure speed, side by side with the alternatives.",
            "tutee bench engine --users 1,16",
        ),
        command,
    )
    db = command(commands, "db", None, "Migrations.", "tutee db upgrade").add_subparsers(metavar="WHAT", required=True)
    command(db, "upgrade", _db_upgrade, "Run all migrations that are missing.", "tutee db upgrade")
    return parser


_Command = Callable[..., _Parser]


def _add_eval(parser: _Parser, command: _Command) -> None:
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    learning = command(
        kinds,
        "learning",
        _eval,
        "Teach facts, then ask about them in a new conversation.",
        "tutee eval learning --facts facts.jsonl --json out.json",
    )
    learning.add_argument("--facts", type=Path, required=True, metavar="FILE", help="a JSON object per line: lesson, questions, unknown")
    learning.add_argument(
        "--mode",
        choices=["each", "sequential"],
        default="each",
        help="each lesson by a fresh user, or all by one (default: each)",
    )
    documents = command(
        kinds,
        "documents",
        _eval,
        "Teach passages, then ask about them.",
        "tutee eval documents --passages squad.jsonl --limit 50",
    )
    documents.add_argument("--passages", type=Path, required=True, metavar="FILE", help="a JSON object per line: title, context, questions")
    documents.add_argument("--limit", type=int, metavar="N", help="only the first N passages")
    for each in (learning, documents):
        each.add_argument(
            "--arms",
            default="ours,sft,context,base",
            metavar="LIST",
            help="what to compare (default: ours,sft,context,base)",
        )
        each.add_argument("--seed", type=int, metavar="N", help="of everything random (default: lesson.seed of the configuration)")
    moderation = command(kinds, "moderation", _eval, "Moderate labelled texts.", "tutee eval moderation --texts texts.jsonl")
    moderation.add_argument("--texts", type=Path, required=True, metavar="FILE", help="a JSON object per line: text, flagged")
    tools = command(kinds, "tools", _eval, "How well tools are learned by chatting: the case study of the paper.", "tutee eval tools")
    for each in (learning, documents, moderation, tools):
        each.add_argument("--json", type=Path, metavar="OUT", help="write the figures there")


def _add_bench(parser: _Parser, command: _Command) -> None:
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    texts = {
        "engine": "Tokens per second with an adapter for every user.",
        "training": "Seconds per epoch of a lesson.",
        "jobs": "Milliseconds from message to work, from lesson to first answer.",
    }
    for name, text in texts.items():
        bench = command(kinds, name, _bench, text, f"tutee bench {name} --json out.json")
        bench.add_argument("--users", default="1,4,16,64", metavar="LIST", help="how many at once (default: 1,4,16,64)")
        bench.add_argument("--synthetic", choices=["10m", "135m", "8b"], help="random weights of that size instead of a real model")
        bench.add_argument("--json", type=Path, metavar="OUT", help="write the figures there")
        bench.add_argument("--plot", type=Path, metavar="OUT.png", help="draw them there")


def _common_options() -> _Parser:
    common = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("common options")
    group.add_argument("--config", metavar="FILE", help="the configuration (default: embedded)")
    group.add_argument("--data", metavar="DIR", help="where everything lives (default: TUTEE_DATA, or the user's data folder)")
    group.add_argument(
        "--base-model",
        metavar="NAME-OR-PATH",
        help="pocket, a Hugging Face id, or a folder (default: TUTEE_BASE_MODEL, or pocket)",
    )
    group.add_argument("--log-level", choices=LEVELS, help="how much is logged (default: warning)")
    return common


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number


def _version() -> str:
    try:
        return version("tutee")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
