"""The only place of the bot that chooses implementations: from settings to working objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from redis.exceptions import RedisError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from bot import texts
from bot.app import App
from bot.engine_client import EngineClient
from bot.jobs import Answering
from bot.platforms.base import ChatPlatform
from bot.queue import JobQueue
from bot.sweeper import Sweeper
from storage.artifacts import ArtifactStore
from storage.errors import DatabaseUnavailableError
from storage.repositories import Repositories
from storage.session import Database
from trainer.errors import TrainerError
from trainer.lease import connect
from trainer.settings import Settings

ENGINE_START_SECONDS = 15.0  # a question asked while the engine loads its model waits this long before it goes on the queue


class NotConfigured(TrainerError):
    """A process of its own needs to be told where the others are."""


class RedisUnreachable(TrainerError):
    """Nothing that speaks Redis answers there."""


class DatabaseUnreachable(TrainerError):
    """The database's address is wrong, or nothing answers there."""


def open_queue(settings: Settings) -> JobQueue:
    """The queue at `settings.redis_url`, which must answer. Raises NotConfigured or RedisUnreachable."""
    if settings.redis_url is None:
        raise NotConfigured("No Redis is configured. Set REDIS_URL (or redis_url in the configuration), or use `tutee up`, which starts one.")
    try:
        queue = JobQueue(connect(settings.redis_url))
        queue.redis.ping()
    except (RedisError, ValueError, OSError) as error:
        raise RedisUnreachable(
            f"Redis at {without_password(settings.redis_url)} does not answer: check REDIS_URL and that the server runs.",
            str(error),
        ) from error
    return queue


def open_database(settings: Settings) -> Database:
    """The database, not yet upgraded; opening does no I/O. Raises DatabaseUnreachable for an address that is none."""
    try:
        return Database(settings.database)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        raise DatabaseUnreachable(
            "The database's address cannot be used: DATABASE_URL must look like sqlite:////folder/tutee.db or postgresql://user:password@host/name."
        ) from error


def upgrade(database: Database) -> None:
    """Run the migrations that are missing. Raises DatabaseUnreachable."""
    try:
        database.upgrade()
    except (DatabaseUnavailableError, OSError) as error:
        raise DatabaseUnreachable(
            f"The database at {database.url.render_as_string(hide_password=True)} cannot be used: check DATABASE_URL, "
            "that the server runs, and the permissions of the file.",
            str(error),
        ) from error


def app(settings: Settings, queue: JobQueue, database: Database) -> App:
    """Everything that a bot process works with. Raises NotConfigured where no engine is named."""
    if settings.engine.url is None:
        raise NotConfigured("No engine is configured. Set TUTEE_ENGINE_URL (or engine.url in the configuration), or use `tutee up`.")
    engine = EngineClient(
        settings.engine.url,
        base_model=served_name(settings.base_model),
        api_key=settings.engine.api_key,
        max_tokens=settings.engine.max_answer_tokens,
        start_seconds=ENGINE_START_SECONDS,
    )
    return App(
        settings=settings,
        repositories=Repositories.on(database),
        artifacts=ArtifactStore(settings.adapters),
        queue=queue,
        engine=engine,
    )


def platforms(settings: Settings) -> list[ChatPlatform]:
    """The chat platforms that are configured. Raises NotConfigured where there are none, or one cannot be used as it is."""
    found: list[ChatPlatform] = []
    if settings.discord.token:
        if not settings.discord.terms_acknowledged:
            raise NotConfigured(texts.DISCORD_TERMS)
        from bot.platforms.discord.platform import Discord

        found.append(Discord(settings.discord))
    if settings.slack.token or settings.slack.app_token:
        found.append(_slack(settings))
    if not found:
        raise NotConfigured(texts.NO_PLATFORM)
    return found


def _slack(settings: Settings) -> ChatPlatform:
    slack = settings.slack
    if not slack.terms_acknowledged:
        raise NotConfigured(texts.SLACK_TERMS)
    if not slack.token or not (slack.app_token or slack.port):
        raise NotConfigured(texts.slack_incomplete("SLACK_APP_TOKEN" if slack.token else "SLACK_BOT_TOKEN"))
    if slack.port and not slack.signing_secret:
        raise NotConfigured(texts.SLACK_UNSIGNED)
    from bot.platforms.slack.platform import Slack

    return Slack(slack)


def answering(app: App, queue: JobQueue) -> Callable[[int], None]:
    """What answers one waiting message."""
    return Answering(app, publish=queue.publish).answer_pending


def sweeper(settings: Settings, queue: JobQueue, database: Database) -> Sweeper:
    """What mends whatever crashes left."""
    return Sweeper(queue, Repositories.on(database), ArtifactStore(settings.adapters))


def served_name(base_model: str) -> str:
    """The name under which the engine serves the base model: for a folder, the folder's."""
    folder = Path(base_model).expanduser()
    return folder.resolve().name if base_model != "pocket" and folder.is_dir() else base_model


def without_password(url: str) -> str:
    """An address to show."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url.rpartition("@")[2]
