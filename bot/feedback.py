"""Thumbs, corrections and reports: kept as rows; what an answer should have been becomes a lesson, after a moment in which more may come."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

from bot import texts
from bot.app import App
from bot.commands import React
from bot.errors import ConsentMissing, NothingThere
from bot.lessons import Teaching
from bot.messages import Action, InboundMessage, Reaction
from storage.records import DownReason, ExchangeRecord, FeedbackKind, LessonRecord, UserRecord
from storage.repositories.base import Clock, utc_now
from trainer.statements import statement

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What becomes of a thumb: a sentence, buttons, and the correction that takes it up, to be learned after `begin`."""

    text: str
    actions: tuple[Action, ...] = ()
    lesson: LessonRecord | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an opinion comes from; `dedupe_key` is the same when the platform delivers it again."""

    platform: str
    channel: str
    dedupe_key: str

    @classmethod
    def of(cls, message: InboundMessage) -> _Place:
        return cls(message.platform, message.channel, f"{message.platform}:{message.message_id}")


class Opinions:
    """What users think of answers."""

    def __init__(self, app: App, teaching: Teaching, now: Clock = utc_now) -> None:
        self._app = app
        self._exchanges = app.repositories.exchanges
        self._feedback = app.repositories.feedback
        self._lessons = app.repositories.lessons
        self._users = app.repositories.users
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
        if command.kind == "report":
            return self._report(user, exchange, _Place.of(message), command.correction, may_learn=self._may_learn(user, message))
        if reason is not None:
            self._feedback.add(exchange.id, user.id, "down")
            return self._explain(user, message, exchange.id, reason)
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
        """Keep or take back a thumb or a report on one answer's message; None where it is on something else, or on another's answer."""
        exchange = self._exchanges.by_reply(reaction.platform, reaction.message_id)
        if exchange is None or exchange.user_id != user.id:
            return None
        if not reaction.removed:
            return self._reacted(user, exchange, reaction)
        kinds: tuple[FeedbackKind, ...] = ("report", "down") if reaction.kind == "report" else (reaction.kind,)
        standing = [each for each in self._feedback.of_exchange(exchange.id) if each.kind in kinds]
        withdrawn = [self._feedback.withdraw(exchange.id, user.id, kind, say=statement) for kind in kinds]
        if not any(withdrawn):
            return None
        learned = [self._lessons.get(each.lesson_id) for each in standing if each.lesson_id is not None]
        late = [each.number for each in learned if each is not None and each.state in ("running", "live")]
        return Opinion(texts.withdrawn_late(late[0]) if late else texts.REACTION_WITHDRAWN)

    def answered(self, user: UserRecord, message: InboundMessage, text: str) -> Opinion | None:
        """What becomes of a message that answers the question what was bad; None for every other one, which ends the question.

        Raises ConsentMissing.
        """
        exchange_id, reason = self._asked.get(user.id), _reason(text)
        if exchange_id is not None and reason is not None:
            return self._explain(user, message, exchange_id, reason)
        self._asked.pop(user.id, None)
        return None

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

    def _reacted(self, user: UserRecord, exchange: ExchangeRecord, reaction: Reaction) -> Opinion:
        match reaction.kind:
            case "up":
                return self._like(user, exchange)
            case "down":
                return self._dislike(user, exchange)
            case "report":
                # The same sign may be taken off and given again, and each time it is another event.
                here = _Place(reaction.platform, reaction.channel, f"{reaction.platform}:{reaction.message_id}:{self._now().isoformat()}")
                may_learn = self._users.has_consent(user.id, texts.CONSENT_VERSION)
                return self._report(user, exchange, here, None, may_learn=may_learn)

    def _explain(self, user: UserRecord, message: InboundMessage, exchange_id: int, reason: DownReason) -> Opinion:
        self._feedback.explain(exchange_id, user.id, reason)
        self._teaching.require_consent(user, message)  # until they agree, the question stays open
        self._asked.pop(user.id, None)
        lesson = self._improve(user, exchange_id, reason, _Place.of(message))
        return Opinion(texts.LOOKING_FOR_BETTER if lesson else texts.REASON_NOTED, lesson=lesson)

    def _report(self, user: UserRecord, exchange: ExchangeRecord, here: _Place, note: str | None, *, may_learn: bool) -> Opinion:
        self._asked.pop(user.id, None)
        self._feedback.withdraw(exchange.id, user.id, "up")
        self._feedback.add(exchange.id, user.id, "report", note)
        log.info("an answer was reported, exchange=%d user=%d version=%s", exchange.id, user.id, exchange.version)
        lesson = self._improve(user, exchange.id, "harmful", here) if may_learn else None
        return Opinion(texts.REPORTED_AND_LOOKING if lesson else texts.REPORTED, lesson=lesson)

    def _improve(self, user: UserRecord, exchange_id: int, reason: DownReason, here: _Place) -> LessonRecord | None:
        """Have the model look for a better answer; None where that answer is being corrected, or was."""
        begins_at = self._now() + timedelta(seconds=self._app.settings.feedback.wait_seconds)
        asked = self._feedback.improve(
            exchange_id, user.id, reason, begins_at, dedupe_key=here.dedupe_key, platform=here.platform, channel=here.channel
        )
        return asked[0] if asked is not None else None

    def _may_learn(self, user: UserRecord, message: InboundMessage) -> bool:
        with suppress(ConsentMissing):
            self._teaching.require_consent(user, message)
        return self._users.has_consent(user.id, texts.CONSENT_VERSION)

    def _exchange(self, user: UserRecord, message: InboundMessage, *, asked: bool) -> ExchangeRecord:
        exchange = self._exchanges.get(self._asked[user.id]) if asked and user.id in self._asked else None
        if exchange is None and message.reply_to is not None:
            exchange = self._exchanges.by_reply(message.platform, message.reply_to)
        exchange = exchange or self._exchanges.last_answered(user.id, message.platform, message.channel)
        if exchange is None or exchange.user_id != user.id:
            raise NothingThere(texts.NO_ANSWER_YET)
        return exchange


def is_correction(command: React) -> bool:
    """Whether it says what the answer should have been."""
    return command.kind == "down" and command.correction is not None and _reason(command.correction) is None


def _reason(text: str) -> DownReason | None:
    """The reason that a text names, if it names one and says nothing else."""
    said = re.sub(r"^(it('s| is| was) )?(just |a bit |too )?", "", text.strip().strip(".!").lower())
    named = {label.removeprefix("too "): reason for reason, label in texts.REASONS.items()}
    named |= {reason: reason for reason in get_args(DownReason)} | {"else": "other"}
    return named.get(said)
