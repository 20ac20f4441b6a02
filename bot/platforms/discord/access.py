"""Whom and where the configuration allows."""

from __future__ import annotations

import discord

from trainer.settings import DiscordSettings


class Access:
    """The allow-lists; owners pass them all."""

    def __init__(self, settings: DiscordSettings) -> None:
        self._settings = settings

    def is_owner(self, user: discord.abc.User) -> bool:
        """Whether they may use /admin."""
        return str(user.id) in self._settings.owners

    def allows(self, user: discord.abc.User, guild_id: int | None, channel: object) -> bool:
        """Whether they are served there."""
        if self.is_owner(user):
            return True
        if guild_id is None:
            return self._settings.direct_messages
        ids = {str(number) for number in (getattr(channel, "id", None), getattr(channel, "parent_id", None)) if number}
        roles = {str(role.id) for role in getattr(user, "roles", ())}
        return _listed(self._settings.servers, {str(guild_id)}) and _listed(self._settings.channels, ids) and _listed(self._settings.roles, roles)


def _listed(allowed: tuple[str, ...], found: set[str]) -> bool:
    return not allowed or not found.isdisjoint(allowed)
