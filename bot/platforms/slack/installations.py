"""The workspaces that have installed the app, kept in the database by Slack's own store, encrypted."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from sqlalchemy import Dialect, String, Text, TypeDecorator, delete, func, select

from storage.models import SlackState
from storage.repositories.base import utc_now
from storage.session import Database

log = logging.getLogger(__name__)

CLEAR = ("client_id", "app_id", "enterprise_id", "team_id", "user_id")  # what rows are found by
STATE_SECONDS = 600  # somebody who installs has that long to agree in the browser


class WrongKey(ValueError):
    """What is stored was encrypted with another key, or the key is none."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A workspace that has the app."""

    team: str
    name: str
    token: str
    bot: str

    def __repr__(self) -> str:
        return f"Installed({self.team})"


def cipher(keys: str) -> MultiFernet:
    """What encrypts with the first of the keys and decrypts with any of them. Raises WrongKey."""
    try:
        return MultiFernet([Fernet(each.strip()) for each in keys.split(",") if each.strip()])
    except ValueError as error:
        raise WrongKey("an encryption key is 32 bytes in URL-safe base64") from error


def is_key(keys: str) -> bool:
    """Whether these can be used."""
    try:
        cipher(keys)
    except WrongKey:
        return False
    return True


class Sealed(TypeDecorator[str]):
    """Text that is encrypted in the database (Fernet: AES-128 in CBC mode with HMAC-SHA256)."""

    impl = Text
    cache_ok = False  # statements are cached by their types, and a cipher is not a part of a statement's name

    def __init__(self, cipher: MultiFernet) -> None:
        super().__init__()
        self._cipher = cipher

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Encrypt."""
        return None if value is None else self._cipher.encrypt(value.encode()).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Decrypt. Raises WrongKey."""
        try:
            return None if value is None else self._cipher.decrypt(value).decode()
        except InvalidToken as error:
            raise WrongKey("stored with another encryption key") from error


class Installations(AsyncInstallationStore):
    """Of one app. Bolt saves and finds them while people install it, and removes them when they take it out of a workspace.

    The SDK's synchronous store does the work, in threads: its asynchronous one would want a second pool of connections beside the
    database's own, without what makes SQLite safe for many processes.
    """

    def __init__(self, database: Database, client_id: str, keys: str) -> None:
        self._client_id = client_id
        self._engine = database.engine
        self._store = SQLAlchemyInstallationStore(client_id, self._engine)
        sealed = Sealed(cipher(keys))
        for column in (*self._store.bots.c, *self._store.installations.c):
            if isinstance(column.type, String) and column.name not in CLEAR:
                column.type = sealed

    @property
    def logger(self) -> logging.Logger:
        """Bolt asks for it."""
        return log

    async def of(self, team: str) -> Installed | None:
        """The workspace's newest installation. Raises WrongKey."""
        found = await asyncio.to_thread(self._newest, team)
        return found[0] if found else None

    def all(self) -> list[Installed]:
        """Every workspace; not for an event loop's thread. Raises WrongKey."""
        return self._newest(None)

    async def async_save(self, installation: Installation) -> None:
        """Keep it."""
        await asyncio.to_thread(self._store.save, installation)
        log.info("a workspace has installed the app, team=%s", installation.team_id)

    async def async_save_bot(self, bot: Bot) -> None:
        """Keep the bot's part of one."""
        await asyncio.to_thread(self._store.save_bot, bot)

    async def async_find_bot(self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False) -> Bot | None:
        """What Bolt answers events with."""
        return await asyncio.to_thread(
            self._store.find_bot, enterprise_id=enterprise_id, team_id=team_id, is_enterprise_install=is_enterprise_install
        )

    async def async_find_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None, is_enterprise_install: bool | None = False
    ) -> Installation | None:
        """An installation with who made it."""
        return await asyncio.to_thread(
            self._store.find_installation,
            enterprise_id=enterprise_id,
            team_id=team_id,
            user_id=user_id,
            is_enterprise_install=is_enterprise_install,
        )

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """The bot's token is void, and with it everything that was stored of the workspace."""
        await asyncio.to_thread(self._store.delete_bot, enterprise_id=enterprise_id, team_id=team_id)
        await asyncio.to_thread(self._store.delete_installation, enterprise_id=enterprise_id, team_id=team_id)
        log.info("a workspace has removed the app, team=%s", team_id)

    async def async_delete_installation(self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None) -> None:
        """Forget who installed it."""
        await asyncio.to_thread(self._store.delete_installation, enterprise_id=enterprise_id, team_id=team_id, user_id=user_id)

    def _newest(self, team: str | None) -> list[Installed]:
        c = self._store.bots.c
        mine = [c.client_id == self._client_id, c.team_id.is_not(None), c.bot_token.is_not(None)]
        newest = select(func.max(c.id)).where(*mine).group_by(c.team_id)
        wanted = newest if team is None else newest.where(c.team_id == team)
        with self._engine.connect() as connection:
            rows = connection.execute(select(c.team_id, c.team_name, c.bot_token, c.bot_user_id).where(c.id.in_(wanted)).order_by(c.id))
            return [Installed(each.team_id, each.team_name or each.team_id, each.bot_token, each.bot_user_id or "") for each in rows]


class States(AsyncOAuthStateStore):
    """Installations that have begun in a browser; each can be ended once, in time, by whatever process."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    @property
    def logger(self) -> logging.Logger:
        """Bolt asks for it."""
        return log

    async def async_issue(self, *_: object, **__: object) -> str:
        """A new one."""
        return await asyncio.to_thread(self._issue)

    async def async_consume(self, state: str) -> bool:
        """Whether it had begun and had not ended; now it has."""
        return await asyncio.to_thread(self._consume, state)

    def _issue(self) -> str:
        state, now = secrets.token_urlsafe(32), self._now().replace(tzinfo=None)
        with self._database.session() as session:
            session.execute(delete(SlackState).where(SlackState.expire_at <= now))
            session.add(SlackState(state=state, expire_at=now + timedelta(seconds=STATE_SECONDS)))
        return state

    def _consume(self, state: str) -> bool:
        now = self._now().replace(tzinfo=None)
        with self._database.session() as session:  # one statement, so that of two processes only one finds it
            ended = session.execute(delete(SlackState).where(SlackState.state == state, SlackState.expire_at > now).returning(SlackState.id))
            return ended.first() is not None
