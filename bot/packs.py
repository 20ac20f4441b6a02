"""Lessons that people give to each other: a pack has a code, and whoever takes it has their own model learn from what was prepared."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from bot import texts
from bot.app import App
from bot.errors import LessonRefused, NothingThere
from bot.lessons import Teaching
from bot.messages import Action, InboundMessage, Notice
from storage.records import LessonRecord, PackRecord, UserRecord

MOST = 20  # lessons in a pack; each is a training run for whoever takes it


def new_code() -> str:
    """A code that nobody guesses."""
    return secrets.token_hex(6)


class Sharing:
    """Everybody's packs."""

    def __init__(self, app: App, teaching: Teaching, new_code: Callable[[], str] = new_code) -> None:
        self._stored = app.repositories
        self._teaching = teaching
        self._new_code = new_code

    def overview(self, user: UserRecord) -> str:
        """What the user gives, and how."""
        packs = self._stored.packs.of_user(user.id)
        return texts.packs([(each.code, [lesson.number for lesson in self._stored.packs.lessons(each)]) for each in packs])

    def share(self, user: UserRecord, numbers: Sequence[int], *, confirmed: bool) -> Notice:
        """Ask whether these lessons are to be given, or (`confirmed`) give them. Raises NothingThere or LessonRefused."""
        lessons = [self._lesson(user, number) for number in dict.fromkeys(numbers)]
        if len(lessons) > MOST:
            raise LessonRefused(texts.too_much_for_a_pack(MOST))
        if confirmed:
            pack = self._stored.packs.share(user.id, [each.id for each in lessons], self._new_code())
            return Notice(texts.shared(pack.code, [each.number for each in lessons]), owner=user.id, private=True)
        given = [(each, self._examples(each)) for each in lessons]
        hidden = dict.fromkeys(kind for each in lessons for kind in self._teaching.secrets_in(each.text))
        line = f"/share {','.join(str(each.number) for each in lessons)} yes"
        return Notice(texts.share_ask(user.name, given, tuple(hidden), line), (Action(texts.SHARE, line),), user.id, private=True)

    def offer(self, code: str) -> Notice:
        """A card from which everybody who sees it can take the pack. Raises NothingThere."""
        pack, giver = self._found(code)
        given = [(each, self._examples(each)) for each in self._stored.packs.lessons(pack)]
        return Notice(texts.offer(giver.name, given, code), (Action(texts.TAKE, f"/take {code}"),))

    def take(self, user: UserRecord, message: InboundMessage, code: str) -> tuple[str, tuple[LessonRecord, ...]]:
        """Lessons of the user's own, to be learned after `Teaching.begin`, and the sentence that names where they come from.

        Raises NothingThere or ConsentMissing.
        """
        pack, giver = self._found(code)
        if giver.id == user.id:
            raise NothingThere(texts.OWN_PACK)
        self._teaching.require_consent(user, message)
        key = f"pack {pack.code}"
        taken = self._stored.packs.take(
            pack, user.id, source=texts.from_pack(giver.name, pack.code), platform=message.platform, channel=message.channel, dedupe_key=key
        )
        waiting = tuple(each for each in taken if not each.is_finished)
        if not waiting:
            raise NothingThere(texts.taken_already(code))
        return texts.taking(giver.name, [each.number for each in waiting]), waiting

    def withdraw(self, user: UserRecord, code: str) -> str:
        """Nobody can take the pack any more; the sentence that says so. Raises NothingThere."""
        if not self._stored.packs.withdraw(user.id, code):
            raise NothingThere(texts.no_such_pack(code))
        return texts.UNSHARED

    def _found(self, code: str) -> tuple[PackRecord, UserRecord]:
        pack = self._stored.packs.by_code(code)
        giver = self._stored.users.get(pack.user_id) if pack is not None else None
        if pack is None or giver is None or not self._stored.packs.lessons(pack):
            raise NothingThere(texts.no_such_pack(code))
        return pack, giver

    def _examples(self, lesson: LessonRecord) -> int:
        return sum(1 for each in self._stored.lessons.examples(lesson.id) if each.refused_category is None and each.role != "rejected")

    def _lesson(self, user: UserRecord, number: int) -> LessonRecord:
        lesson = self._stored.lessons.by_number(user.id, number)
        if lesson is None:
            raise NothingThere(texts.no_such_lesson(number))
        if lesson.state != "live":
            raise NothingThere(texts.not_to_be_shared(number))
        return lesson
