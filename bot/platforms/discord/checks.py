"""What `tutee doctor` asks Discord: whether the token works, what the bot may do where it is, and how to invite it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import discord
import httpx
from discord.http import Route

from bot import texts
from bot.doctor import Finding
from bot.platforms.discord.client import PERMISSIONS
from trainer.settings import DiscordSettings

SECONDS = 10.0
MESSAGE_CONTENT = (1 << 18) | (1 << 19)  # the application's flags for the intent: granted, or for fewer than 100 servers


def check(settings: DiscordSettings) -> Iterator[Finding]:
    """The findings. Asks at most four questions; changes nothing."""
    try:
        with httpx.Client(headers={"Authorization": f"Bot {settings.token}"}, timeout=SECONDS) as http:
            application = _asked(http, "/applications/@me")
            if application is None:
                yield Finding("Discord", "broken", texts.DISCORD_LOGIN_REFUSED)
                return
            yield Finding("Discord", "ok", texts.discord_found(str(application["name"])))
            yield _intent(settings, int(application.get("flags") or 0))
            yield from _servers(http)
            yield Finding("Discord invite", "ok", discord.utils.oauth_url(int(application["id"]), permissions=PERMISSIONS))
    except httpx.HTTPError as error:
        yield Finding("Discord", "broken", f"{texts.DISCORD_UNREACHABLE} ({type(error).__name__})")


def _intent(settings: DiscordSettings, flags: int) -> Finding:
    what = "Discord intents"
    if not settings.message_content:
        return Finding(what, "ok", texts.DISCORD_WITHOUT_CONTENT)
    if flags & MESSAGE_CONTENT:
        return Finding(what, "ok", texts.DISCORD_WITH_CONTENT)
    return Finding(what, "broken", texts.DISCORD_INTENT_REFUSED)


def _servers(http: httpx.Client) -> Iterator[Finding]:
    servers = _asked(http, "/users/@me/guilds") or []
    yield Finding("Discord servers", "ok" if servers else "note", texts.discord_servers([str(each["name"]) for each in servers]))
    for each in servers:
        held = discord.Permissions(int(each.get("permissions") or 0))
        lacking = [name for name, wanted in PERMISSIONS if wanted and not getattr(held, name)]
        if lacking and not held.administrator:
            yield Finding("Discord servers", "note", texts.discord_lacks(str(each["name"]), lacking))


def _asked(http: httpx.Client, path: str) -> Any:
    """The answer; None where the token is refused."""
    answer = http.get(f"{Route.BASE}{path}")
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return None
    answer.raise_for_status()
    return answer.json()
