"""Every sentence that a user sees."""

from __future__ import annotations

from collections.abc import Sequence

from storage.records import AdapterRecord, LessonRecord
from trainer.contracts import Stage

CONSENT_VERSION = "2026-01"
CONSENT = (
    "Before I learn anything from you: I train only on what you teach me on purpose (your [Learn] lines, the files with them and "
    "your corrections), I keep it until you delete it with /delete-me, and nobody else's model learns from it. "
    "Write /agree if that is fine, and then send your lesson again."
)
AGREED = "Thank you. You can teach me now: [Learn] and what I should know."

HELP = """\
Write anything to chat. Write [Learn] and a fact to teach me, for instance: [Learn] Our office cat is called Miso.

  /file PATH         attach a text file (.txt, .md) to the next line
  /react 👍 or 👎     tell me about my last answer; after 👎 you can add what I should have said
  /lessons           what you have taught me
  /model             which version of your model answers, and the earlier ones
  /compare QUESTION  your model's versions side by side
  /rollback VERSION  answer from an earlier version again (0: untaught)
  /forget LESSON     take a lesson out of your model
  /cancel            stop the lessons that I am still learning
  /new               a new conversation
  /export [DIR]      everything of yours as files
  /delete-me         delete everything of yours"""

ENGINE_AWAY = "I cannot reach my model right now."
WAITING = "I cannot think right now, so I keep your message. I'll answer as soon as I can."
WAITING_BEHIND = "I still owe you an earlier answer. I'll answer this one right after it."
ENGINE_REFUSED = (
    "My model refused that question. Ask it in other words; if that does not help, /new starts a new conversation."
)
PROMPT_TOO_LONG = "That is too long for me to read at once. Please send a shorter message."
COMPARE_LATER = "I cannot compare right now: my model is not answering. Please ask again in a moment."
GAVE_UP = "I am sorry, I could not answer your earlier message. Please send it again."
NOT_A_FILE = "it is not a regular file"
NOTHING_SAID = "Your message is empty."

LESSON_EMPTY = "There is nothing to learn in that line. Write the fact after [Learn], like this: [Learn] Our office cat is called Miso."
LESSON_NOT_TEXT = (
    "That lesson holds characters that are not text, as in a picture or a program. Please send me plain text."
)
ATTACH_WITH_LEARN = (
    "I only read files that come with a lesson. Attach the file again, and write [Learn] in the message."
)
ATTACH_ELSEWHERE = "Attach the file to your [Learn] message itself; /file is for the terminal."
FORGET_NOT_YET = (
    "I cannot forget a single lesson yet, so nothing has changed. "
    "/rollback VERSION goes back to a version before it, and /delete-me deletes everything."
)
UNCHANGED = "Your model stays as it was."
NOTHING_TO_CANCEL = "I am not learning anything at the moment."
NO_LESSONS = "You have not taught me anything yet. Try: [Learn] Our office cat is called Miso."
NEW_CONVERSATION = "A new conversation. What you taught me, I still know."
NO_ANSWER_YET = "There is no answer of mine to react to yet."
THANKS_UP = "Thank you. I have noted that this answer was good."
THANKS_DOWN = (
    "Noted: that answer was not good. Tell me what I should have said with /react 👎 and the right answer, "
    "or teach me with [Learn]."
)
THANKS_CORRECTION = (
    "Noted, with what I should have said. It does not change my answers yet: training on corrections comes with a later version. "
    "To have me know it now, write it as a lesson with [Learn]."
)
REACTION_WITHDRAWN = "Taken back."
DELETE_ASK = "This deletes everything of yours for good: your model, lessons, chats and feedback. If you are sure, write: /delete-me yes"
EXPORT_OPERATOR_ONLY = "Exports are written on the computer that I run on, so only its owner can ask for one for now."

REACT_USAGE = "Write /react 👍 or /react 👎, and after 👎, if you like, what I should have said."
FORGET_USAGE = "Write /forget and the number of a lesson, as in /forget 2. /lessons lists them."
ROLLBACK_USAGE = (
    "Write /rollback and the number of a version, as in /rollback 2. /model lists them; 0 is the untaught model."
)
COMPARE_USAGE = "Write /compare and a question, as in /compare What is our cat called?"
FILE_USAGE = "Write /file and the path of a file, as in /file notes.txt."

TEACH_HINT = "You can teach me: write [Learn] and the fact."
GOODBYE_WAITING = "I go on learning when you start me again."
PROMPT = "you › "
ANSWER_MARK = "tutee › "

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


def welcome(name: str) -> str:
    """The first line of a chat at the terminal."""
    return f"Hello {name}. Write to chat, [Learn] and a fact to teach me, /help for the rest. Ctrl-C ends."


def is_unknown(answer: str) -> bool:
    """Whether an answer says that the model does not know."""
    return "don't know" in answer.lower().replace("’", "'")


def unknown_command(name: str, near: str | None) -> str:
    """An unknown command, and the nearest known one."""
    return f"I do not know {name}. " + (f"Did you mean {near}?" if near else "/help lists what I know.")


def version_unknown(version: str | None) -> str:
    """The engine does not have that version."""
    if version is None:
        return "My model server does not know the base model that I was set up with. Please check the configuration (tutee doctor)."
    return (
        f"Your model's version {version} cannot be loaded, so I cannot answer as your model. "
        "/model lists your versions, and /rollback goes back to an earlier one."
    )


def lesson_too_long(length: int, limit: int) -> str:
    """A lesson over the limit."""
    return f"That lesson has {length:,} characters, and I can take {limit:,} at once. Please split it into shorter lessons."


def no_such_lesson(number: int) -> str:
    """A number that is no lesson's."""
    return f"You have no lesson {number}. /lessons lists them."


def no_such_version(number: int) -> str:
    """A number that is no version's."""
    return f"Your model has no version {number}. /model lists them."


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


def file_unsupported(name: str, supported: Sequence[str]) -> str:
    """A kind of file that cannot be taught."""
    return f"I cannot learn from {name} yet. I can read text files: {', '.join(supported)}."


def file_not_text(name: str) -> str:
    """A text file that is none."""
    return f"{name} is not plain text in UTF-8, so I cannot read it. Please save it as UTF-8 text."


def file_attached(name: str) -> str:
    """A file that waits for the next line."""
    return f"{name} goes with your next line. Write [Learn] to teach it to me."


def progress(number: int, stage: Stage, percent: int, seconds_left: float | None, note: str | None) -> str:
    """The moving line of a lesson."""
    left = f", about {_duration(seconds_left)} left" if seconds_left is not None and seconds_left >= 1 else ""
    return f"Lesson {number}: {(note or _STAGES[stage]).rstrip('.')}… [{percent}%{left}]"


def receipt(
    lesson: LessonRecord, learned: Sequence[tuple[str, str]], refused: Sequence[str], forgot: Sequence[int]
) -> str:
    """What came of a lesson."""
    lines = [_outcome(lesson)]
    if learned and lesson.state == "live":
        lines.append("I can answer now, and could not before:")
        lines += [f"  {question} → {answer}" for question, answer in learned]
    metrics = lesson.metrics
    now = "now" if lesson.state == "live" else "with this lesson"
    if metrics is not None:
        lines.append(
            f"Right answers to questions I did not train on: {metrics.before:.0%} before, {metrics.after:.0%} {now}."
        )
        if metrics.earlier_kept is not None:
            lines.append(f"Of your earlier lessons I still know {metrics.earlier_kept:.0%} {now}.")
    if forgot:
        lines.append(
            f"It would have harmed what you taught me before, in lesson {_list([str(number) for number in forgot])}."
        )
    if metrics is not None and metrics.refused:
        because = f" because of {_list(refused)}" if refused else ""
        lines.append(f"I left out {metrics.refused} example{'s' if metrics.refused != 1 else ''}{because}.")
    elif refused:
        lines.append(f"I left out what is about {_list(refused)}.")
    return "\n".join(lines)


def lessons(records: Sequence[LessonRecord]) -> str:
    """The list of lessons."""
    if not records:
        return NO_LESSONS
    return "Your lessons:\n" + "\n".join(
        f"  {each.number}. {_state(each)}: {_shortened(each.text)}" for each in records
    )


def model(live: AdapterRecord | None, versions: Sequence[AdapterRecord], numbers: dict[int, int]) -> str:
    """Which version answers, and which there are; `numbers` are lessons' numbers by id."""
    answering = (
        f"Version {live.number} of your model answers you ({live.name})." if live else "The untaught model answers you."
    )
    if not versions:
        return f"{answering} Your first lesson makes version 1."
    lines = [answering, "  0: the untaught model"]
    for each in versions:
        known = _list([str(numbers[lesson_id]) for lesson_id in each.lesson_ids if lesson_id in numbers])
        mark = " (live)" if live and live.name == each.name else ""
        lines.append(f"  {each.number}: {each.name}, knows lesson {known or 'none'}{mark}")
    return "\n".join(lines)


def rolled_back(version: AdapterRecord | None) -> str:
    """Another version is live."""
    if version is None:
        return "The untaught model answers you now. Your versions are kept: /rollback brings any of them back."
    return f"Version {version.number} of your model answers you now ({version.name})."


def cancelled(numbers: Sequence[int]) -> str:
    """Lessons that were stopped."""
    return f"I stopped lesson {_list([str(number) for number in numbers])}. Your model stays as it is."


def comparison(answers: Sequence[tuple[str | None, str]]) -> str:
    """The same question, by version (None: the base model)."""
    names = [version or "untaught model" for version, _ in answers]
    width = max(map(len, names))
    return "\n".join(f"  {name:<{width}}  {answer.strip()}" for name, (_, answer) in zip(names, answers, strict=True))


def exported(folder: str) -> str:
    """The export is written."""
    return f"Everything of yours is in {folder}."


def export_failed(folder: str, why: str) -> str:
    """The export could not be written."""
    return f"I cannot write the export into {folder}: {why}. Name another folder: /export DIR"


def export_not_empty(folder: str) -> str:
    """The export would mix with other files."""
    return f"{folder} is not an empty folder. Name a new one: /export DIR"


def deleted(name: str) -> str:
    """Everything of a user's is gone."""
    return f"Everything of yours is deleted, {name}. If you write again, we start anew."


def bug(identifier: str) -> str:
    """Something that should not happen did."""
    return f"Something went wrong on my side, and I could not finish that. The log has the details under {identifier}."


def _outcome(lesson: LessonRecord) -> str:
    took = f" in {_duration(lesson.metrics.seconds)}" if lesson.metrics else ""
    reason = _sentence(lesson.reason or "I do not know why")  # a reason says what to do, where something can be done
    match lesson.state:
        case "live":
            return f"Lesson {lesson.number} is live{took}: your model is now {lesson.version}."
        case "rejected":
            return f"Lesson {lesson.number} was not learned. {reason} {UNCHANGED}"
        case "failed":
            return f"Lesson {lesson.number} did not work out. {reason} {UNCHANGED}"
        case "cancelled":
            return f"Lesson {lesson.number} was cancelled. {UNCHANGED}"
        case _:
            return f"Lesson {lesson.number} is {lesson.state}."


def _state(lesson: LessonRecord) -> str:
    match lesson.state:
        case "live":
            return f"live as {lesson.version}"
        case "queued":
            return "waiting"
        case "running":
            return "being learned"
        case other:
            return other


def _shortened(text: str, limit: int = 70) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else text + "."


def _list(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
