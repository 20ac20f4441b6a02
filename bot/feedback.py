"""Thumbs and corrections: kept as rows; what an answer should have been becomes a lesson, after a moment in which more may come."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

from bot import texts
from bot.app import App
from bot.commands import React
from bot.errors import NothingThere
from bot.lessons import Teaching
from bot.messages import Action, InboundMessage, Reaction
from storage.records import DownReason, ExchangeRecord, LessonRecord, UserRecord
from storage.repositories.base import Clock, utc_now
from trainer.statements import statement


@dataclass(frozen=True, slots=True)
class Opinion:
    """What becomes of a thumb: a sentence, buttons, and the correction that takes it up, to be learned after `begin`."""

    text: str
    actions: tuple[Action, ...] = ()
    lesson: LessonRecord | None = None


class Opinions:
    """What users think of answers."""

    def __init__(self, app: App, teaching: Teaching, now: Clock = utc_now) -> None:
        self._app = app
        self._exchanges = app.repositories.exchanges
        self._feedback = app.repositories.feedback
        self._lessons = app.repositories.lessons
        self._teaching = teaching
        self._now = now
        self._asked: dict[int, int] = {}  # what was bad about this answer, by user: the question that each was asked last

    def react(self, user: UserRecord, message: InboundMessage, command: React) -> Opinion:
        """Keep a thumb for the answer that the message replies to, or the last one in the channel.

        Raises NothingThere, and for a correction what Teaching raises for a lesson.
        """
        reason = _reason(command.correction or "")
        exchange = self._exchange(user, message, asked=reason is not None)
        if command.kind == "up":
            return self._like(user, exchange)
        if reason is not None:
            self._feedback.add(exchange.id, user.id, "down")
            return self._explain(user, exchange.id, reason)
        if command.correction is None:
            return self._dislike(user, exchange)
        self._teaching.require_consent(user, message)
        self._teaching.require_teachable(command.correction)
        self._asked.pop(user.id, None)
        self._feedback.withdraw(exchange.id, user.id, "up")
        lesson, _ = self._feedback.correct(
            exchange.id,
            user.id,
            command.correction,
            self._now() + timedelta(seconds=self._app.settings.feedback.wait_seconds),
            dedupe_key=f"{message.platform}:{message.message_id}",
            platform=message.platform,
            channel=message.channel,
            say=statement,
        )
        return Opinion(texts.THANKS_CORRECTION, lesson=lesson)

    def react_to_message(self, user: UserRecord, reaction: Reaction) -> Opinion | None:
        """Keep or take back a thumb on one answer's message; None where it is on something else, or on another person's answer."""
        exchange = self._exchanges.by_reply(reaction.platform, reaction.message_id)
        if exchange is None or exchange.user_id != user.id:
            return None
        if not reaction.removed:
            return self._like(user, exchange) if reaction.kind == "up" else self._dislike(user, exchange)
        standing = [each for each in self._feedback.of_exchange(exchange.id) if each.kind == reaction.kind]
        if not self._feedback.withdraw(exchange.id, user.id, reaction.kind, say=statement):
            return None
        learned = [self._lessons.get(each.lesson_id) for each in standing if each.lesson_id is not None]
        late = [each.number for each in learned if each is not None and each.state in ("running", "live")]
        return Opinion(texts.withdrawn_late(late[0]) if late else texts.REACTION_WITHDRAWN)

    def answered(self, user: UserRecord, text: str) -> Opinion | None:
        """What becomes of a message that answers the question what was bad; None for every other one, which ends the question."""
        exchange_id, reason = self._asked.pop(user.id, None), _reason(text)
        return self._explain(user, exchange_id, reason) if exchange_id is not None and reason is not None else None

    def begin(self, lesson: LessonRecord) -> None:
        """Have a correction learned as soon as no more of them came for a while."""
        if not lesson.is_finished:
            self._app.queue.enqueue_lesson(lesson.id, lesson.begins_at)

    def hurry(self, lesson_ids: Iterable[int]) -> None:
        """Have corrections learned at once: their user waits for them, so no more will come."""
        for lesson_id in lesson_ids:
            lesson = self._lessons.begin_now(lesson_id)
            if lesson is not None:
                self._app.queue.enqueue_lesson(lesson.id, lesson.begins_at)

    def _like(self, user: UserRecord, exchange: ExchangeRecord) -> Opinion:
        self._asked.pop(user.id, None)
        self._feedback.withdraw(exchange.id, user.id, "down", say=statement)
        self._feedback.add(exchange.id, user.id, "up")
        return Opinion(texts.THANKS_UP)

    def _dislike(self, user: UserRecord, exchange: ExchangeRecord) -> Opinion:
        self._feedback.withdraw(exchange.id, user.id, "up")
        self._feedback.add(exchange.id, user.id, "down")
        self._asked[user.id] = exchange.id
        return Opinion(texts.THANKS_DOWN, tuple(Action(label, f"/react 👎 {label}") for label in texts.REASONS.values()))

    def _explain(self, user: UserRecord, exchange_id: int, reason: DownReason) -> Opinion:
        self._asked.pop(user.id, None)
        self._feedback.explain(exchange_id, user.id, reason)
        return Opinion(texts.REASON_NOTED if reason in ("long", "rude", "other") else texts.REASON_NOTED_TEACH)

    def _exchange(self, user: UserRecord, message: InboundMessage, *, asked: bool) -> ExchangeRecord:
        exchange = self._exchanges.get(self._asked[user.id]) if asked and user.id in self._asked else None
        if exchange is None and message.reply_to is not None:
            exchange = self._exchanges.by_reply(message.platform, message.reply_to)
        exchange = exchange or self._exchanges.last_answered(user.id, message.platform, message.channel)
        if exchange is None or exchange.user_id != user.id:
            raise NothingThere(texts.NO_ANSWER_YET)
        return exchange


def _reason(text: str) -> DownReason | None:
    """The reason that a text names, if it names one and says nothing else."""
    said = re.sub(r"^(it('s| is| was) )?(just |a bit |too )?", "", text.strip().strip(".!").lower())
    named = {label.removeprefix("too "): reason for reason, label in texts.REASONS.items()}
    named |= {reason: reason for reason in get_args(DownReason)} | {"else": "other"}
    return named.get(said)
