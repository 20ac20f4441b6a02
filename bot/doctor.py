"""`tutee doctor`: what is configured, what answers, which versions, and what to do about what is broken."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import httpx
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table
from rq import Worker
from sqlalchemy.exc import SQLAlchemyError

from bot import base_model, texts, wiring
from bot.data_folder import DataFolder
from bot.embedded_redis import server_program
from bot.engine_client import addresses
from storage.errors import ArtifactError, ArtifactPlaceError
from storage.schema import newer_revision
from storage.stores import open_artifacts
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE
from trainer.errors import TrainerError
from trainer.settings import Settings

LITTLE_SPACE = 2_000_000_000  # bytes: some hundred versions of the pocket model, or the download of a small real one
BACKENDS = ("local", "openai", "judge")
COLOURS = {"ok": "green", "note": "yellow", "broken": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; a `note` is not an error, `broken` is."""

    what: str
    state: Literal["ok", "note", "broken"]
    text: str


def examine(settings: Settings, console: Console | None = None) -> int:
    """Print the report. Returns the exit code: 1 where something is broken. Changes nothing but the data folder's existence."""
    findings = list(_findings(settings))
    table = Table(title="Tutee's health", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("what", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("what was found", overflow="fold")
    for finding in findings:
        colour = COLOURS[finding.state]
        table.add_row(finding.what, f"[{colour}]{finding.state}[/{colour}]", finding.text)
    (console or Console(width=None if sys.stdout.isatty() else 160)).print(table)
    return 1 if any(finding.state == "broken" for finding in findings) else 0


def _findings(settings: Settings) -> Iterator[Finding]:
    checks: list[Callable[[Settings], Iterator[Finding]]] = [
        _versions, _data_folder, _redis, _database, _adapters, _base_model, _engine, _moderation, _discord, _slack,
    ]  # fmt: skip
    for check in checks:
        try:
            yield from check(settings)
        except TrainerError as error:
            yield Finding(check.__name__.strip("_").replace("_", " "), "broken", error.user_message)


def _versions(_: Settings) -> Iterator[Finding]:
    packages = ("tutee", "torch", "transformers", "peft", "rq", "redis", "sqlalchemy")
    found = {name: _version(name) for name in packages}
    missing = [name for name, number in found.items() if number is None]
    text = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Finding("versions", "ok", f"Python {sys.version.split()[0]}, {text}")
    if missing:
        yield Finding("packages", "broken", f"{', '.join(missing)} missing: run `make setup`.")


def _data_folder(settings: Settings) -> Iterator[Finding]:
    folder = DataFolder(settings.data)
    folder.prepare()
    free = shutil.disk_usage(settings.data).free
    state: Literal["ok", "note"] = "ok" if free > LITTLE_SPACE else "note"
    yield Finding("data folder", state, f"{settings.data} is writable, {free / 1e9:.1f} GB free")


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None:
        server_program()
        yield Finding("redis", "ok", "our own server, started by `tutee up` and `tutee chat`; not running now")
        return
    queue = wiring.open_queue(settings)
    try:
        number = queue.redis.info("server")["redis_version"]
        yield Finding("redis", "ok", f"{number} at {wiring.without_password(settings.redis_url)}")
        for name in (LESSON_QUEUE, CHAT_QUEUE):
            workers = [worker for worker in Worker.all(connection=queue.redis) if name in worker.queue_names()]
            computing = sorted({each.decode() for worker in workers if isinstance(each := queue.redis.hget(worker.key, "computing"), bytes)})
            text = "; ".join(
                [f"{len(workers)} worker(s), {len(queue.waiting(name))} job(s) waiting", *(f"computing in {each}" for each in computing)]
            )
            yield Finding(f"queue {name}", "ok" if workers else "note", text)
    except RedisError as error:
        yield Finding("redis", "broken", f"It answers, but not to everything that is needed: {error}")


def _database(settings: Settings) -> Iterator[Finding]:
    database = wiring.open_database(settings)
    where = database.url.render_as_string(hide_password=True)
    if settings.database_url is None and not Path(str(database.url.database)).exists():
        yield Finding("database", "ok", f"{where} will be created at the first start")
        return
    try:
        with database.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            newer = newer_revision(connection)
    except (SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0]
        yield Finding("database", "broken", f"{where} cannot be used; check DATABASE_URL and the server: {reason}")
        return
    finally:
        database.close()
    with resources.as_file(resources.files("migrations")) as scripts:
        newest = ScriptDirectory(str(scripts)).get_current_head()
    if current == newest:
        yield Finding("database", "ok", f"{where}, up to date")
    elif newer:
        text = f"{where} was upgraded by a newer version of Tutee ({newer}; this one knows {newest}). Upgrade this host, too."
        yield Finding("database", "note", text)
    else:
        yield Finding("database", "broken", f"{where} is not up to date: run `tutee db upgrade`.")


def _adapters(settings: Settings) -> Iterator[Finding]:
    where = settings.artifacts.url or str(settings.data / "adapters")
    try:
        stored = open_artifacts(settings.artifacts, settings.data).names()
    except ArtifactPlaceError as error:
        yield Finding("adapters", "broken", error.user_message)
    except ArtifactError as error:
        hint = "check artifacts.url, artifacts.endpoint and AWS_ACCESS_KEY_ID" if settings.artifacts.url else "check the folder's permissions"
        yield Finding("adapters", "broken", f"{where} cannot be used; {hint}: {error.detail}")
    else:
        yield Finding("adapters", "ok", f"{len(stored)} in {where}")


def _base_model(settings: Settings) -> Iterator[Finding]:
    problem = base_model.problem(settings.base_model)
    where = base_model.whereabouts(settings.base_model)
    if problem is not None:
        yield Finding("base model", "broken", problem)
    elif where is None:
        yield Finding("base model", "note", f"{settings.base_model}, which the engine fetches from Hugging Face when it starts")
    else:
        yield Finding("base model", "ok", f"{settings.base_model} in {where}")


def _engine(settings: Settings) -> Iterator[Finding]:
    if settings.engine.url is None:
        yield Finding("engine", "ok", "our own, started by `tutee up` and `tutee chat`; not running now")
        return
    for address in addresses(settings.engine.url):
        yield _one_engine(address.removesuffix("/v1"))


def _one_engine(url: str) -> Finding:
    try:
        answer = httpx.get(f"{url}/health", timeout=5)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        return Finding("engine", "broken", f"{url} does not answer; check TUTEE_ENGINE_URL and that it runs: {reason}")
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return Finding("engine", "note", f"{url} is loading its model")
    if answer.is_success:
        return Finding("engine", "ok", f"{url} answers{_computing(answer)}")
    return Finding("engine", "broken", f"{url} answers with HTTP {answer.status_code}; its log says why.")


def _computing(answer: httpx.Response) -> str:
    """What an engine of our own says it computes with."""
    try:
        found = answer.json()["computing"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f", computing in {found}"


def _moderation(settings: Settings) -> Iterator[Finding]:
    for backend in settings.moderation.backends:
        what = f"moderation {backend}"
        if backend not in BACKENDS:
            yield Finding(what, "broken", f"There is no such backend. Choose from {', '.join(BACKENDS)}.")
        elif backend == "openai" and not settings.moderation.openai_key:
            yield Finding(what, "broken", "OPENAI_API_KEY is not set, so every lesson would wait. Set it, or use `local` only.")
        elif backend == "openai":
            yield Finding(what, "ok", f"OPENAI_API_KEY is set, {settings.moderation.openai_url}; it was not asked")
        elif backend == "judge" and not (settings.moderation.judge_url and settings.moderation.judge_model):
            yield Finding(what, "broken", "Set moderation.judge_url and moderation.judge_model, or no lesson can begin.")
        elif backend == "judge":
            yield Finding(what, "ok", f"{settings.moderation.judge_model} at {settings.moderation.judge_url}; it was not asked")
        elif find_spec("mmh3") is None:
            yield Finding(what, "broken", "mmh3 is missing: run `make setup`.")
        else:
            yield Finding(what, "ok", f"bundled, refuses from {settings.moderation.threshold}")
    if not settings.moderation.backends:
        yield Finding("moderation", "broken", "No backend is configured, so nothing could be taught. Use `local`.")


def _discord(settings: Settings) -> Iterator[Finding]:
    if not settings.discord.token:
        yield Finding("Discord", "ok", "not configured (DISCORD_TOKEN not set)")
        return
    if not settings.discord.terms_acknowledged:
        yield Finding("Discord", "broken", texts.DISCORD_TERMS)
    from bot.platforms.discord.checks import check

    yield from check(settings.discord)


def _slack(settings: Settings) -> Iterator[Finding]:
    slack = settings.slack
    if not slack.is_configured:
        yield Finding("Slack", "ok", "not configured (SLACK_BOT_TOKEN and SLACK_APP_TOKEN not set)")
        return
    if not slack.terms_acknowledged:
        yield Finding("Slack", "broken", texts.SLACK_TERMS)
    if problem := wiring.slack_problem(replace(slack, terms_acknowledged=True)):
        yield Finding("Slack", "broken", problem)
        return
    from bot.platforms.slack.checks import check

    yield from check(slack, wiring.open_database(settings))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
