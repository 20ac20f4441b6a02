"""Who people are, and where they are written to directly; asked of Slack once."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence

from slack_sdk.web.async_client import AsyncWebClient

from bot.platforms.base import Undeliverable
from bot.platforms.slack.calls import insist, once
from bot.platforms.slack.places import Place

log = logging.getLogger(__name__)

REMEMBERED = 5_000


class People:
    """Of the workspace that `client` belongs to."""

    def __init__(self, client: AsyncWebClient, pauses: Sequence[float]) -> None:
        self._client = client
        self._pauses = pauses
        self._names: OrderedDict[str, str] = OrderedDict()
        self._direct: OrderedDict[str, str] = OrderedDict()

    async def name(self, user: str) -> str:
        """What others call them; their id where Slack does not say."""
        if user not in self._names:
            try:
                found = (await once(lambda: self._client.users_info(user=user)))["user"]
            except Undeliverable as error:
                log.info("a name is not known, error=%s", error)
                return user
            profile = found.get("profile", {})
            _remember(self._names, user, profile.get("display_name") or profile.get("real_name") or found.get("name") or user)
        return self._names[user]

    async def direct(self, team: str, user: str) -> Place:
        """Their direct messages with the bot. Raises Undeliverable."""
        if user not in self._direct:
            answer = await insist(lambda: self._client.conversations_open(users=user), self._pauses)
            _remember(self._direct, user, answer["channel"]["id"])
        return Place(team, self._direct[user])


def _remember(known: OrderedDict[str, str], key: str, value: str) -> None:
    known[key] = value
    while len(known) > REMEMBERED:
        known.popitem(last=False)
