"""Thumbs and corrections: kept as rows, from which a later version trains."""

from __future__ import annotations

from bot import texts
from bot.app import App
from bot.commands import React
from bot.errors import NothingThere
from bot.messages import InboundMessage, Reaction
from storage.records import UserRecord


class Opinions:
    """What users think of answers."""

    def __init__(self, app: App) -> None:
        self._exchanges = app.repositories.exchanges
        self._feedback = app.repositories.feedback

    def react(self, user: UserRecord, message: InboundMessage, command: React) -> str:
        """Keep a thumb for the last answer in the channel; the sentence that says what becomes of it. Raises NothingThere."""
        exchange = self._exchanges.last_answered(user.id, message.platform, message.channel)
        if exchange is None:
            raise NothingThere(texts.NO_ANSWER_YET)
        self._feedback.withdraw(exchange.id, user.id, "down" if command.kind == "up" else "up")
        self._feedback.add(exchange.id, user.id, command.kind, command.correction)
        if command.correction:
            return texts.THANKS_CORRECTION
        return texts.THANKS_UP if command.kind == "up" else texts.THANKS_DOWN

    def react_to_message(self, user: UserRecord, reaction: Reaction) -> str | None:
        """Keep or take back a thumb on one answer's message; None where it is on something else, or on another person's answer."""
        exchange = self._exchanges.by_reply(reaction.platform, reaction.message_id)
        if exchange is None or exchange.user_id != user.id:
            return None
        if reaction.removed:
            return texts.REACTION_WITHDRAWN if self._feedback.withdraw(exchange.id, user.id, reaction.kind) else None
        self._feedback.add(exchange.id, user.id, reaction.kind)
        return texts.THANKS_UP if reaction.kind == "up" else texts.THANKS_DOWN
