"""What is said about lessons: files and sources, progress, receipts, lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.texts.owning import UNCHANGED
from bot.texts.phrases import duration, listed, sentence, shortened
from storage.records import LessonRecord, SourceRecord
from trainer.contracts import Stage

NOT_A_FILE = "it is not a regular file"
LESSON_EMPTY = "There is nothing to learn in that line. Write the fact after [Learn], like this: [Learn] Our office cat is called Miso."
LESSON_NOT_TEXT = "That lesson holds characters that are not text, as in a picture or a program. Please send me plain text."
ATTACH_WITH_LEARN = "I only read files that come with a lesson. Attach the file again, and write [Learn] in the message."
LESSON_NOTHING_ATTACHED = "There is no file and no link in that message. Send it again with the file attached, or with the link in it."
SOURCE_UNCLEAR = "Shall I search the web for this, or just remember the sentence? Write /search or /remember."
NOTHING_UNCLEAR = "Write what I should search for or remember, as in /search air pollution in Delhi"
ATTACH_ELSEWHERE = "Attach the file to your [Learn] message itself; /file is for the terminal."
NOTHING_TO_CANCEL = "I am not learning anything at the moment."
NO_LESSONS = "You have not taught me anything yet. Try: [Learn] Our office cat is called Miso."
NOT_YOUR_WORDS = "I only learn from your own messages and from mine: what others write is theirs. Tell me in your own words with [Learn]."
APPROVE_USAGE = "Write /approve and the number of a lesson that waits for your word, as in /approve 2. /lessons lists them."
DROP_USAGE = "Write /drop, the number of the lesson and that of the source, as in /drop 2 1."
REFRESH_USAGE = "Write /refresh and the number of a lesson from the web, as in /refresh 2. /lessons lists them."
SEARCH_WEB = "Search the web"
REMEMBER = "Remember it"
APPROVE = "Learn this"
LEARN_ANYWAY, LEAVE_IT = "Learn it anyway", "Leave it"
LEARNING_ANYWAY = "Then I learn it. /forget takes it out of your model again."
LESSON_DROPPED = "I dropped that, and kept nothing of it."
NOTHING_TO_CONFIRM = "No lesson of yours waits to be confirmed. If I was restarted, please send it again."
YOUR_MESSAGE = "your message"
FILE_USAGE = "Write /file and the path of a file, as in /file notes.txt."
NOTHING_NEW = "There was nothing new in it for me: what I can answer about it, I could answer before."
TEACH_HINT = "You can teach me: write [Learn] and the fact."
_STAGES: dict[Stage, str] = {
    "queued": "waiting for its turn",
    "read": "reading",
    "moderate": "checking that I may learn it",
    "write": "writing examples",
    "screen": "checking the examples",
    "train": "training",
    "check": "checking what I learned",
    "live": "going live",
}


def choice_of_lesson(lesson: LessonRecord) -> str:
    """A lesson to choose."""
    return f"{lesson.number}: {shortened(_about(lesson))}"


def file_skipped(name: str) -> str:
    """A file that came with a message that is no lesson."""
    return f"I did not look at {name}: I only read files that come with [Learn]."


def lessons_page(records: Sequence[LessonRecord], page: int, pages: int) -> str:
    """One page of the list of lessons."""
    return lessons(records) if pages < 2 else f"{lessons(records)}\n(page {page} of {pages})"


def lesson_too_long(length: int, limit: int) -> str:
    """A lesson over the limit."""
    return f"That lesson has {length:,} characters, and I can take {limit:,} at once. Please split it into shorter lessons."


def no_such_lesson(number: int) -> str:
    """A number that is no lesson's."""
    return f"You have no lesson {number}. /lessons lists them."


def file_missing(path: str) -> str:
    """A path where nothing is."""
    return f"There is no file {path}."


def file_is_folder(path: str) -> str:
    """A path of a folder."""
    return f"{path} is a folder. I can read one file at a time."


def file_unreadable(path: str, why: str) -> str:
    """A file that the operating system does not give out."""
    return f"I cannot read {path}: {why}."


def file_too_big(name: str, limit: int) -> str:
    """A file over the limit, which is in bytes."""
    return f"{name} is too big: I read files of up to {limit // 1_000_000} MB."


def file_empty(name: str) -> str:
    """A file without anything in it."""
    return f"{name} is empty."


def file_attached(name: str) -> str:
    """A file that waits for the next line."""
    return f"{name} goes with your next line. Write [Learn] to teach it to me."


def secret_found(kinds: Sequence[str]) -> str:
    """The question before something secret is learned."""
    return (
        f"There is {listed(kinds)} in that, by the look of it. Whoever gets to ask your model could have it said, so I have not stored it yet. "
        "If I should learn it all the same, press Learn it anyway or write /learn-anyway; /learn-anyway no drops it."
    )


def lesson_name(number: int) -> str:
    """What a lesson's moving line begins with."""
    return f"Lesson {number}"


def correction_name(number: int) -> str:
    """What a correction's moving line begins with."""
    return f"Correction {number}"


def withdrawn_late(number: int) -> str:
    """A thumb taken back after its correction was learned."""
    return f"Taken back. What I learned from it stays; /forget {number} takes it out of your model."


def progress(name: str, stage: Stage, percent: int, seconds_left: float | None, note: str | None) -> str:
    """The moving line of a lesson or a rebuild."""
    left = f", about {duration(seconds_left)} left" if seconds_left is not None and seconds_left >= 1 else ""
    return f"{name}: {(note or _STAGES[stage]).rstrip('.')}… [{percent}%{left}]"


def bar(percent: int, length: int = 20) -> str:
    """How far something is, as a bar of so many characters."""
    full = min(100, max(0, percent)) * length // 100
    return "▰" * full + "▱" * (length - full)


def receipt(lesson: LessonRecord, learned: Sequence[tuple[str, str]], refused: Sequence[str], forgot: Sequence[int]) -> str:
    """What came of a lesson."""
    lines = [_outcome(lesson)]
    metrics = lesson.metrics
    if metrics is not None and metrics.changed and lesson.state == "live":
        lines.append("I answer otherwise now:")
        lines += [f"  {question} → {now} (before: {shortened(before)})" for question, before, now in metrics.changed]
    elif learned and lesson.state == "live":
        lines.append("I can answer now, and could not before:")
        lines += [f"  {question} → {answer}" for question, answer in learned]
    elif lesson.state == "live" and metrics is not None and not metrics.replaced:
        lines.append(NOTHING_NEW)
    lines += sources(lesson)
    now = "now" if lesson.state == "live" else "with this lesson"
    if metrics is not None:
        lines.append(f"Right answers to questions I did not train on: {metrics.before:.0%} before, {metrics.after:.0%} {now}.")
        if metrics.earlier_kept is not None:
            lines.append(f"Of your earlier lessons I still know {metrics.earlier_kept:.0%} {now}.")
        if metrics.replaced:
            lines.append(f"It replaces what I learned in lesson {listed([str(number) for number in metrics.replaced])} about this.")
    if forgot:
        lines.append(f"It would have harmed what you taught me before, in lesson {listed([str(number) for number in forgot])}.")
    if metrics is not None and metrics.refused:
        because = f" because of {listed(refused)}" if refused else ""
        lines.append(f"I left out {metrics.refused} example{'s' if metrics.refused != 1 else ''}{because}.")
    elif refused:
        lines.append(f"I left out what is about {listed(refused)}.")
    return "\n".join(lines)


def lessons(records: Sequence[LessonRecord], now: datetime | None = None) -> str:
    """The list of lessons; with the time, also which of them are stale."""
    if not records:
        return NO_LESSONS
    return "Your lessons:\n" + "\n".join(
        f"  {each.number}. {_state(each)}{', a correction' if each.kind == 'correction' else ''}"
        + (f": {shortened(_about(each))}" if _about(each) else "")
        + (f" (stale: /refresh {each.number} searches again)" if now and each.state == "live" and each.is_stale(now) else "")
        for each in records
    )


def _about(lesson: LessonRecord) -> str:
    """What a lesson is about: its words, or of a document the names of what was read."""
    if lesson.kind != "document":
        return lesson.text
    return ", ".join(source.name if source.title is None else f"{source.title} ({source.name})" for source in lesson.sources) or lesson.text


def approval(lesson: LessonRecord, examples: Sequence[tuple[str, str]]) -> str:
    """The question before what was found on the web is learned."""
    lines = [f"Lesson {lesson.number}: this is what I found on the web. Shall I learn it?"]
    lines += [f"  {each.number}. {_source(each)}" for each in lesson.sources if each.digest]
    lines += ["For instance:", *(f"  {question} → {shortened(answer, 140)}" for question, answer in examples)]
    number = lesson.number
    lines.append(f"/approve {number} learns it, /drop {number} and a source's number leaves that source out, /cancel {number} drops it all.")
    return "\n".join(lines)


def not_awaiting(number: int) -> str:
    """A lesson that waits for nobody's word."""
    return f"Lesson {number} does not wait for your word. /lessons lists your lessons."


def no_such_source(lesson: int, source: int) -> str:
    """A number that is no source's."""
    return f"Lesson {lesson} has no source {source}."


def all_dropped(number: int) -> str:
    """No source is left."""
    return f"That was the last source, so I learn nothing from lesson {number}."


def not_from_web(number: int) -> str:
    """A lesson that cannot be refreshed."""
    return f"Lesson {number} is not from the web, so there is nothing to search again."


def drop_source(number: int) -> str:
    """A button."""
    return f"Without {number}"


def awaiting(number: int) -> str:
    """The moving line of a lesson that waits for its user's word."""
    return f"Lesson {number}: waiting for your word…"


def sources(lesson: LessonRecord) -> list[str]:
    """What was read, a sentence for each source and for what was left out of it."""
    lines = []
    for each in lesson.sources:
        if each.read_at is None:
            continue
        if each.digest is None:
            lines += [sentence(why) for why in each.skipped if why != lesson.reason]
            continue
        lines.append(f"I read {_source(each)}.")
        if each.skipped:
            lines.append(f"  Left out: {'; '.join(each.skipped)}.")
    return lines


def _source(source: SourceRecord) -> str:
    """A source with what is known of it: "Towns (towns.pdf), by A. Writer, 2026-01-31: 12 pages, 3,431 words in English"."""
    named = source.name if source.title in (None, source.name) else f"{shortened(source.title or '')} ({source.name})"
    by = f", by {source.author}" if source.author else ""
    dated = f", {source.published}" if source.published else ""
    pages = f"{source.pages:,} page{'s' if source.pages != 1 else ''}, " if source.pages else ""
    language = f" in {source.language}" if source.language else ""
    return f"{named}{by}{dated}: {pages}{source.words or 0:,} words{language}"


def cancelled(numbers: Sequence[int], rebuilds: Sequence[int | None] = ()) -> str:
    """Lessons that were stopped, and rebuilds, by the lesson that each was to forget (None: no lesson)."""
    what = [f"lesson {listed([str(number) for number in numbers])}"] if numbers else []
    what += ["rebuilding your model" if number is None else f"forgetting lesson {number}" for number in rebuilds]
    return f"I stopped {listed(what)}. Your model stays as it is."


def _outcome(lesson: LessonRecord) -> str:
    took = f" in {duration(lesson.metrics.seconds)}" if lesson.metrics else ""
    name = correction_name(lesson.number) if lesson.kind == "correction" else lesson_name(lesson.number)
    reason = sentence(lesson.reason or "I do not know why")  # a reason says what to do, where something can be done
    match lesson.state:
        case "live":
            return f"{name} is live{took}: your model is now {lesson.version}."
        case "rejected":
            return f"{name} was not learned. {reason} {UNCHANGED}"
        case "failed":
            return f"{name} did not work out. {reason} {UNCHANGED}"
        case "cancelled":
            return f"{name} was cancelled. {UNCHANGED}"
        case _:
            return f"{name} is {lesson.state}."


def _state(lesson: LessonRecord) -> str:
    match lesson.state:
        case "live":
            return f"live as {lesson.version}"
        case "queued":
            return "waiting"
        case "running":
            return "being learned"
        case "awaiting":
            return f"waiting for your word (/approve {lesson.number})"
        case other:
            return other
