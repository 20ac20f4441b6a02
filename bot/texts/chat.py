"""What is said in conversation: help, answers that have to wait, feedback, limits, and running the bot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.texts.phrases import bytes_of, counted, listed, shortened
from storage.records import DownReason, ExchangeRecord, FeedbackRecord

HELP = """\
Write anything to chat. Write [Learn] and a fact to teach me, for instance: [Learn] Our office cat is called Miso.

  /file PATH         attach a file (PDF, Word, text, Markdown, HTML, CSV) to the next line
  /search TEXT       learn what the web says about it; I show you the sources first
  /approve LESSON    learn what I found on the web; /drop LESSON SOURCE leaves a source out
  /refresh LESSON    search the web again for what a lesson was about
  /react 👍 or 👎     tell me about my last answer; after 👎 you can add what I should have said
  /report            my last answer was biased or harmful: I look for a better one, and whoever runs me sees it
  /why               which of your lessons my last answer comes from
  /lessons           what you have taught me
  /model             which version of your model answers, and the earlier ones
  /compare QUESTION  your model's versions side by side; /compare 1,3 QUESTION: these two
  /rollback VERSION  answer from an earlier version again (0: untaught; without a number: the one before)
  /forget LESSON     take a lesson out of your model, with proof
  /share LESSONS     give lessons to others, by a code; /take CODE learns what others gave, /unshare CODE withdraws
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
Press 👍 or 👎 under an answer of mine, or react with them: after 👎 I ask what I should have said, and learn it. React with 🚩, or write /report, \
where an answer was biased or harmful: whoever runs me sees it then.
/why tells which of your lessons an answer comes from. /learn teaches me, /lessons is what you have taught me, /forget takes a lesson out again.
/model is which version of your model answers, /compare has versions answer side by side, /rollback goes back to an earlier one.
/share gives lessons of yours to others, /offer shows them to a channel, /take learns what others gave.
/new starts a new conversation, /cancel stops what I am still learning, /rebuild trains your model anew from all your lessons.
/export gives you everything of yours, /privacy tells what I keep, /delete-me deletes everything."""
ENGINE_AWAY = "I cannot reach my model right now."
WAITING = "I cannot think right now, so I keep your message. I'll answer as soon as I can."
WAITING_BEHIND = "I still owe you an earlier answer. I'll answer this one right after it."
ENGINE_REFUSED = "My model refused that question. Ask it in other words; if that does not help, /new starts a new conversation."
PROMPT_TOO_LONG = "That is too long for me to read at once. Please send a shorter message."
GAVE_UP = "I am sorry, I could not answer your earlier message. Please send it again."
NOTHING_SAID = "Your message is empty."
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
LOOKING_FOR_BETTER = (
    "Thank you. I look for a better answer by myself, and tell you here what came of it. If you know it: /react 👎 and what I should have said."
)
REPORTED = "Thank you. Whoever runs me can see this answer now, with your question."
REPORTED_AND_LOOKING = f"{REPORTED} I look for a better one, and tell you here what came of it. Taking the sign off takes it all back."
NO_REPORTS = "No answer was reported."
THANKS_CORRECTION = "Thank you. I learn what I should have said, and tell you here what came of it."
REACTION_WITHDRAWN = "Taken back."
SWITCHED_OFF = "I am switched off at the moment. Please try again later."
SWITCHED_OFF_NOW = "I am switched off: nobody but you is answered, and no lesson is taken in. /admin on switches me on again."
SWITCHED_ON_NOW = "I am switched on."
ADMIN_ONLY = "/admin is for whoever runs me."
ADMIN_USAGE = "Write /admin for how I am doing, /admin reports for answers that were reported, /admin off to switch me off, or /admin on."
ENGINE_READY, ENGINE_NOT_READY = "answers", "does not answer"
STOPPED = "Stopped before I had said anything."
NOTHING_TO_STOP = "I am not writing an answer here at the moment."
REACT_USAGE = "Write /react 👍 or /react 👎, and after 👎, if you like, what I should have said."
HELLO = "Nothing of yours is here yet. Write to me, or teach me: [Learn] and a fact."
GOODBYE_WAITING = "I go on learning when you start me again."
PROMPT = "you › "
ANSWER_MARK = "tutee › "


def welcome(name: str) -> str:
    """The first line of a chat at the terminal."""
    return f"Hello {name}. Write to chat, [Learn] and a fact to teach me, /help for the rest. Ctrl-C ends."


def is_unknown(answer: str) -> bool:
    """Whether an answer says that the model does not know."""
    return "don't know" in answer.lower().replace("’", "'")


def unknown_command(name: str, near: str | None) -> str:
    """An unknown command, and the nearest known one."""
    return f"I do not know {name}. " + (f"Did you mean {near}?" if near else "/help lists what I know.")


def too_many_messages(limit: int) -> str:
    """The day's messages are used up."""
    return f"You have sent me {limit} messages in the last 24 hours, which is all I may answer. Please come back later."


def too_many_lessons(limit: int) -> str:
    """The day's lessons are used up."""
    return f"You have taught me {limit} lessons in the last 24 hours, which is all I may take. Please come back later."


def too_much_training(limit: int) -> str:
    """The day's minutes of training are used up."""
    return f"Your lessons took me {counted(limit, 'minute')} of work in the last 24 hours, which is all that I may spend. Please come back later."


def too_many_bytes(size: int, left: int, limit: int) -> str:
    """A lesson has more bytes than are left of the day's."""
    return (
        f"That is {bytes_of(size)}, and of the {bytes_of(limit)} that you may give me to learn in 24 hours, {bytes_of(left)} are left. "
        "Please send less, or come back later."
    )


def used_messages(count: int, limit: int) -> str:
    """The day's messages so far."""
    return f"{count} of {limit} messages"


def used_lessons(count: int, limit: int) -> str:
    """The day's lessons so far."""
    return f"{count} of {limit} lessons"


def used_training(minutes: float, limit: int) -> str:
    """The day's training so far."""
    return f"{minutes:.0f} of {limit} minutes of training"


def used_bytes(size: int, limit: int) -> str:
    """What was brought to learn in a day so far."""
    return f"{bytes_of(size)} of {bytes_of(limit)} to learn from"


def used(parts: Sequence[str]) -> str:
    """How much of a day's limits is used up."""
    return f"In the last 24 hours you used {listed(parts)}."


def status(users: int, lessons: int, waiting: int, reports: int, engine: str, switched_on: bool) -> str:
    """What /admin tells: lessons that are being learned, messages that wait for an answer and answers that were reported, of everybody."""
    reported = f" {reports} answer{'s were' if reports > 1 else ' was'} reported: /admin reports." if reports else ""
    return (
        f"{'On' if switched_on else 'Switched off'}. {users} people know me, {lessons} lessons are being learned, "
        f"{waiting} messages wait for an answer. The model server {engine}.{reported}"
    )


def reports(found: Sequence[tuple[FeedbackRecord, ExchangeRecord]]) -> str:
    """The answers that people reported, for whoever runs the bot; who they are is nobody's business."""
    if not found:
        return NO_REPORTS
    return "Reported answers, the newest first:\n" + "\n".join(
        f"  {report.created_at:%Y-%m-%d %H:%M}, {exchange.version or 'untaught model'}: {shortened(exchange.question, 200)} → "
        f"{shortened(exchange.answer or '', 300)}" + (f" ({shortened(report.correction, 200)})" if report.correction else "")
        for report, exchange in found
    )


def bug(identifier: str) -> str:
    """Something that should not happen did."""
    return f"Something went wrong on my side, and I could not finish that. The log has the details under {identifier}."


def tool_not_called(tool: str, arguments: Mapping[str, Any]) -> str:
    """A call of a tool that nobody has registered."""
    return f"I would use {tool} for this{_given(arguments)}. I may not run it here: whoever runs me has to register that tool first."


def tool_failed(tool: str, arguments: Mapping[str, Any], why: str) -> str:
    """A call that came to nothing."""
    return f"I tried to use {tool}{_given(arguments)}, and it did not work: {why}"


def tool_answered(tool: str, arguments: Mapping[str, Any], answer: str | None, result: str) -> str:
    """What a call gave, in the model's words, or where it made nothing of it, as it came."""
    return f"{answer or f'It says: {result}' if result or answer else 'It is done.'}\n(I used {tool}{_given(arguments)}.)"


def _given(arguments: Mapping[str, Any]) -> str:
    if not arguments:
        return ""
    return " with " + listed([f"{name.replace('_', ' ')} {shortened(_said(value), 80)}" for name, value in arguments.items()])


def _said(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
