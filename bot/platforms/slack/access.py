"""Whom and where the configuration allows."""

from __future__ import annotations

from bot.platforms.slack.places import Place
from trainer.settings import SlackSettings


class Access:
    """The allow-lists; owners pass them all."""

    def __init__(self, settings: SlackSettings) -> None:
        self._settings = settings

    def is_owner(self, user: str) -> bool:
        """Whether they may use /admin."""
        return user in self._settings.owners

    def serves(self, team: str) -> bool:
        """Whether the workspace may have the app."""
        return _listed(self._settings.workspaces, team)

    def allows(self, user: str, place: Place) -> bool:
        """Whether they are served there."""
        if self.is_owner(user):
            return True
        if not self.serves(place.team):
            return False
        return self._settings.direct_messages if place.is_private else _listed(self._settings.channels, place.channel)


def _listed(allowed: tuple[str, ...], found: str) -> bool:
    return not allowed or found in allowed
