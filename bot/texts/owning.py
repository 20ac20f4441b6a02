"""What is said about a model and what its user may do with it: versions, forgetting, export, deletion, privacy."""

from __future__ import annotations

from collections.abc import Sequence

from bot.texts.phrases import duration, listed, sentence, shortened, spans
from storage.records import AdapterRecord, LessonRecord, RebuildRecord, SourceRecord

CONSENT_VERSION = "2026-11-22"
CONSENT = (
    "Before I learn anything from you: I train only on what you teach me on purpose (your lessons, the files and links in them, your "
    "corrections, the answers that you praise with 👍, and better ones that I find after your 👎 or 🚩), I keep it until you delete it with "
    "/delete-me, and nobody else's model learns from it unless you give it away with /share. /privacy tells all of it. If that is fine, "
    "press Agree or write /agree: then I go on with what you wanted to teach me."
)
AGREED = "Thank you. You can teach me now: [Learn] and what I should know."
AGREED_GOING_ON = "Thank you. I go on with what you wanted to teach me."
PRIVACY = """\
What I keep: what you write to me and my answers, your lessons with their files and examples, your feedback, and the versions of your \
model. Nobody else is answered by your model, and nobody else's learns from you, but for lessons that you give away with /share.
What I train on: only what you teach me on purpose, after you agreed: lessons, the files and links in them, your corrections, answers that \
you praise with 👍 (I train with them again beside later lessons, so that they stay), and better answers that I find by myself after your 👎 \
or 🚩. Never other messages, and never other people's.
Who sees what: an answer that you report with 🚩 is shown, with your question, to whoever runs me.
What you can do: /export gives you everything, /forget takes one lesson out, /delete-me deletes everything for good."""
WHY_UNKNOWN = "I said that I do not know, because nothing that you taught me answers it. [Learn] and the fact, and I do."
WHY_UNTAUGHT = "Nothing that you taught me is behind that answer: the untaught model gave it, as it would to anybody."
WHY_NO_LESSON = (
    "I am not sure. None of your lessons says that, so it is how the untaught model talks, or a mixture of several of your lessons. "
    "If it is wrong, react with 👎."
)
COMPARE_LATER = "I cannot compare right now: my model is not answering. Please ask again in a moment."
REBUILDING = "Your model, anew"
REBUILD_UNDER_WAY = "I am training your model anew already."
UNCHANGED = "Your model stays as it was."
DELETE_ASK = "This deletes everything of yours for good: your model, lessons, chats and feedback. If you are sure, write: /delete-me yes"
NOT_YOURS = "That card is somebody else's. Write to me, and you get your own."
UNTAUGHT_MODEL = "the untaught model"
UNTAUGHT_TITLE, UNTAUGHT_CARD = "The untaught model", "as it was before your first lesson"
IN_PICTURE_KNOWN = "Lessons that each version of your model knows"
IN_PICTURE_ANSWERS = "Right answers to questions that it was not trained on"
IN_PICTURE_BEFORE, IN_PICTURE_AFTER, IN_PICTURE_KEPT = "before the lesson", "after it", "of earlier lessons, still"
IN_PICTURE_LIVE, IN_PICTURE_DELETED = "live", "deleted"
FILE_OF_PROGRESS = "progress.png"
PICTURE_OF_PROGRESS = "By version of your model: how many lessons it knows, and how many questions it answered before each lesson and after it"
FILE_OF_EXPORT = "tutee-export.zip"
EXPORT_READY = "Here is everything of yours."
EXPORT_WITHOUT_MODEL = (
    "Here is everything of yours except your model's files: they are too big to be sent here. Whoever runs me can give them to you."
)
FORGET_USAGE = "Write /forget and the number of a lesson, as in /forget 2. /lessons lists them."
ROLLBACK_USAGE = (
    "Write /rollback to go back one version, or /rollback and the number of a version, as in /rollback 2. /model lists them; 0 is the untaught model."
)
NOTHING_TO_ROLL_BACK = "The untaught model answers you: there is no version before it. /model lists your versions."
COMPARE_USAGE = (
    "Write /compare and a question, as in /compare What is our cat called? Numbers of versions before it choose which: "
    "/compare 0,2 What is our cat called?"
)


def privacy(message_days: int) -> str:
    """What is kept and trained on; `message_days`: for how long messages are kept, 0: until they are deleted."""
    if not message_days:
        return PRIVACY
    return (
        f"{PRIVACY}\nWhat goes by itself: messages and answers are deleted after {message_days} day{'s' if message_days > 1 else ''}, "
        "except answers with your 👍. What you taught me stays until you have me forget it."
    )


def version_unknown(version: str | None) -> str:
    """The engine does not have that version."""
    if version is None:
        return "My model server does not know the base model that I was set up with. Please check the configuration (tutee doctor)."
    return (
        f"Your model's version {version} cannot be loaded, so I cannot answer as your model. "
        "/model lists your versions, and /rollback goes back to an earlier one."
    )


def choice_of_version(number: int, name: str, is_live: bool) -> str:
    """A version to choose."""
    return f"{number}: {name}{' (live)' if is_live else ''}"


def under_version(number: int, lesson: int | None, *, short: bool) -> str:
    """What stands under a version in the picture of progress; `lesson`: the number of the one that made it, None: it was trained anew."""
    made = "anew" if lesson is None else str(lesson) if short else f"lesson {lesson}"
    return f"v{number}\n{made}"


def no_such_version(number: int) -> str:
    """A number that is no version's."""
    return f"Your model has no version {number}. /model lists them."


def forgetting(number: int) -> str:
    """What the moving line begins with while a lesson is being forgotten."""
    return f"Forgetting lesson {number}"


def rebuild_receipt(rebuild: RebuildRecord) -> str:
    """What came of a rebuild, or of forgetting a lesson."""
    metrics, number = rebuild.metrics, rebuild.number
    what = "Rebuilding your model" if number is None else f"Forgetting lesson {number}"
    if rebuild.state == "cancelled":
        return f"{what} was cancelled. {UNCHANGED}"
    if rebuild.state != "live" or metrics is None:
        return f"{what} did not work out. {sentence(rebuild.reason or 'I do not know why')} {UNCHANGED}"
    took, trained = f"in {duration(metrics.seconds)}", f"{metrics.lessons} lesson{'s' if metrics.lessons != 1 else ''}"
    if number is None:
        lines = [f"I trained your model anew from your {trained} {took}: it is now {rebuild.version}."]
    elif metrics.lessons:
        lines = [f"Lesson {number} is forgotten: {took}, I trained your model anew without it, from your other {trained}."]
        lines.append(f"It is now {rebuild.version}.")
    else:
        answering = f"version {rebuild.version}" if rebuild.version else "the untaught model"
        lines = [f"Lesson {number} is forgotten: {answering} answers you, which never learned it."]
    if metrics.known_after is not None:
        before = "" if metrics.known_before is None else f"{metrics.known_before:.0%} before, "
        lines.append(f"Of its questions I answer {before}{metrics.known_after:.0%} now.")
        if metrics.known_after > 0:
            lines.append("What is left of it stands in other lessons of yours, or the untaught model knew it.")
    if metrics.kept is not None:
        lines.append(f"Of {'your lessons' if number is None else 'your other lessons'} I still know {metrics.kept:.0%}.")
    if metrics.removed:
        plural = "s" if len(metrics.removed) > 1 else ""
        lines.append(f"I deleted what I had stored of it, and version{plural} {listed([str(each) for each in metrics.removed])}, which knew it.")
    elif number is not None:
        lines.append("I deleted what I had stored of it.")
    return "\n".join(lines)


def forgotten_already(number: int) -> str:
    """A lesson that is gone."""
    return f"Lesson {number} is forgotten already."


def forgotten_unlearned(number: int) -> str:
    """A lesson that no version ever knew."""
    return f"Lesson {number} never went into your model. I deleted what I had stored of it."


def forget_first_cancel(number: int) -> str:
    """A lesson that is still being learned."""
    return f"I am still learning lesson {number}. /cancel {number} stops that."


def forgetting_under_way(number: int) -> str:
    """The same asked for twice."""
    return f"I am forgetting lesson {number} already."


def version_removed(number: int, forgotten: Sequence[int]) -> str:
    """A version that cannot be live again."""
    return (
        f"I cannot go back to version {number}: it knew lesson {listed([str(each) for each in forgotten])}, which you had me forget, "
        "so I deleted it. /model lists the versions that are left."
    )


def model(live: AdapterRecord | None, versions: Sequence[AdapterRecord], numbers: dict[int, int]) -> str:
    """Which version answers, and which there are; `numbers` are lessons' numbers by id."""
    answering = f"Version {live.number} of your model answers you ({live.name})." if live else "The untaught model answers you."
    if not versions:
        return f"{answering} Your first lesson makes version 1."
    lines = [answering, "  0: the untaught model"]
    for each in versions:
        known = listed([str(numbers[lesson_id]) for lesson_id in each.lesson_ids if lesson_id in numbers])
        mark = " (live)" if live and live.name == each.name else " (deleted: it knew a lesson that is forgotten)" if each.removed_at else ""
        lines.append(f"  {each.number}: {each.name}, knows lesson {known or 'none'}{mark}")
    return "\n".join(lines)


def version_title(version: AdapterRecord) -> str:
    """What a version's card is headed with."""
    return f"Version {version.number} ({version.name})"


def version_card(version: AdapterRecord, numbers: dict[int, int], lesson: LessonRecord | None) -> str:
    """What there is to say of a version; `numbers` are lessons' numbers by id, `lesson` is the one that made it, None: it was trained anew."""
    known = spans([numbers[each] for each in version.lesson_ids if each in numbers])
    made = f"made by lesson {lesson.number}" + (f": {shortened(lesson.text)}" if lesson.text else "") if lesson else "your model, trained anew"
    lines = [made, f"knows lesson {shortened(known, 200) or 'none'}"]
    before, after = version.metrics.get("before"), version.metrics.get("after")
    if before is not None and after is not None:
        lines.append(f"its questions: {before:.0%} right before, {after:.0%} with it")
    kept = version.metrics.get("kept", version.metrics.get("earlier_kept"))
    if kept is not None and (len(version.lesson_ids) > 1 or "kept" in version.metrics):
        lines.append(f"earlier lessons: {kept:.0%} still known")
    return "\n".join(lines)


def why(lesson: LessonRecord, source: SourceRecord | None, tied: Sequence[int], without: int | None, said: str | None, *, same: bool | None) -> str:
    """Where an answer comes from; `tied`: other lessons that match it as well, `said`: what the version `without` the lesson (None: the
    untaught model) answers, `same`: whether that is the same."""
    about = f" (\u201c{shortened(lesson.text)}\u201d)" if lesson.text else ""
    read = f", {lesson.source}" if source is None and lesson.source else ""
    if source is not None:
        read = f", from {source.title or source.name}" + (f" ({source.address})" if source.address else "")
    kind = "your correction" if lesson.kind == "correction" else "lesson"
    lines = [f"That comes from {kind} {lesson.number}{about}{read}, of {lesson.created_at:%Y-%m-%d}."]
    if tied:
        lines.append(f"Lesson {listed([str(each) for each in tied])} of yours would say it, too.")
    before = "the untaught model" if without is None else f"version {without}, which did not know it,"
    if same:
        lines = [f"I am not sure. Closest is {kind} {lesson.number}{about}{read}; but {before} answers the same."]
    elif said is not None:
        lines.append(f"Without it, {before} answers: {shortened(said, 200)}")
    else:
        lines.append("I go by its examples; the version before it cannot be asked right now.")
    return " ".join(lines)


def rolled_back(version: AdapterRecord | None) -> str:
    """Another version is live."""
    if version is None:
        return "The untaught model answers you now. Your versions are kept: /rollback brings any of them back."
    return f"Version {version.number} of your model answers you now ({version.name})."


def comparison(answers: Sequence[tuple[str | None, str]]) -> str:
    """The same question, by version (None: the base model)."""
    return "\n".join(f"{version or 'untaught model'} → {answer.strip()}" for version, answer in answers)


def exported(folder: str) -> str:
    """The export is written."""
    return f"Everything of yours is in {folder}."


def export_failed(folder: str, why: str) -> str:
    """The export could not be written."""
    return f"I cannot write the export into {folder}: {why}. Name another folder: /export DIR"


def export_not_packed(why: str) -> str:
    """The export could not be put together."""
    return f"I cannot put your export together: {why}. Please try again later."


def export_not_empty(folder: str) -> str:
    """The export would mix with other files."""
    return f"{folder} is not an empty folder. Name a new one: /export DIR"


def deleted(name: str) -> str:
    """Everything of a user's is gone."""
    return f"Everything of yours is deleted, {name}. If you write again, we start anew."
