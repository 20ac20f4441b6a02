"""What each HTTP operation does to the world: one method per operation, by the name that Discord's description gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.discord.errors import Refusal
from tests.fakes.discord.interaction_routes import InteractionRoutes
from tests.fakes.discord.message_routes import MessageRoutes
from tests.fakes.discord.messages import Message
from tests.fakes.discord.places import BOT_PERMISSIONS, PUBLIC_THREAD, new_id
from tests.fakes.discord.routing import Answer, Ask
from tests.fakes.discord.world import World


class Routes(MessageRoutes, InteractionRoutes):
    """The operations that a chat bot needs."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.gateway_url = ""

    def handler(self, operation: str) -> Callable[[Ask], Answer] | None:
        """Who carries out an operation."""
        return None if operation.startswith("_") else getattr(self, operation, None)

    def edited(self, operation: str, ask: Ask) -> Message | None:
        """The message that a request edits, if it edits one."""
        try:
            match operation:
                case "update_message":
                    return self._message(ask)
                case "update_original_webhook_message":
                    return self._original(ask)
                case "update_webhook_message":
                    return self._followed_up(ask)
                case "create_interaction_response":
                    interaction = self._world.interactions.get(ask.path["interaction_token"])
                    return interaction.message if interaction else None
        except Refusal:
            pass
        return None

    # The bot itself

    def get_my_user(self, ask: Ask) -> Answer:
        return 200, {**self._world.bot.payload(), "mfa_enabled": False, "locale": "en-US", "verified": True}

    def get_my_application(self, ask: Ask) -> Answer:
        bot = self._world.bot
        return 200, {
            "id": str(bot.id), "name": bot.name, "icon": None, "description": "", "type": None, "verify_key": "0" * 64,
            "flags": self._world.application_flags, "flags_new": str(self._world.application_flags), "redirect_uris": [],
            "interactions_endpoint_url": None, "role_connections_verification_url": None, "owner": self._world.owner.payload(),
            "approximate_guild_count": len(self._world.guilds), "approximate_user_install_count": 0, "bot_public": True,
            "approximate_user_authorization_count": 0, "explicit_content_filter": 0, "team": None, "eligible_oauth2_scopes": [],
            "bot_require_code_grant": False, "bot": bot.payload(), "rpc_origins": [],
            "integration_types_config": {"0": {}, "1": {}},
        }  # fmt: skip

    get_my_oauth2_application = get_my_application

    def get_gateway(self, ask: Ask) -> Answer:
        return 200, {"url": self.gateway_url}

    def get_bot_gateway(self, ask: Ask) -> Answer:
        limit = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
        return 200, {"url": self.gateway_url, "shards": 1, "session_start_limit": limit}

    def list_my_guilds(self, ask: Ask) -> Answer:
        shown = ("id", "name", "icon", "banner", "features")
        rights = {"owner": False, "permissions": str(BOT_PERMISSIONS)}
        return 200, [{**{key: each.payload()[key] for key in shown}, **rights} for each in self._world.guilds.values()]

    def get_user(self, ask: Ask) -> Answer:
        return 200, self._user(ask.id("user_id")).payload()

    # Servers

    def get_guild(self, ask: Ask) -> Answer:
        return 200, self._guild(ask).payload()

    def list_guild_channels(self, ask: Ask) -> Answer:
        return 200, [each.payload() for each in self._guild(ask).channels.values() if each.kind != PUBLIC_THREAD]

    def list_guild_roles(self, ask: Ask) -> Answer:
        return 200, self._guild(ask).role_payloads()

    def get_guild_member(self, ask: Ask) -> Answer:
        guild = self._guild(ask)
        user = guild.members.get(ask.id("user_id"))
        if user is None:
            raise Refusal(404, 10007, "Unknown Member")
        return 200, {**guild.member(user), "user": user.payload()}

    # Channels

    def create_dm(self, ask: Ask) -> Answer:
        return 200, self._world.dm(self._user(int(ask.body["recipient_id"]))).payload()

    def get_channel(self, ask: Ask) -> Answer:
        return 200, self._channel(ask).payload()

    def trigger_typing_indicator(self, ask: Ask) -> Answer:
        self._channel(ask, "SEND_MESSAGES").typing += 1
        return 204, None

    def create_thread_from_message(self, ask: Ask) -> Answer:
        channel = self._channel(ask, "CREATE_PUBLIC_THREADS")
        message = self._message(ask)
        if message.thread:
            raise Refusal(400, 160004, "A thread has already been created for this message", fault=True)
        return 201, self._world.add_thread(ask.body["name"], channel, self._world.bot, message).payload()

    def create_thread(self, ask: Ask) -> Answer:
        channel = self._channel(ask, "CREATE_PUBLIC_THREADS")
        return 201, self._world.add_thread(ask.body["name"], channel, self._world.bot).payload()

    def join_thread(self, ask: Ask) -> Answer:
        self._channel(ask)
        return 204, None

    def add_thread_member(self, ask: Ask) -> Answer:
        self._channel(ask)
        return 204, None

    # Commands

    def list_application_commands(self, ask: Ask) -> Answer:
        return 200, self._world.commands[None]

    def bulk_set_application_commands(self, ask: Ask) -> Answer:
        return 200, self._registered(None, ask.body or [])

    def create_application_command(self, ask: Ask) -> Answer:
        return 201, self._registered(None, [*self._others(None, ask.body), ask.body])[-1]

    def list_guild_application_commands(self, ask: Ask) -> Answer:
        return 200, self._world.commands.get(self._guild(ask).id, [])

    def bulk_set_guild_application_commands(self, ask: Ask) -> Answer:
        return 200, self._registered(self._guild(ask).id, ask.body or [])

    def _others(self, guild_id: int | None, command: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [each for each in self._world.commands.get(guild_id, []) if _key(each) != _key(command)]

    def _registered(self, guild_id: int | None, commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
        before = {_key(each): each["id"] for each in self._world.commands.get(guild_id, [])}
        place = {} if guild_id is None else {"guild_id": str(guild_id)}
        self._world.commands[guild_id] = [
            {
                "description": "", "options": [], "nsfw": False, "integration_types": [0],
                **{key: value for key, value in each.items() if value is not None}, **place,
                "type": each.get("type") or 1, "id": before.get(_key(each), str(new_id())), "version": str(new_id()),
                "application_id": str(self._world.bot.id), "default_member_permissions": _text(each.get("default_member_permissions")),
            }
            for each in commands
        ]  # fmt: skip
        return self._world.commands[guild_id]


def _key(command: Mapping[str, Any]) -> tuple[int, str]:
    return command.get("type") or 1, command["name"]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
