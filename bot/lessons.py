"""What users do with lessons: submit, approve, list, cancel, roll back. A row, then a job."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot import texts
from bot.app import App
from bot.errors import AttachmentRefused, ConsentMissing, LessonRefused, NothingThere
from bot.messages import InboundMessage
from storage.errors import UnknownVersionError, VersionRemovedError
from storage.records import LessonRecord, NewSource, UserRecord
from trainer.sources.intent import Kind, intent_of, only_points
from trainer.sources.secret import kinds_of, secrets_in

SAMPLES = 6  # examples shown before a web lesson is learned
BIGGEST_FILE = 20_000_000  # bytes; a file is kept whole until it has been read
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd\ud800-\udfff]")


class Teaching:
    """Everybody's lessons."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._repositories = app.repositories

    def kind_of(self, message: InboundMessage, text: str) -> Kind | None:
        """Whether the sentence itself is meant, what comes with it or leads from it, or the web; None where the words do not tell."""
        return intent_of(text, [each.name for each in message.attachments]).kind

    def secrets_in(self, text: str) -> tuple[str, ...]:
        """What kinds of secrets stand in the words of a lesson; empty where there are none. Files are looked at when they are read."""
        return kinds_of(secrets_in(text))

    def submit(self, user: UserRecord, message: InboundMessage, text: str, kind: Kind = "instruction") -> tuple[LessonRecord, bool]:
        """Keep the lesson, to be learned after `begin`; True if it is new, False where the same message was delivered before.

        Raises ConsentMissing, AttachmentRefused or LessonRefused.
        """
        self.require_consent(user, message)
        sources = self._sources(message, text) if kind == "document" else ()
        if kind == "document" and not sources:
            raise LessonRefused(texts.LESSON_NOTHING_ATTACHED)
        if kind != "document":
            self.require_teachable(text)
        return self._create(user, message, kind, text, sources=sources)

    def refresh(self, user: UserRecord, message: InboundMessage, number: int) -> tuple[LessonRecord, bool]:
        """A new web lesson in place of that one; as `submit`. Raises NothingThere."""
        self.require_consent(user, message)
        old = self._lesson(user, number)
        if old.kind != "web" or old.state != "live":
            raise NothingThere(texts.not_from_web(number))
        return self._create(user, message, "web", old.text, refreshes=old.id)

    def approve(self, user: UserRecord, number: int) -> LessonRecord:
        """The user wants to learn what was shown. Raises NothingThere."""
        approved = self._repositories.lessons.approve(self._lesson(user, number).id)
        if approved is None:
            raise NothingThere(texts.not_awaiting(number))
        return approved

    def drop(self, user: UserRecord, number: int, source: int) -> LessonRecord | None:
        """Leave a source out; the lesson as it waits now, None where that was the last source. Raises NothingThere."""
        lesson = self._lesson(user, number)
        if lesson.state != "awaiting":
            raise NothingThere(texts.not_awaiting(number))
        if not self._repositories.sources.drop(lesson.id, source):
            raise NothingThere(texts.no_such_source(number, source))
        left = self._lesson(user, number)
        if any(each.digest for each in left.sources):
            return left
        self._stop(left)
        return None

    def samples(self, lesson: LessonRecord) -> list[tuple[str, str]]:
        """Some of what would be learned, from each source something."""
        examples = [each for each in self._repositories.lessons.examples(lesson.id) if each.role == "train" and each.refused_category is None]
        of_source = {part.id: part.source_id for part in self._repositories.sources.parts(lesson.id)}
        turns: dict[int | None, int] = {}
        ranked = []
        for example in examples:
            source = of_source.get(example.part_id or 0)
            turns[source] = turns.get(source, 0) + 1
            ranked.append((turns[source], example))
        return [(each.question, each.answer) for _, each in sorted(ranked, key=lambda pair: pair[0])[:SAMPLES]]

    def begin(self, lesson: LessonRecord) -> None:
        """Have the lesson learned. Again is the same as once, and mends a crash between the row and the job."""
        if not lesson.is_finished and lesson.state != "awaiting":
            self._app.queue.enqueue_lesson(lesson.id)

    def agree(self, user: UserRecord) -> None:
        """Record the user's consent."""
        self._repositories.users.record_consent(user.id, texts.CONSENT_VERSION)

    def cancel(self, user: UserRecord, number: int | None = None) -> tuple[LessonRecord, ...]:
        """Stop the user's unfinished lesson of that number, or all of them; those that were stopped."""
        unfinished = self._repositories.lessons.unfinished_of_user(user.id)
        return tuple(lesson for lesson in unfinished if number in (None, lesson.number) and self._stop(lesson))

    def roll_back(self, user: UserRecord, number: int | None) -> str:
        """Make that version live (0: the base model; None: the one before); the sentence that says so. Raises NothingThere."""
        if number is None:
            number = self._version_before(user)
        try:
            return texts.rolled_back(self._repositories.adapters.roll_back(user.id, number))
        except UnknownVersionError as error:
            raise NothingThere(texts.no_such_version(number)) from error
        except VersionRemovedError as error:
            raise NothingThere(texts.version_removed(number, self._forgotten_of(user, number))) from error

    def _version_before(self, user: UserRecord) -> int:
        live = self._repositories.adapters.live(user.id)
        if live is None:
            raise NothingThere(texts.NOTHING_TO_ROLL_BACK)
        usable = [each.number for each in self._repositories.adapters.of_user(user.id) if each.published_at and not each.removed_at]
        return max((number for number in usable if number < live.number), default=0)

    def _forgotten_of(self, user: UserRecord, number: int) -> list[int]:
        known = {i for each in self._repositories.adapters.of_user(user.id) if each.number == number for i in each.lesson_ids}
        return [each.number for each in self._repositories.lessons.of_user(user.id) if each.id in known and each.state == "forgotten"]

    def _stop(self, lesson: LessonRecord) -> bool:
        # The row first: a worker that has begun reads it at its next stage, whatever becomes of the job.
        stopped = self._repositories.lessons.finish(lesson.id, "cancelled")
        self._app.queue.cancel_lesson(lesson.id)
        return stopped

    def require_consent(self, user: UserRecord, message: InboundMessage) -> None:
        """Raises ConsentMissing where the user has not agreed; the operator's consent is recorded."""
        if self._repositories.users.has_consent(user.id, texts.CONSENT_VERSION):
            return
        if not message.operator:
            raise ConsentMissing(texts.CONSENT)
        self.agree(user)

    def require_teachable(self, material: str) -> None:
        """Raises LessonRefused for what is empty, no text or too long."""
        limit = self._app.settings.lesson.max_characters
        if not any(character.isalnum() for character in material):
            raise LessonRefused(texts.LESSON_EMPTY)
        if _NOT_TEXT.search(material):
            raise LessonRefused(texts.LESSON_NOT_TEXT)
        if len(material) > limit:
            raise LessonRefused(texts.lesson_too_long(len(material), limit))

    def _lesson(self, user: UserRecord, number: int) -> LessonRecord:
        lesson = self._repositories.lessons.by_number(user.id, number)
        if lesson is None:
            raise NothingThere(texts.no_such_lesson(number))
        return lesson

    def _create(
        self, user: UserRecord, message: InboundMessage, kind: Kind, text: str,
        *, sources: Sequence[NewSource] = (), refreshes: int | None = None,
    ) -> tuple[LessonRecord, bool]:  # fmt: skip
        here = self._repositories.conversations.current(user.id, message.platform, message.channel)
        return self._repositories.lessons.create(
            user.id,
            kind,
            text,
            dedupe_key=f"{message.platform}:{message.message_id}",
            platform=message.platform,
            channel=message.channel,
            conversation_id=here.id,
            source=", ".join(each.name for each in sources if each.name != texts.YOUR_MESSAGE) or None,
            sources=sources,
            refreshes=refreshes,
        )

    def _sources(self, message: InboundMessage, text: str) -> tuple[NewSource, ...]:
        """The files and links, and what the words say besides "read this"."""
        limit = min(BIGGEST_FILE, self._app.settings.sources.max_bytes)
        for each in message.attachments:
            if len(each.content) > limit:
                raise AttachmentRefused(texts.file_too_big(each.name, limit))
            if not each.content.strip():
                raise AttachmentRefused(texts.file_empty(each.name))
        found = intent_of(text)
        if _NOT_TEXT.search(found.words):
            raise LessonRefused(texts.LESSON_NOT_TEXT)
        words = [] if only_points(found.words) else [NewSource(texts.YOUR_MESSAGE, found.words.encode())]
        files = [NewSource(each.name, each.content) for each in message.attachments]
        return (*words, *files, *(NewSource(link, address=link) for link in found.links))
