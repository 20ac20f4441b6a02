"""Everything that the bot refuses or cannot do.

BotError                        carries `user_message`, written in bot/texts
├── EngineError
│   ├── EngineUnavailable       starting, down, full or cut off: the same question may succeed later
│   └── EngineRefused           asking again changes nothing
│       ├── VersionUnknown      the engine does not have the user's version
│       └── PromptTooLong       the conversation does not fit the model
├── LessonRefused               an empty, too long or unreadable lesson
├── ConsentMissing              nothing is learned before the user agreed
├── AttachmentRefused           a file that is missing, unreadable or of a kind that cannot be taught
├── ExportFailed                the export's folder cannot be written
├── NothingThere                no such lesson, version or answer
├── NotAllowed                  somebody else's card, a command for whoever runs the bot, or the bot is switched off
├── PlatformRefused             a chat platform does not let the bot in
├── TooMuch                     what one person may ask for in a day is used up
├── Stopped                     the user stopped an answer before it had begun
└── EarlierPending              an earlier message of the conversation has to be answered first
"""

from __future__ import annotations


class BotError(Exception):
    """`user_message` may be shown as it stands; `detail` is for the log. Instances can be pickled."""

    def __init__(self, user_message: str, detail: str = "") -> None:
        super().__init__(user_message, detail)
        self.user_message = user_message
        self.detail = detail

    def __str__(self) -> str:
        return self.detail or self.user_message


class EngineError(BotError):
    """The engine gave no answer."""


class EngineUnavailable(EngineError):
    """Starting, down, full or cut off: the same question may succeed later."""


class EngineRefused(EngineError):
    """Asking again changes nothing."""


class VersionUnknown(EngineRefused):
    """The engine does not have the user's version."""


class PromptTooLong(EngineRefused):
    """The conversation does not fit the model's context."""


class LessonRefused(BotError):
    """An empty, too long or unreadable lesson."""


class ConsentMissing(BotError):
    """Nothing is learned before the user agreed."""


class AttachmentRefused(BotError):
    """A file that is missing, unreadable or of a kind that cannot be taught."""


class ExportFailed(BotError):
    """The export's folder cannot be written."""


class NothingThere(BotError):
    """No such lesson, version or answer."""


class NotAllowed(BotError):
    """Somebody else's card, a command for whoever runs the bot, or the bot is switched off."""


class PlatformRefused(BotError):
    """A chat platform does not let the bot in."""


class TooMuch(BotError):
    """The day's messages or lessons are used up."""


class Stopped(BotError):
    """The user stopped an answer before it had begun."""


class EarlierPending(BotError):
    """An earlier message of the conversation has to be answered first."""
