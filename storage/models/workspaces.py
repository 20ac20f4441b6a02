"""Tables of the Slack workspaces that have installed the app.

Slack's SDK writes and reads them; what it calls its columns stands in its `SQLAlchemyInstallationStore`. Everything that is no id and no
time is encrypted before it comes here. Times are in UTC and without a zone, as the SDK compares them.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, Index
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base


class _OfBot:
    """What both of the SDK's tables keep of the bot in a workspace."""

    client_id: Mapped[str]
    app_id: Mapped[str]
    enterprise_id: Mapped[str | None]
    enterprise_name: Mapped[str | None]
    team_id: Mapped[str | None]
    team_name: Mapped[str | None]
    bot_token: Mapped[str | None]
    bot_id: Mapped[str | None]
    bot_user_id: Mapped[str | None]
    bot_scopes: Mapped[str | None]
    bot_refresh_token: Mapped[str | None]
    bot_token_expires_at: Mapped[datetime | None] = mapped_column(DateTime)
    is_enterprise_install: Mapped[bool]
    installed_at: Mapped[datetime] = mapped_column(DateTime)


class SlackBot(_OfBot, Base):
    """The bot's token for a workspace; the newest row counts."""

    __tablename__ = "slack_bots"
    __table_args__ = (Index(None, "client_id", "team_id"), {"sqlite_autoincrement": True})


class SlackInstallation(_OfBot, Base):
    """Who installed the app in a workspace, and what they got for it."""

    __tablename__ = "slack_installations"
    __table_args__ = (Index(None, "client_id", "team_id"), {"sqlite_autoincrement": True})

    enterprise_url: Mapped[str | None]
    user_id: Mapped[str]
    user_token: Mapped[str | None]
    user_scopes: Mapped[str | None]
    user_refresh_token: Mapped[str | None]
    user_token_expires_at: Mapped[datetime | None] = mapped_column(DateTime)
    incoming_webhook_url: Mapped[str | None]
    incoming_webhook_channel: Mapped[str | None]
    incoming_webhook_channel_id: Mapped[str | None]
    incoming_webhook_configuration_url: Mapped[str | None]
    token_type: Mapped[str | None]


class SlackState(Base):
    """An installation that was begun in a browser; its end has to name it."""

    __tablename__ = "slack_oauth_states"
    __table_args__ = (Index(None, "state"), {"sqlite_autoincrement": True})

    state: Mapped[str]
    expire_at: Mapped[datetime] = mapped_column(DateTime)
