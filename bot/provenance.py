"""Where an answer comes from: the lesson whose examples match it best, confirmed by what a version without that lesson says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot import texts
from bot.app import App
from bot.errors import EngineError, NothingThere
from bot.messages import InboundMessage
from storage.records import AdapterRecord, ExampleRecord, ExchangeRecord, LessonRecord, SourceRecord, UserRecord
from trainer import prompts
from trainer.examples import normal, says_unknown, switch_person

MATCHES = 0.6  # from here on, an example says what the answer says: at least half of its words, and most of the question's
# Words that many questions and answers share.
_FILLERS = frozenset([
    "a", "an", "and", "are", "at", "be", "called", "did", "do", "does", "for", "has", "have", "he", "her", "his", "how", "i", "in", "is",
    "it", "its", "me", "my", "name", "of", "on", "or", "our", "she", "that", "the", "their", "them", "they", "this", "to", "was", "we",
    "were", "what", "when", "where", "which", "who", "why", "will", "with", "you", "your",
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    """A lesson that may be behind an answer; `source` is what it was read from, `match` (0 to 1) how well its best example fits."""

    lesson: LessonRecord
    match: float
    source: SourceRecord | None = None


class Provenance:
    """Answers the question "why do you say that?"."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stored = app.repositories

    async def why(self, user: UserRecord, message: InboundMessage) -> str:
        """What is known of where the answer comes from that the message replies to, or the last one. Raises NothingThere."""
        exchange = await asyncio.to_thread(self._exchange, user, message)
        if says_unknown(exchange.answer or ""):
            return texts.WHY_UNKNOWN
        origins = await asyncio.to_thread(self._origins, exchange)
        if not origins:
            return texts.WHY_UNTAUGHT if exchange.version is None else texts.WHY_NO_LESSON
        best = origins[0]
        tied = [each.lesson.number for each in origins[1:] if each.match == best.match]
        without, said = await self._without(exchange, best.lesson)
        same = None if said is None else normal(said) == normal(exchange.answer or "")
        return texts.why(best.lesson, best.source, tied, without.number if without else None, said, same=same)

    def _exchange(self, user: UserRecord, message: InboundMessage) -> ExchangeRecord:
        found = self._stored.exchanges.by_reply(message.platform, message.reply_to) if message.reply_to is not None else None
        found = found or self._stored.exchanges.last_answered(user.id, message.platform, message.channel)
        if found is None or found.user_id != user.id:
            raise NothingThere(texts.NO_ANSWER_YET)
        return found

    def _origins(self, exchange: ExchangeRecord) -> list[Origin]:
        """Lessons that the answer may come from, the best match first: those that its version knows, and those that were being learned."""
        version = self._stored.adapters.by_name(exchange.version) if exchange.version else None
        known = set(version.lesson_ids) if version else set()
        lessons = [each for each in self._stored.lessons.of_user(exchange.user_id) if each.id in known or _was_under_way(each, exchange.created_at)]
        found = [origin for each in lessons if (origin := self._origin(each, exchange)) is not None]
        return sorted(found, key=lambda origin: (-origin.match, -origin.lesson.number))

    def _origin(self, lesson: LessonRecord, exchange: ExchangeRecord) -> Origin | None:
        examples = [each for each in self._stored.lessons.examples(lesson.id) if each.role in ("train", "quiz") and each.refused_category is None]
        if lesson.text and lesson.kind not in ("document", "web"):
            examples.append(ExampleRecord("train", exchange.question, lesson.text))  # what it says, whatever was asked about it
        if not examples:
            return None
        match, best = max(((_match(each, exchange), each) for each in examples), key=lambda pair: pair[0])
        return Origin(lesson, match, self._source(lesson, best.part_id)) if match >= MATCHES else None

    def _source(self, lesson: LessonRecord, part_id: int | None) -> SourceRecord | None:
        of_part = {part.id: part.source_id for part in self._stored.sources.parts(lesson.id)} if part_id is not None else {}
        read = {each.id: each for each in lesson.sources}
        return read.get(of_part.get(part_id or 0, 0)) or (lesson.sources[0] if len(lesson.sources) == 1 else None)

    async def _without(self, exchange: ExchangeRecord, lesson: LessonRecord) -> tuple[AdapterRecord | None, str | None]:
        """The newest version before the answer that did not know the lesson, and what it says now; no text where it cannot be asked."""
        versions = await asyncio.to_thread(self._stored.adapters.of_user, exchange.user_id)
        earlier = [each for each in versions if each.published_at and not each.removed_at and lesson.id not in each.lesson_ids]
        said_by = next((each.number for each in versions if each.name == exchange.version), 0)
        without = max((each for each in earlier if each.number < said_by), key=lambda each: each.number, default=None)
        ask = prompts.chat([], exchange.question, None, self._app.settings.chat.system_prompt)
        try:
            return without, "".join([piece async for piece in self._app.engine.pieces(ask, without.name if without else None)])
        except EngineError:
            return without, None


def _was_under_way(lesson: LessonRecord, at: datetime) -> bool:
    """Whether the lesson was being learned then: its text stood in the prompt."""
    return lesson.created_at <= at and (lesson.finished_at is None or at <= lesson.finished_at) and lesson.kind not in ("document", "web", "tool")


def _match(example: ExampleRecord, exchange: ExchangeRecord) -> float:
    """How well an example fits an exchange: the mean of how much of the answer it says and of how much of the question it asks."""
    if says_unknown(example.answer):
        return 0.0
    asked, question = _words(exchange.question), _words(example.question) | _words(example.answer)
    said = _words(exchange.answer or "") - asked or _words(exchange.answer or "")
    answer = _share(said, _words(example.answer))
    return (answer + _share(asked, question)) / 2 if answer >= 0.5 else 0.0


def _share(wanted: frozenset[str], there: frozenset[str]) -> float:
    return len(wanted & there) / len(wanted) if wanted else 0.0


def _words(text: str) -> frozenset[str]:
    return frozenset(normal(switch_person(text)).split()) - _FILLERS
