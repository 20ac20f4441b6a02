"""What users do with lessons: submit, list, cancel, roll back. A row, then a job."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from bot import texts
from bot.app import App
from bot.errors import AttachmentRefused, ConsentMissing, LessonRefused, NothingThere
from bot.messages import Attachment, InboundMessage
from storage.errors import UnknownVersionError, VersionRemovedError
from storage.records import LessonRecord, UserRecord

TEXT_FILES = (".txt", ".md")
BIGGEST_FILE = 20_000_000  # bytes; more than any text that a lesson can take, so that reading it whole is harmless

_POINTS_TO_FILE = re.compile(
    r"(please\s+)?(read|learn|study|remember)?\s*(from\s+)?(this|it|that|these|the(\s+attached)?)?\s*(file|text|document|notes?)?\W*",
    re.IGNORECASE,
)
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd\ud800-\udfff]")


class Teaching:
    """Everybody's lessons."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._repositories = app.repositories

    def submit(self, user: UserRecord, message: InboundMessage, text: str) -> tuple[LessonRecord, bool]:
        """Keep the lesson, to be learned after `begin`; True if it is new, False where the same message was delivered before.

        Raises ConsentMissing, AttachmentRefused or LessonRefused.
        """
        self.require_consent(user, message)
        material = _material(text, message.attachments)
        self.require_teachable(material)
        here = self._repositories.conversations.current(user.id, message.platform, message.channel)
        return self._repositories.lessons.create(
            user.id,
            "instruction",
            material,
            dedupe_key=f"{message.platform}:{message.message_id}",
            platform=message.platform,
            channel=message.channel,
            conversation_id=here.id,
            source=", ".join(each.name for each in message.attachments) or None,
        )

    def begin(self, lesson: LessonRecord) -> None:
        """Have the lesson learned. Again is the same as once, and mends a crash between the row and the job."""
        if not lesson.is_finished:
            self._app.queue.enqueue_lesson(lesson.id)

    def agree(self, user: UserRecord) -> None:
        """Record the user's consent."""
        self._repositories.users.record_consent(user.id, texts.CONSENT_VERSION)

    def cancel(self, user: UserRecord, number: int | None = None) -> tuple[LessonRecord, ...]:
        """Stop the user's unfinished lesson of that number, or all of them; those that were stopped."""
        unfinished = self._repositories.lessons.unfinished_of_user(user.id)
        return tuple(lesson for lesson in unfinished if number in (None, lesson.number) and self._stop(lesson))

    def roll_back(self, user: UserRecord, number: int) -> str:
        """Make that version live (0: the base model); the sentence that says so. Raises NothingThere."""
        try:
            return texts.rolled_back(self._repositories.adapters.roll_back(user.id, number))
        except UnknownVersionError as error:
            raise NothingThere(texts.no_such_version(number)) from error
        except VersionRemovedError as error:
            raise NothingThere(texts.version_removed(number, self._forgotten_of(user, number))) from error

    def overview(self, user: UserRecord) -> str:
        """The user's lessons with their states."""
        return texts.lessons(self._repositories.lessons.of_user(user.id))

    def versions(self, user: UserRecord) -> str:
        """The live version and the others that ever went live."""
        published = [each for each in self._repositories.adapters.of_user(user.id) if each.published_at]
        numbers = {lesson.id: lesson.number for lesson in self._repositories.lessons.of_user(user.id)}
        return texts.model(self._repositories.adapters.live(user.id), published, numbers)

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


def text_of(attachment: Attachment) -> str:
    """What a text file says. Raises AttachmentRefused for other kinds of files."""
    if PurePath(attachment.name).suffix.lower() not in TEXT_FILES:
        raise AttachmentRefused(texts.file_unsupported(attachment.name, TEXT_FILES))
    if len(attachment.content) > BIGGEST_FILE:
        raise AttachmentRefused(texts.file_too_big(attachment.name, BIGGEST_FILE))
    try:
        text = attachment.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AttachmentRefused(texts.file_not_text(attachment.name)) from error
    return text.replace("\r\n", "\n").strip()


def _material(text: str, attachments: Sequence[Attachment]) -> str:
    """The words and the files' texts; words that only point to the file ("read this") teach nothing."""
    files = [text_of(each) for each in attachments]
    words = [] if files and _POINTS_TO_FILE.fullmatch(text) else [text]
    return "\n\n".join(part for part in (*words, *files) if part)
