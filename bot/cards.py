"""What can be done from each reply: its buttons, on platforms that have buttons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot import texts
from bot.messages import Action, Answer, Attachment, Card, LessonProgress, LessonReceipt, Notice, Reply
from storage.records import AdapterRecord, LessonRecord, UserRecord

PAGE = 5  # lessons; each has a button, and a row of buttons holds five everywhere
SHOWN_VERSIONS = 4  # newest versions that have a card, next to the untaught model
AGREE = Action(texts.AGREE, "/agree")
STOP = Action(texts.STOP, "/stop")


def actions(reply: Reply) -> tuple[Action, ...]:
    """The buttons of a reply, in order."""
    match reply:
        case Answer():
            return (
                Action(texts.GOOD, "/react 👍"),
                Action(texts.BAD, "/react 👎", asks=True),
                Action(texts.AGAIN, "/again"),
            )
        case LessonProgress(lesson=number):
            return (Action(texts.CANCEL, "/cancel" if number is None else f"/cancel {number}", danger=True),)
        case LessonReceipt(kind="rebuild" | "forget"):
            return (Action(texts.MY_MODEL, "/model"),)
        case LessonReceipt(lesson=number, state="live"):
            return Action(texts.MY_MODEL, "/model"), Action(texts.FORGET, f"/forget {number}", danger=True)
        case Notice(actions=offered, cards=shown):
            return (*(action for card in shown for action in card.actions), *offered)
        case _:
            return ()


def consent(user: UserRecord) -> Notice:
    """What somebody agrees to before their first lesson."""
    return Notice(texts.CONSENT, (AGREE,), user.id)


def privacy(user: UserRecord, message_days: int) -> Notice:
    """What is kept and trained on, and the ways out."""
    ways_out = Action(texts.EXPORT, "/export"), Action(texts.DELETE, "/delete-me", asks=True, danger=True)
    return Notice(texts.privacy(message_days), ways_out, user.id, private=True)


def deletion(user: UserRecord) -> Notice:
    """The question before everything is deleted."""
    return Notice(texts.DELETE_ASK, (Action(texts.DELETE, "/delete-me", asks=True, danger=True),), user.id, private=True)


def which_source(user: UserRecord) -> Notice:
    """The question whether a lesson means the web or the sentence itself."""
    return Notice(texts.SOURCE_UNCLEAR, (Action(texts.SEARCH_WEB, "/search"), Action(texts.REMEMBER, "/remember")), user.id)


def secret(user: UserRecord, kinds: Sequence[str]) -> Notice:
    """The question whether a lesson with a secret in it is meant."""
    buttons = Action(texts.LEARN_ANYWAY, "/learn-anyway", danger=True), Action(texts.LEAVE_IT, "/learn-anyway no")
    return Notice(texts.secret_found(kinds), buttons, user.id)


def approval(lesson: LessonRecord, samples: Sequence[tuple[str, str]]) -> Notice:
    """The question whether to learn what was found on the web."""
    number, read = lesson.number, [each for each in lesson.sources if each.digest]
    drops = [Action(texts.drop_source(each.number), f"/drop {number} {each.number}") for each in read[:3]] if len(read) > 1 else []
    buttons = Action(texts.APPROVE, f"/approve {number}"), *drops, Action(texts.CANCEL, f"/cancel {number}", danger=True)
    return Notice(texts.approval(lesson, samples), buttons, lesson.user_id)


def lessons(user: UserRecord, records: Sequence[LessonRecord], page: int | None, now: datetime | None = None) -> Notice:
    """The list of lessons, or (with `page`, from 1) a page of it with buttons; with the time, also which of them are stale."""
    if page is None:
        return Notice(texts.lessons(records, now), owner=user.id, private=True)
    pages = max(1, -(-len(records) // PAGE))
    page = min(page, pages)
    here = records[(page - 1) * PAGE : page * PAGE]
    buttons = [Action(texts.forget_lesson(each.number), f"/forget {each.number}", danger=True) for each in here if each.state == "live"]
    if page > 1:
        buttons.append(Action(texts.PREVIOUS, f"/lessons {page - 1}"))
    if page < pages:
        buttons.append(Action(texts.NEXT, f"/lessons {page + 1}"))
    return Notice(texts.lessons_page(here, page, pages), tuple(buttons), user.id, private=True, in_place=True)


def model(
    user: UserRecord, live: AdapterRecord | None, versions: Sequence[AdapterRecord], taught: Sequence[LessonRecord], picture: bytes | None = None
) -> Notice:
    """The versions (those that ever went live), a card for each of the newest and for the untaught model, and how they came along (PNG).

    The newest card comes first.
    """
    numbers = {lesson.id: lesson.number for lesson in taught}
    of_lesson = {lesson.version: lesson for lesson in taught if lesson.version}
    there = [each for each in versions if not each.removed_at]
    shown = [_version(each, numbers, of_lesson.get(each.name), is_live=each == live) for each in there[: -SHOWN_VERSIONS - 1 : -1]]
    buttons: list[Action] = []
    if live is not None:
        buttons = [Action(texts.COMPARE, "/compare", asks=True), Action(texts.ROLL_BACK, "/rollback")]
    if versions:
        use = () if live is None else (Action(texts.UNTAUGHT, "/rollback 0"),)
        shown.append(Card(texts.UNTAUGHT_TITLE, texts.UNTAUGHT_CARD, use, marked=live is None))
    drawn = None if picture is None else Attachment(texts.FILE_OF_PROGRESS, picture)
    return Notice(texts.model(live, versions, numbers), tuple(buttons), user.id, private=True, picture=drawn, cards=tuple(shown))


def _version(version: AdapterRecord, numbers: dict[int, int], lesson: LessonRecord | None, *, is_live: bool) -> Card:
    use = () if is_live else (Action(texts.use_version(version.number), f"/rollback {version.number}"),)
    return Card(texts.version_title(version), texts.version_card(version, numbers, lesson), use, marked=is_live)
