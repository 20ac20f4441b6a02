"""Accounts, files, servers and channels, as JSON where the bot sees them."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.discord.messages import Message

TEXT, DM, GROUP, PUBLIC_THREAD = 0, 1, 3, 11

# Permissions, as bits: developer documentation, "Permissions".
PERMISSIONS = {
    "ADD_REACTIONS": 1 << 6,
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "MANAGE_MESSAGES": 1 << 13,
    "EMBED_LINKS": 1 << 14,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "USE_APPLICATION_COMMANDS": 1 << 31,
    "CREATE_PUBLIC_THREADS": 1 << 35,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
}
BOT_PERMISSIONS = sum(bit for name, bit in PERMISSIONS.items() if name != "MANAGE_MESSAGES")

_EPOCH = 1_420_070_400_000
_serial = itertools.count(1)


def new_id() -> int:
    """A snowflake of now."""
    return (int(time.time() * 1000) - _EPOCH) << 22 | (next(_serial) & 0x3FFFFF)


@dataclass(eq=False)
class User:
    """An account."""

    name: str
    id: int = field(default_factory=new_id)
    bot: bool = False
    closed: bool = False
    """Takes no direct messages of the bot."""
    roles: set[str] = field(default_factory=set)

    def payload(self) -> dict[str, Any]:
        """As Discord shows it."""
        return {
            "id": str(self.id), "username": self.name, "global_name": self.name.title(), "discriminator": "0", "avatar": None,
            "bot": self.bot, "public_flags": 0, "flags": 0, "primary_guild": None,
        }  # fmt: skip


@dataclass(eq=False)
class File:
    """An uploaded file."""

    name: str
    content: bytes
    type: str = "application/octet-stream"
    id: int = field(default_factory=new_id)
    url: str = ""
    ephemeral: bool = False

    def payload(self) -> dict[str, Any]:
        """As an attachment."""
        return {
            "id": str(self.id), "filename": self.name, "size": len(self.content), "url": self.url, "proxy_url": self.url,
            "content_type": self.type, **({"ephemeral": True} if self.ephemeral else {}),
        }  # fmt: skip


@dataclass(eq=False)
class Guild:
    """A server; the bot is a member of it."""

    name: str
    owner: User
    id: int = field(default_factory=new_id)
    members: dict[int, User] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    roles: dict[str, int] = field(default_factory=dict)

    def member(self, user: User) -> dict[str, Any]:
        """A member, without the account."""
        roles = [str(self.roles[name]) for name in sorted(user.roles) if name in self.roles]
        return {
            "roles": roles, "joined_at": moment(self.id), "nick": None, "avatar": None, "banner": None, "flags": 0, "mute": False,
            "deaf": False, "pending": False, "premium_since": None, "communication_disabled_until": None,
        }  # fmt: skip

    def payload(self) -> dict[str, Any]:
        """What HTTP shows of the server."""
        return {
            "id": str(self.id), "name": self.name, "owner_id": str(self.owner.id), "icon": None, "description": None,
            "home_header": None, "splash": None, "discovery_splash": None, "features": [], "banner": None, "application_id": None,
            "region": "deprecated", "afk_channel_id": None, "afk_timeout": 300, "system_channel_id": None, "system_channel_flags": 0,
            "widget_enabled": False, "widget_channel_id": None, "verification_level": 0, "roles": self.role_payloads(),
            "default_message_notifications": 1, "mfa_level": 0, "explicit_content_filter": 0, "max_presences": None,
            "max_members": 500000, "max_stage_video_channel_users": 50, "max_video_channel_users": 25, "vanity_url_code": None,
            "premium_tier": 0, "premium_subscription_count": 0, "preferred_locale": "en-US", "rules_channel_id": None,
            "safety_alerts_channel_id": None, "public_updates_channel_id": None, "premium_progress_bar_enabled": False,
            "premium_progress_bar_enabled_user_updated_at": None, "nsfw": False, "nsfw_level": 0, "emojis": [], "stickers": [],
            "incidents_data": None, "hub_type": None, "latest_onboarding_question_id": None, "embed_enabled": False,
            "embed_channel_id": None, "owner_configured_content_level": 0, "moderator_reporting": None, "profile": None,
        }  # fmt: skip

    def gateway_payload(self) -> dict[str, Any]:
        """GUILD_CREATE."""
        channels = [each.payload() for each in self.channels.values()]
        return {
            **self.payload(), "joined_at": moment(self.id), "large": False, "unavailable": False, "member_count": len(self.members),
            "members": [{**self.member(each), "user": each.payload()} for each in self.members.values() if each.bot],
            "channels": [each for each in channels if each["type"] == TEXT],
            "threads": [each for each in channels if each["type"] == PUBLIC_THREAD],
            "voice_states": [], "presences": [], "stage_instances": [], "guild_scheduled_events": [], "soundboard_sounds": [],
        }  # fmt: skip

    def role_payloads(self) -> list[dict[str, Any]]:
        """`@everyone`, whose permissions are the bot's, and the named roles."""
        named = {"@everyone": self.id, **self.roles}
        return [
            {
                "id": str(identifier), "name": name, "permissions": str(BOT_PERMISSIONS), "position": position, "color": 0,
                "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None}, "hoist": False, "managed": False,
                "mentionable": False, "icon": None, "unicode_emoji": None, "flags": 0, "description": None,
            }
            for position, (name, identifier) in enumerate(named.items())
        ]  # fmt: skip


@dataclass(eq=False)
class Channel:
    """Where messages stand: a text channel, a thread, a direct or a group chat."""

    kind: int
    name: str | None = None
    guild: Guild | None = None
    people: tuple[User, ...] = ()
    parent: Channel | None = None
    owner: User | None = None
    id: int = field(default_factory=new_id)
    denied: int = 0
    """Permissions that the bot does not have here, as bits."""
    messages: dict[int, Message] = field(default_factory=dict)
    typing: int = 0
    """How often the bot showed that it is typing."""

    def deny(self, *names: str) -> None:
        """Take permissions from the bot; before it connects, for the gateway does not tell of it."""
        for name in names:
            self.denied |= PERMISSIONS[name]

    def payload(self) -> dict[str, Any]:
        """As Discord shows it."""
        last = str(max(self.messages)) if self.messages else None
        common = {"id": str(self.id), "type": self.kind, "flags": 0, "last_message_id": last}
        if self.guild is None:
            group = {"name": self.name, "icon": None, "owner_id": str(self.people[0].id)} if self.kind == GROUP else {}
            return {**common, "recipients": [each.payload() for each in self.people], **group}
        common |= {"guild_id": str(self.guild.id), "name": self.name, "parent_id": None, "rate_limit_per_user": 0}
        if self.kind == PUBLIC_THREAD:
            assert self.parent and self.owner
            return {
                **common, "parent_id": str(self.parent.id), "owner_id": str(self.owner.id), "message_count": len(self.messages),
                "member_count": 2, "total_message_sent": len(self.messages),
                "thread_metadata": {
                    "archived": False, "archive_timestamp": moment(self.id), "auto_archive_duration": 1440, "locked": False,
                    "create_timestamp": moment(self.id),
                },
            }  # fmt: skip
        overwrites = [{"id": str(self.guild.id), "type": 0, "allow": "0", "deny": str(self.denied)}] if self.denied else []
        return {**common, "position": 0, "topic": None, "nsfw": False, "permission_overwrites": overwrites}


def moment(identifier: int) -> str:
    """When a snowflake was made."""
    return datetime.fromtimestamp(((identifier >> 22) + _EPOCH) / 1000, UTC).isoformat()
