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
from bot.platforms.deliveries import Deliveries
from bot.queue import JobQueue
from bot.sweeper import Sweeper
from storage.errors import DatabaseUnavailableError
from storage.repositories import Repositories
from storage.session import Database
from storage.stores import open_artifacts
from trainer.errors import TrainerError
from trainer.lease import connect
from trainer.settings import Settings, SlackSettings

ENGINE_START_SECONDS = 30.0  # a question asked while the engine loads its model waits this long before it goes on the queue


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
        artifacts=open_artifacts(settings.artifacts, settings.data),
        queue=queue,
        engine=engine,
    )


def require_platforms(settings: Settings) -> None:
    """Raises NotConfigured where no chat platform is configured, or one cannot be used as it is."""
    if settings.discord.token and not settings.discord.terms_acknowledged:
        raise NotConfigured(texts.DISCORD_TERMS)
    if settings.slack.is_configured and (problem := slack_problem(settings.slack)):
        raise NotConfigured(problem)
    if not settings.discord.token and not settings.slack.is_configured:
        raise NotConfigured(texts.NO_PLATFORM)


def platforms(settings: Settings, queue: JobQueue, database: Database) -> list[ChatPlatform]:
    """The chat platforms that are configured. Raises NotConfigured as `require_platforms` does."""
    require_platforms(settings)
    found: list[ChatPlatform] = []
    if settings.discord.token:
        from bot.platforms.discord.platform import Discord

        found.append(Discord(settings.discord, deliveries=Deliveries(queue.redis, Discord.name)))
    if settings.slack.is_configured:
        from bot.platforms.slack.platform import Slack

        found.append(Slack(settings.slack, queue.redis, database))
    return found


def slack_problem(slack: SlackSettings) -> str | None:
    """Why Slack cannot be used with these settings, in a sentence."""
    if not slack.terms_acknowledged:
        return texts.SLACK_TERMS
    if slack.port and not slack.signing_secret:
        return texts.SLACK_UNSIGNED
    if slack.client_id is None:
        if not slack.token or not (slack.app_token or slack.port):
            return texts.slack_incomplete("SLACK_APP_TOKEN" if slack.token else "SLACK_BOT_TOKEN")
        return None
    if slack.token:
        return texts.SLACK_ONE_OR_SEVERAL
    needed = {"SLACK_CLIENT_SECRET": slack.client_secret, "SLACK_ENCRYPTION_KEY": slack.encryption_key}
    if missing := [name for name, value in needed.items() if not value]:
        return texts.slack_oauth_incomplete(missing)
    if not slack.public_url:
        return texts.SLACK_NOWHERE_TO_INSTALL
    if not (slack.app_token or slack.port):
        return texts.SLACK_NOT_HEARD
    from bot.platforms.slack.installations import is_key

    return None if is_key(slack.encryption_key or "") else texts.SLACK_KEY_WRONG


def answering(app: App, queue: JobQueue) -> Callable[[int], None]:
    """What answers one waiting message."""
    return Answering(app, publish=queue.publish).answer_pending


def sweeper(settings: Settings, queue: JobQueue, database: Database) -> Sweeper:
    """What is done now and then."""
    return Sweeper(
        queue,
        Repositories.on(database),
        open_artifacts(settings.artifacts, settings.data),
        message_days=settings.retention.message_days,
        rebuild_hour=settings.lesson.rebuild_hour,
    )


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
