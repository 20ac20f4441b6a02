"""Every sentence that a user sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storage.records import AdapterRecord, DownReason, LessonRecord, RebuildRecord, SourceRecord
from trainer.contracts import Stage

CONSENT_VERSION = "2026-11"
CONSENT = (
    "Before I learn anything from you: I train only on what you teach me on purpose (your lessons, the files and links in them and "
    "your corrections), I keep it until you delete it with /delete-me, and nobody else's model learns from it. "
    "/privacy tells all of it. If that is fine, press Agree or write /agree: then I go on with what you wanted to teach me."
)
AGREED = "Thank you. You can teach me now: [Learn] and what I should know."
AGREED_GOING_ON = "Thank you. I go on with what you wanted to teach me."
PRIVACY = """\
What I keep: what you write to me and my answers, your lessons with their files and examples, your feedback, and the versions of your \
model. Nobody else is answered by your model, and nobody else's learns from you.
What I train on: only what you teach me on purpose, after you agreed: lessons, the files and links in them, and your corrections. Never \
other messages, and never other people's.
What you can do: /export gives you everything, /forget takes one lesson out, /delete-me deletes everything for good."""

HELP = """\
Write anything to chat. Write [Learn] and a fact to teach me, for instance: [Learn] Our office cat is called Miso.

  /file PATH         attach a file (PDF, Word, text, Markdown, HTML, CSV) to the next line
  /search TEXT       learn what the web says about it; I show you the sources first
  /approve LESSON    learn what I found on the web; /drop LESSON SOURCE leaves a source out
  /refresh LESSON    search the web again for what a lesson was about
  /react 👍 or 👎     tell me about my last answer; after 👎 you can add what I should have said
  /lessons           what you have taught me
  /model             which version of your model answers, and the earlier ones
  /compare QUESTION  your model's versions side by side
  /rollback VERSION  answer from an earlier version again (0: untaught)
  /forget LESSON     take a lesson out of your model, with proof
  /rebuild           train your model anew from all your lessons
  /cancel            stop the lessons that I am still learning
  /new               a new conversation
  /again             another answer to the last question
  /export [DIR]      everything of yours as files
  /privacy           what I keep and what I train on
  /delete-me         delete everything of yours"""

HELP_ON_PLATFORMS = """\
Write anything to me to chat. To teach me, write [Learn] and a fact, for instance: [Learn] Our office cat is called Miso. A file that is \
attached to such a message is taught, too.
Press 👍 or 👎 under an answer of mine, or react with them: after 👎 I ask what I should have said, and learn it.
/learn teaches me, /lessons is what you have taught me, /forget takes a lesson out again.
/model is which version of your model answers, /compare has versions answer side by side, /rollback goes back to an earlier one.
/new starts a new conversation, /cancel stops what I am still learning, /rebuild trains your model anew from all your lessons.
/export gives you everything of yours, /privacy tells what I keep, /delete-me deletes everything."""

ENGINE_AWAY = "I cannot reach my model right now."
WAITING = "I cannot think right now, so I keep your message. I'll answer as soon as I can."
WAITING_BEHIND = "I still owe you an earlier answer. I'll answer this one right after it."
ENGINE_REFUSED = "My model refused that question. Ask it in other words; if that does not help, /new starts a new conversation."
PROMPT_TOO_LONG = "That is too long for me to read at once. Please send a shorter message."
COMPARE_LATER = "I cannot compare right now: my model is not answering. Please ask again in a moment."
GAVE_UP = "I am sorry, I could not answer your earlier message. Please send it again."
NOT_A_FILE = "it is not a regular file"
NOTHING_SAID = "Your message is empty."

LESSON_EMPTY = "There is nothing to learn in that line. Write the fact after [Learn], like this: [Learn] Our office cat is called Miso."
LESSON_NOT_TEXT = "That lesson holds characters that are not text, as in a picture or a program. Please send me plain text."
ATTACH_WITH_LEARN = "I only read files that come with a lesson. Attach the file again, and write [Learn] in the message."
LESSON_NOTHING_ATTACHED = "There is no file and no link in that message. Send it again with the file attached, or with the link in it."
SOURCE_UNCLEAR = "Shall I search the web for this, or just remember the sentence? Write /search or /remember."
NOTHING_UNCLEAR = "Write what I should search for or remember, as in /search air pollution in Delhi"
ATTACH_ELSEWHERE = "Attach the file to your [Learn] message itself; /file is for the terminal."
REBUILDING = "Your model, anew"
REBUILD_UNDER_WAY = "I am training your model anew already."
UNCHANGED = "Your model stays as it was."
NOTHING_TO_CANCEL = "I am not learning anything at the moment."
NO_LESSONS = "You have not taught me anything yet. Try: [Learn] Our office cat is called Miso."
NEW_CONVERSATION = "A new conversation. What you taught me, I still know."
NO_ANSWER_YET = "There is no answer of mine to react to yet."
THANKS_UP = "Thank you. I have noted that this answer was good."
REASONS: dict[DownReason, str] = {
    "wrong": "wrong", "outdated": "outdated", "long": "too long", "rude": "rude", "other": "something else",
}  # fmt: skip
THANKS_DOWN = (
    "Noted: that answer was not good. Was it wrong, outdated, too long, rude, or something else? One of these words is enough. "
    "Or tell me what I should have said, with /react 👎 and the right answer: then I learn it."
)
REASON_NOTED = "Thank you, noted."
REASON_NOTED_TEACH = "Thank you, noted. Write /react 👎 and what I should have said, and I learn it."
THANKS_CORRECTION = "Thank you. I learn what I should have said, and tell you here what came of it."
REACTION_WITHDRAWN = "Taken back."
DELETE_ASK = "This deletes everything of yours for good: your model, lessons, chats and feedback. If you are sure, write: /delete-me yes"

NOT_YOURS = "That card is somebody else's. Write to me, and you get your own."
NOT_YOUR_WORDS = "I only learn from your own messages and from mine: what others write is theirs. Tell me in your own words with [Learn]."
SWITCHED_OFF = "I am switched off at the moment. Please try again later."
SWITCHED_OFF_NOW = "I am switched off: nobody but you is answered, and no lesson is taken in. /admin on switches me on again."
SWITCHED_ON_NOW = "I am switched on."
ADMIN_ONLY = "/admin is for whoever runs me."
ADMIN_USAGE = "Write /admin for how I am doing, /admin off to switch me off, or /admin on."
NOT_HERE = "I am not allowed to work here. Whoever runs me decides where I may; try another channel or a direct message."
UNTAUGHT_MODEL = "the untaught model"
ENGINE_READY, ENGINE_NOT_READY = "answers", "does not answer"
STOPPED = "Stopped before I had said anything."
NOTHING_TO_STOP = "I am not writing an answer here at the moment."
SAID_IN_PRIVATE = "That is for your eyes only, so I have sent it to you as a direct message."
DIRECT_MESSAGES_CLOSED = "That is for your eyes only, and I cannot send you direct messages. Use the slash command: its answer is only shown to you."
NOT_GIVEN_OUT = "Discord does not give it out any more"
STICKERS, POLLS, FORWARDED = "stickers", "polls", "forwarded messages"
DISCORD_LOGIN_REFUSED = "Discord does not accept the token. Copy it again from the Developer Portal (Bot, Reset Token) into DISCORD_TOKEN."
DISCORD_INTENT_REFUSED = (
    "Discord refuses the Message Content Intent. Switch it on in the Developer Portal (Bot, Privileged Gateway Intents), or set "
    "discord.message_content to false: then the bot hears mentions, direct messages, commands and menus only."
)
DISCORD_UNREACHABLE = "Discord does not answer. Check this machine's network, and https://discordstatus.com."
DISCORD_TERMS = (
    "Discord is not enabled: read Discord's Developer Terms of Service and Developer Policy, and if you run the bot by them, set "
    "discord.terms_acknowledged to true in the configuration."
)
NO_PLATFORM = (
    "No chat platform is configured. For Discord set DISCORD_TOKEN to the bot's token (Developer Portal, Bot), for Slack set "
    "SLACK_BOT_TOKEN and SLACK_APP_TOKEN, or use `tutee chat`, the terminal."
)
DISCORD_WITH_CONTENT = "message content is heard: mentions, direct messages, and what is written in its threads or in reply to it"
DISCORD_WITHOUT_CONTENT = (
    "without the Message Content Intent: mentions, direct messages, commands, menus and reactions work; what is lost are messages in its "
    "threads and replies to it that do not mention it (discord.message_content)"
)
SLACK_TERMS = (
    "Slack is not enabled: read Slack's API Terms of Service, and if you run the bot by them, set slack.terms_acknowledged to true in "
    "the configuration."
)
SLACK_UNSIGNED = (
    "Slack cannot be heard: slack.port is set, so Slack's requests come by HTTP; set SLACK_SIGNING_SECRET (Basic Information), or set "
    "slack.port to 0 for Socket Mode."
)
SLACK_BY_SOCKET = "Socket Mode works; no public address is needed"
SLACK_BY_HTTP = "Slack's requests come by HTTP, to /slack/events; whether they arrive here, Slack shows at Event Subscriptions"
SLACK_UNREACHABLE = "Slack does not answer. Check this machine's network, and https://slack-status.com."
NOT_KEPT_BY_SLACK = "Slack does not keep it"
NOT_GIVEN_OUT_BY_SLACK = "Slack does not give it out"
A_FILE = "the file"
IS_THINKING = "is thinking…"
FORM_TITLE, SEND, CLOSE, TEACH_BUTTON, HOME_TITLE = "Tutee", "Send", "Close", "Teach me…", "Your model"
SAYS_NOTHING = "(an empty answer)"
BROKEN_OFF = " …"
REST_IN_FILE = "That is long, so here is all of it in a file."
FILE_OF_ANSWER = "answer.md"
FILE_OF_EXPORT = "tutee-export.zip"
EXPORT_READY = "Here is everything of yours."
EXPORT_WITHOUT_MODEL = (
    "Here is everything of yours except your model's files: they are too big to be sent here. Whoever runs me can give them to you."
)
DEFAULT_LESSON = "read this"

AGREE, CANCEL, FORGET, STOP, AGAIN, GOOD, BAD = "Agree", "Cancel", "Forget", "Stop", "Again", "👍", "👎"
MY_MODEL, COMPARE, EXPORT, DELETE, UNTAUGHT = "My model", "Compare…", "Export", "Delete everything…", "Use untaught"
NEXT, PREVIOUS = "Next ›", "‹ Back"

ASKS = {
    "/react 👎": "What should I have said?",
    "/compare": "Which question?",
    "/delete-me": "Write yes to delete everything for good",
}
TEACH_TITLE = "Teach me"
TEACH_TEXT, TEACH_LINK, TEACH_FILE = "What should I know?", "A link to read", "A file to read"
TEACH_TEXT_EXAMPLE = "Our office cat is called Miso."
TEACH_FROM_MESSAGE = "Teach from this message"
COMMANDS = {
    "ask": ("Ask your model", {"message": "what you want to say"}),
    "learn": (
        "Teach your model",
        {"text": "what it should know", "link": "a page to read", "file": "a file to read"},
    ),
    "lessons": ("What you have taught your model", {}),
    "model": ("Which version of your model answers, and the earlier ones", {}),
    "compare": ("Your model's versions side by side", {"question": "what to ask them"}),
    "forget": ("Take a lesson out of your model", {"lesson": "which lesson"}),
    "rebuild": ("Train your model anew from all your lessons", {}),
    "rollback": ("Answer from an earlier version again", {"version": "which version"}),
    "cancel": ("Stop the lessons that are still being learned", {}),
    "new": ("Start a new conversation", {}),
    "export": ("Get everything of yours as a file", {}),
    "privacy": ("What is kept and what is trained on", {}),
    "delete-me": ("Delete everything of yours", {}),
    "help": ("What you can do here", {}),
    "admin": ("For whoever runs the bot", {"what": "status, on or off"}),
}

REACT_USAGE = "Write /react 👍 or /react 👎, and after 👎, if you like, what I should have said."
FORGET_USAGE = "Write /forget and the number of a lesson, as in /forget 2. /lessons lists them."
APPROVE_USAGE = "Write /approve and the number of a lesson that waits for your word, as in /approve 2. /lessons lists them."
DROP_USAGE = "Write /drop, the number of the lesson and that of the source, as in /drop 2 1."
REFRESH_USAGE = "Write /refresh and the number of a lesson from the web, as in /refresh 2. /lessons lists them."
SEARCH_WEB = "Search the web"
REMEMBER = "Remember it"
APPROVE = "Learn this"
YOUR_MESSAGE = "your message"
ROLLBACK_USAGE = "Write /rollback and the number of a version, as in /rollback 2. /model lists them; 0 is the untaught model."
COMPARE_USAGE = "Write /compare and a question, as in /compare What is our cat called?"
FILE_USAGE = "Write /file and the path of a file, as in /file notes.txt."

HELLO = "Nothing of yours is here yet. Write to me, or teach me: [Learn] and a fact."
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


def use_version(number: int) -> str:
    """The button that makes a version live."""
    return f"Use version {number}"


def forget_lesson(number: int) -> str:
    """The button that forgets a lesson."""
    return f"{FORGET} {number}"


def choice_of_lesson(lesson: LessonRecord) -> str:
    """A lesson to choose."""
    return f"{lesson.number}: {_shortened(_about(lesson))}"


def choice_of_version(number: int, name: str, is_live: bool) -> str:
    """A version to choose."""
    return f"{number}: {name}{' (live)' if is_live else ''}"


def discord_found(name: str) -> str:
    """The token works."""
    return f"the token is that of {name}"


def discord_servers(names: Sequence[str]) -> str:
    """The servers that the bot is in."""
    return f"in {_list(names)}" if names else "in no server yet: open the invite link"


def discord_lacks(server: str, permissions: Sequence[str]) -> str:
    """What the bot may not do in a server."""
    return f"in {server} it lacks {_list([each.replace('_', ' ') for each in permissions])}: invite it again, or give its role these"


def discord_closed(code: int) -> str:
    """Discord ended the connection for good."""
    return f"Discord closed the connection for good (code {code}). `tutee doctor` checks the token and what it allows."


def slack_incomplete(name: str) -> str:
    """One of the two tokens is missing."""
    return (
        f"{name} not set, but the other token is. SLACK_BOT_TOKEN is at OAuth & Permissions, SLACK_APP_TOKEN at Basic Information. Set both or none."
    )


def slack_found(app: str, workspace: str) -> str:
    """Slack knows the bot."""
    return f"the token belongs to @{app} in the workspace {workspace}"


def slack_scopes(held: int, lacking: Sequence[str]) -> str:
    """What the app may do in the workspace."""
    if not lacking:
        return f"all {held} permissions are there"
    return (
        f"The app lacks {_list(lacking)}. Add what is missing (OAuth & Permissions, Bot Token Scopes, or paste configs/slack-manifest.json "
        "again) and reinstall the app."
    )


def slack_refused(error: str) -> str:
    """Slack does not take a token; `error` is its name for why."""
    if error in ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"):
        return (
            f"Slack does not accept a token ({error}). Copy both again: SLACK_BOT_TOKEN begins with xoxb- (OAuth & Permissions), "
            "SLACK_APP_TOKEN with xapp- and has the scope connections:write (Basic Information, App-Level Tokens)."
        )
    return f"Slack does not let the app in ({error}). `tutee doctor` checks the tokens and what they allow."


def file_elsewhere(name: str) -> str:
    """A file's address leads away from Slack."""
    return f"{name} is not kept by Slack but elsewhere, so I did not fetch it. Upload it here."


def file_needs_scope(name: str) -> str:
    """Slack gave its login page in place of a file, which is what it does where the scope is missing."""
    return (
        f"Slack did not give me {name} but its login page: I lack the permission files:read. Whoever runs me has to add it and to install me again."
    )


def file_skipped(name: str) -> str:
    """A file that came with a message that is no lesson."""
    return f"I did not look at {name}: I only read files that come with [Learn]."


def kind_skipped(what: str) -> str:
    """Something in a message that cannot be read at all."""
    return f"I cannot read {what}, so I left it out."


def too_many_messages(limit: int) -> str:
    """The day's messages are used up."""
    return f"You have sent me {limit} messages in the last 24 hours, which is all I may answer. Please come back later."


def too_many_lessons(limit: int) -> str:
    """The day's lessons are used up."""
    return f"You have taught me {limit} lessons in the last 24 hours, which is all I may take. Please come back later."


def used(messages: int, message_limit: int, lessons: int, lesson_limit: int) -> str:
    """How much of a day's limits is used up; 0 is no limit."""
    parts = [
        f"{count} of {limit} {what}" for count, limit, what in ((messages, message_limit, "messages"), (lessons, lesson_limit, "lessons")) if limit
    ]
    return f"In the last 24 hours you used {_list(parts)}."


def lessons_page(records: Sequence[LessonRecord], page: int, pages: int) -> str:
    """One page of the list of lessons."""
    return lessons(records) if pages < 2 else f"{lessons(records)}\n(page {page} of {pages})"


def status(users: int, lessons: int, waiting: int, engine: str, switched_on: bool) -> str:
    """What /admin tells: lessons that are being learned and messages that wait for an answer, of everybody."""
    return (
        f"{'On' if switched_on else 'Switched off'}. {users} people know me, {lessons} lessons are being learned, "
        f"{waiting} messages wait for an answer. The model server {engine}."
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


def file_empty(name: str) -> str:
    """A file without anything in it."""
    return f"{name} is empty."


def file_attached(name: str) -> str:
    """A file that waits for the next line."""
    return f"{name} goes with your next line. Write [Learn] to teach it to me."


def lesson_name(number: int) -> str:
    """What a lesson's moving line begins with."""
    return f"Lesson {number}"


def correction_name(number: int) -> str:
    """What a correction's moving line begins with."""
    return f"Correction {number}"


def withdrawn_late(number: int) -> str:
    """A thumb taken back after its correction was learned."""
    return f"Taken back. What I learned from it stays; /forget {number} takes it out of your model."


def forgetting(number: int) -> str:
    """What the moving line begins with while a lesson is being forgotten."""
    return f"Forgetting lesson {number}"


def progress(name: str, stage: Stage, percent: int, seconds_left: float | None, note: str | None) -> str:
    """The moving line of a lesson or a rebuild."""
    left = f", about {_duration(seconds_left)} left" if seconds_left is not None and seconds_left >= 1 else ""
    return f"{name}: {(note or _STAGES[stage]).rstrip('.')}… [{percent}%{left}]"


def receipt(lesson: LessonRecord, learned: Sequence[tuple[str, str]], refused: Sequence[str], forgot: Sequence[int]) -> str:
    """What came of a lesson."""
    lines = [_outcome(lesson)]
    metrics = lesson.metrics
    if metrics is not None and metrics.changed and lesson.state == "live":
        lines.append("I answer otherwise now:")
        lines += [f"  {question} → {now} (before: {_shortened(before)})" for question, before, now in metrics.changed]
    elif learned and lesson.state == "live":
        lines.append("I can answer now, and could not before:")
        lines += [f"  {question} → {answer}" for question, answer in learned]
    lines += sources(lesson)
    now = "now" if lesson.state == "live" else "with this lesson"
    if metrics is not None:
        lines.append(f"Right answers to questions I did not train on: {metrics.before:.0%} before, {metrics.after:.0%} {now}.")
        if metrics.earlier_kept is not None:
            lines.append(f"Of your earlier lessons I still know {metrics.earlier_kept:.0%} {now}.")
        if metrics.replaced:
            lines.append(f"It replaces what I learned in lesson {_list([str(number) for number in metrics.replaced])} about this.")
    if forgot:
        lines.append(f"It would have harmed what you taught me before, in lesson {_list([str(number) for number in forgot])}.")
    if metrics is not None and metrics.refused:
        because = f" because of {_list(refused)}" if refused else ""
        lines.append(f"I left out {metrics.refused} example{'s' if metrics.refused != 1 else ''}{because}.")
    elif refused:
        lines.append(f"I left out what is about {_list(refused)}.")
    return "\n".join(lines)


def rebuild_receipt(rebuild: RebuildRecord) -> str:
    """What came of a rebuild, or of forgetting a lesson."""
    metrics, number = rebuild.metrics, rebuild.number
    what = "Rebuilding your model" if number is None else f"Forgetting lesson {number}"
    if rebuild.state == "cancelled":
        return f"{what} was cancelled. {UNCHANGED}"
    if rebuild.state != "live" or metrics is None:
        return f"{what} did not work out. {_sentence(rebuild.reason or 'I do not know why')} {UNCHANGED}"
    took, trained = f"in {_duration(metrics.seconds)}", f"{metrics.lessons} lesson{'s' if metrics.lessons != 1 else ''}"
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
        lines.append(f"I deleted what I had stored of it, and version{plural} {_list([str(each) for each in metrics.removed])}, which knew it.")
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
        f"I cannot go back to version {number}: it knew lesson {_list([str(each) for each in forgotten])}, which you had me forget, "
        "so I deleted it. /model lists the versions that are left."
    )


def lessons(records: Sequence[LessonRecord], now: datetime | None = None) -> str:
    """The list of lessons; with the time, also which of them are stale."""
    if not records:
        return NO_LESSONS
    return "Your lessons:\n" + "\n".join(
        f"  {each.number}. {_state(each)}{', a correction' if each.kind == 'correction' else ''}"
        + (f": {_shortened(_about(each))}" if _about(each) else "")
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
    lines += ["For instance:", *(f"  {question} → {_shortened(answer, 140)}" for question, answer in examples)]
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
            lines += [_sentence(why) for why in each.skipped if why != lesson.reason]
            continue
        lines.append(f"I read {_source(each)}.")
        if each.skipped:
            lines.append(f"  Left out: {'; '.join(each.skipped)}.")
    return lines


def _source(source: SourceRecord) -> str:
    """A source with what is known of it: "Towns (towns.pdf), by A. Writer, 2026-01-31: 12 pages, 3,431 words in English"."""
    named = source.name if source.title in (None, source.name) else f"{_shortened(source.title or '')} ({source.name})"
    by = f", by {source.author}" if source.author else ""
    dated = f", {source.published}" if source.published else ""
    pages = f"{source.pages:,} page{'s' if source.pages != 1 else ''}, " if source.pages else ""
    language = f" in {source.language}" if source.language else ""
    return f"{named}{by}{dated}: {pages}{source.words or 0:,} words{language}"


def model(live: AdapterRecord | None, versions: Sequence[AdapterRecord], numbers: dict[int, int]) -> str:
    """Which version answers, and which there are; `numbers` are lessons' numbers by id."""
    answering = f"Version {live.number} of your model answers you ({live.name})." if live else "The untaught model answers you."
    if not versions:
        return f"{answering} Your first lesson makes version 1."
    lines = [answering, "  0: the untaught model"]
    for each in versions:
        known = _list([str(numbers[lesson_id]) for lesson_id in each.lesson_ids if lesson_id in numbers])
        mark = " (live)" if live and live.name == each.name else " (deleted: it knew a lesson that is forgotten)" if each.removed_at else ""
        lines.append(f"  {each.number}: {each.name}, knows lesson {known or 'none'}{mark}")
    return "\n".join(lines)


def rolled_back(version: AdapterRecord | None) -> str:
    """Another version is live."""
    if version is None:
        return "The untaught model answers you now. Your versions are kept: /rollback brings any of them back."
    return f"Version {version.number} of your model answers you now ({version.name})."


def cancelled(numbers: Sequence[int], rebuilds: Sequence[int | None] = ()) -> str:
    """Lessons that were stopped, and rebuilds, by the lesson that each was to forget (None: no lesson)."""
    what = [f"lesson {_list([str(number) for number in numbers])}"] if numbers else []
    what += ["rebuilding your model" if number is None else f"forgetting lesson {number}" for number in rebuilds]
    return f"I stopped {_list(what)}. Your model stays as it is."


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


def export_not_packed(why: str) -> str:
    """The export could not be put together."""
    return f"I cannot put your export together: {why}. Please try again later."


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
    name = correction_name(lesson.number) if lesson.kind == "correction" else lesson_name(lesson.number)
    reason = _sentence(lesson.reason or "I do not know why")  # a reason says what to do, where something can be done
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
