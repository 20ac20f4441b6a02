"""What answers to interactions do, with their order and their tokens, by the names that Discord's description gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fakes.discord import errors, limits
from tests.fakes.discord.errors import Refusal
from tests.fakes.discord.messages import Interaction, Message
from tests.fakes.discord.routing import Answer, Ask, Lookups


class InteractionRoutes(Lookups):
    """The first answer, and what may follow it."""

    def create_interaction_response(self, ask: Ask) -> Answer:
        interaction = self._world.interactions.get(ask.path["interaction_token"])
        if interaction is None or interaction.id != ask.id("interaction_id") or interaction.expired:
            raise errors.unknown_interaction()
        if interaction.callback:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.", fault=True)
        kind, data = ask.body["type"], ask.body.get("data") or {}
        if kind not in _callbacks(interaction):
            raise Refusal(400, 50035, f"An interaction of type {interaction.kind} takes no callback {kind}", fault=True)
        interaction.callback = ask.body
        message = None
        if kind in (4, 5):
            message = self._interaction_message(interaction, data)
            interaction.messages.append(message)
            interaction.loading = kind == 5
            if kind == 4:
                self._fill(message, ask, data)
                self._world.post(message)
        elif kind == 7 and interaction.message:
            message = interaction.message
            self._world.change(message, self._changes(message, ask, data))
        if ask.query.get("with_response") in (None, "0", "false"):
            return 204, None
        return 200, self._callback_answer(interaction, kind, message)

    def execute_webhook(self, ask: Ask) -> Answer:
        interaction = self._answered(ask)
        if interaction.loading:
            message = interaction.messages[0]
        else:
            message = self._interaction_message(interaction, ask.body)
            interaction.messages.append(message)
        interaction.loading = False
        self._fill(message, ask, ask.body)
        self._world.post(message)
        return (200, self._shown(message)) if ask.query.get("wait") in ("1", "true") else (204, None)

    def get_original_webhook_message(self, ask: Ask) -> Answer:
        return 200, self._shown(self._original(ask))

    def update_original_webhook_message(self, ask: Ask) -> Answer:
        return self._change(ask, self._original(ask))

    def delete_original_webhook_message(self, ask: Ask) -> Answer:
        return self._remove(ask, self._original(ask))

    def get_webhook_message(self, ask: Ask) -> Answer:
        return 200, self._shown(self._followed_up(ask))

    def update_webhook_message(self, ask: Ask) -> Answer:
        return self._change(ask, self._followed_up(ask))

    def delete_webhook_message(self, ask: Ask) -> Answer:
        return self._remove(ask, self._followed_up(ask))

    def _change(self, ask: Ask, message: Message) -> Answer:
        interaction = self._interaction(ask)
        if interaction.loading and message is interaction.messages[0]:
            interaction.loading = False
            self._fill(message, ask, ask.body)
            self._world.post(message)
        else:
            self._world.change(message, self._changes(message, ask, ask.body))
        return 200, self._shown(message)

    def _remove(self, ask: Ask, message: Message) -> Answer:
        interaction = self._interaction(ask)
        if interaction.loading and message is interaction.messages[0]:
            interaction.loading = False
        else:
            self._world.remove(message)
        return 204, None

    def _interaction(self, ask: Ask) -> Interaction:
        interaction = self._world.interactions.get(ask.path["webhook_token"])
        if interaction is None or ask.id("webhook_id") != self._world.bot.id:
            raise Refusal(404, 10015, "Unknown Webhook")
        if interaction.expired:
            raise errors.invalid_token()
        return interaction

    def _answered(self, ask: Ask) -> Interaction:
        interaction = self._interaction(ask)
        if interaction.callback is None or interaction.callback["type"] == 8:
            raise Refusal(404, 10015, "Unknown Webhook: the interaction has not been answered", fault=True)
        return interaction

    def _original(self, ask: Ask) -> Message:
        interaction = self._answered(ask)
        assert interaction.callback
        if interaction.callback["type"] in (6, 7) and interaction.message:
            return interaction.message
        if not interaction.messages or interaction.messages[0].deleted:
            raise errors.unknown_message()
        return interaction.messages[0]

    def _followed_up(self, ask: Ask) -> Message:
        interaction = self._answered(ask)
        within_reach = list(interaction.messages)
        if interaction.message:
            within_reach.append(interaction.message)
        for each in within_reach:
            if each.id == ask.id("message_id") and not each.deleted:
                return each
        raise errors.unknown_message()

    def _interaction_message(self, interaction: Interaction, data: Mapping[str, Any]) -> Message:
        hidden = bool((data.get("flags") or 0) & limits.EPHEMERAL)
        seen_by = interaction.user if hidden else None
        return Message(interaction.channel, self._world.bot, seen_by=seen_by, interaction=interaction)

    def _callback_answer(self, interaction: Interaction, kind: int, message: Message | None) -> dict[str, Any]:
        about: dict[str, Any] = {"id": str(interaction.id), "type": interaction.kind}
        if message is None:
            return {"interaction": about}
        about |= {
            "response_message_id": str(message.id), "response_message_loading": interaction.loading,
            "response_message_ephemeral": message.ephemeral, "channel_id": str(interaction.channel.id),
        }  # fmt: skip
        if kind == 5:
            return {"interaction": about}
        return {"interaction": about, "resource": {"type": kind, "message": self._shown(message)}}


def _callbacks(interaction: Interaction) -> tuple[int, ...]:
    """How an interaction may be answered: 4 message, 5 message later, 6 edit later, 7 edit, 8 choices, 9 modal."""
    match interaction.kind:
        case 2:
            return (4, 5, 9)
        case 3:
            return (4, 5, 6, 7, 9)
        case 4:
            return (8,)
        case _:
            return (4, 5, 6, 7) if interaction.message else (4, 5)
