"""The workspaces that have the app: what a call there is made with, whom it finds there, and how often it may be made."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from slack_sdk.web.async_client import AsyncWebClient

from bot.platforms.slack.calls import Refused
from bot.platforms.slack.files import Files
from bot.platforms.slack.installations import Installations, WrongKey
from bot.platforms.slack.people import People
from bot.platforms.slack.tiers import Tiers

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Workspace:
    """One of them; `bot` is the id of the bot's own user there."""

    client: AsyncWebClient
    bot: str
    people: People
    files: Files
    tiers: Tiers = field(default_factory=Tiers)


class Workspaces:
    """`client` knows where Slack is; `pauses` are those between tries.

    With `installations`, those that have installed the app; else the one that the client's token belongs to, as soon as it was `met`.
    """

    def __init__(self, client: AsyncWebClient, pauses: Sequence[float], installations: Installations | None) -> None:
        self._client = client
        self._pauses = pauses
        self._installations = installations
        self._only: Workspace | None = None
        self._known: dict[str, Workspace] = {}

    def meet(self, bot: str) -> None:
        """There is one only, and that is who the bot is there."""
        self._only = self._workspace(self._client, bot)

    async def of(self, team: str) -> Workspace:
        """The workspace with that id. Raises Refused where the app is not installed there, or not any more."""
        if self._installations is None:
            if self._only is None:
                raise Refused("not_connected")
            return self._only
        try:
            installed = await self._installations.of(team)
        except WrongKey as error:
            log.error("a workspace's token cannot be read: SLACK_ENCRYPTION_KEY lacks the key that it was stored with, team=%s", team)
            raise Refused("wrong_key") from error
        if installed is None:
            self._known.pop(team, None)
            raise Refused("not_installed")
        known = self._known.get(team)
        if known is None or known.client.token != installed.token:
            known = self._known[team] = self._workspace(AsyncWebClient(installed.token, self._client.base_url), installed.bot)
        return known

    def _workspace(self, client: AsyncWebClient, bot: str) -> Workspace:
        return Workspace(client, bot, People(client, self._pauses), Files(client, self._pauses))
