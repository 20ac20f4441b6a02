"""What is said in conversation: help, answers that have to wait, feedback, limits, and running the bot."""

from __future__ import annotations

from bot.texts.phrases import listed
from storage.records import DownReason

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
REASON_NOTED_TEACH = "Thank you, noted. Write /react 👎 and what I should have said, and I learn it."
THANKS_CORRECTION = "Thank you. I learn what I should have said, and tell you here what came of it."
REACTION_WITHDRAWN = "Taken back."
SWITCHED_OFF = "I am switched off at the moment. Please try again later."
SWITCHED_OFF_NOW = "I am switched off: nobody but you is answered, and no lesson is taken in. /admin on switches me on again."
SWITCHED_ON_NOW = "I am switched on."
ADMIN_ONLY = "/admin is for whoever runs me."
ADMIN_USAGE = "Write /admin for how I am doing, /admin off to switch me off, or /admin on."
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


def used(messages: int, message_limit: int, lessons: int, lesson_limit: int) -> str:
    """How much of a day's limits is used up; 0 is no limit."""
    parts = [
        f"{count} of {limit} {what}" for count, limit, what in ((messages, message_limit, "messages"), (lessons, lesson_limit, "lessons")) if limit
    ]
    return f"In the last 24 hours you used {listed(parts)}."


def status(users: int, lessons: int, waiting: int, engine: str, switched_on: bool) -> str:
    """What /admin tells: lessons that are being learned and messages that wait for an answer, of everybody."""
    return (
        f"{'On' if switched_on else 'Switched off'}. {users} people know me, {lessons} lessons are being learned, "
        f"{waiting} messages wait for an answer. The model server {engine}."
    )


def bug(identifier: str) -> str:
    """Something that should not happen did."""
    return f"Something went wrong on my side, and I could not finish that. The log has the details under {identifier}."
