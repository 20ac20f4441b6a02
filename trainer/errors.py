"""Errors of the trainer package.

TrainerError
├── ModelError                    the base model cannot be used
│   ├── ModelNotFoundError        no such folder, no such id, or no network to fetch it
│   ├── NotAModelError            a folder without a usable model or tokenizer
│   ├── NoChatTemplateError       the tokenizer cannot format a conversation
│   ├── CorruptModelError         the weights do not load or do not fit the configuration
│   └── UnsupportedModelError     an architecture that the engine cannot serve
├── AdapterError                  a user's adapter cannot be used
│   ├── AdapterNotFoundError      no such adapter, or its files are gone
│   ├── UnsupportedAdapterError   a kind of adapter that the engine cannot serve
│   └── CorruptAdapterError       the files do not parse or do not fit the base model
├── LessonError                   a lesson cannot go on
│   ├── SourceError               there is nothing in the source to learn from
│   │   ├── FetchError            an address could not be read
│   │   │   ├── AddressRefusedError   not a public web address
│   │   │   ├── RobotsRefusedError    the site asks programs to stay away
│   │   │   ├── FetchLimitError       too big, too slow, or sent from place to place too often
│   │   │   └── UnreachableError      no answer, or one that says no
│   │   ├── UnreadableError       a file that no text can be had from
│   │   └── SearchError           the web search found nothing, or did not answer
│   ├── NothingToTeachError       no usable examples could be written
│   ├── LessonCancelledError      the user cancelled it
│   └── TeacherUnavailableError   the model that writes examples did not answer; try again later
├── ModerationError               a text could not be moderated, so nothing of it is taught
│   └── ModeratorUnavailableError the moderator did not answer; the lesson waits and tries again
└── EngineError                   the engine did not answer
    ├── EngineBusyError           the waiting line is full; try again later
    ├── EngineStoppedError        the engine was shut down
    ├── ContextTooLongError       the prompt does not fit the model's context
    └── GenerationFailedError     this one answer failed while it was being written
"""

from __future__ import annotations


class TrainerError(Exception):
    """`user_message` is safe to show and says what to do; `detail` is for the log. Instances can be pickled."""

    def __init__(self, user_message: str, detail: str = "") -> None:
        super().__init__(user_message, detail)
        self.user_message = user_message
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.user_message} [{self.detail}]" if self.detail else self.user_message


class ModelError(TrainerError):
    """The base model cannot be used."""


class ModelNotFoundError(ModelError):
    """No such folder, no such id, or no network to fetch it."""


class NotAModelError(ModelError):
    """A folder without a usable model or tokenizer."""


class NoChatTemplateError(ModelError):
    """The tokenizer cannot format a conversation."""


class CorruptModelError(ModelError):
    """The weights do not load or do not fit the configuration."""


class UnsupportedModelError(ModelError):
    """An architecture that the engine cannot serve."""


class AdapterError(TrainerError):
    """A user's adapter cannot be used."""


class AdapterNotFoundError(AdapterError):
    """No such adapter, or its files are gone."""


class UnsupportedAdapterError(AdapterError):
    """A kind of adapter that the engine cannot serve."""


class CorruptAdapterError(AdapterError):
    """The files do not parse or do not fit the base model."""


class ModerationError(TrainerError):
    """A text could not be moderated, so nothing of it is taught."""


class ModeratorUnavailableError(ModerationError):
    """The moderator did not answer; the lesson waits and tries again."""


class EngineError(TrainerError):
    """The engine did not answer."""


class EngineBusyError(EngineError):
    """The waiting line is full; try again later."""


class EngineStoppedError(EngineError):
    """The engine was shut down."""


class ContextTooLongError(EngineError):
    """The prompt does not fit the model's context."""


class GenerationFailedError(EngineError):
    """This one answer failed while it was being written."""


class LessonError(TrainerError):
    """A lesson cannot go on."""


class SourceError(LessonError):
    """There is nothing in the source to learn from."""


class FetchError(SourceError):
    """An address could not be read."""


class AddressRefusedError(FetchError):
    """Not a public web address, or one that the operator has not allowed."""


class RobotsRefusedError(FetchError):
    """The site asks programs to stay away."""


class FetchLimitError(FetchError):
    """Too big, too slow, or sent from place to place too often."""


class UnreachableError(FetchError):
    """No answer, or one that says no."""


class UnreadableError(SourceError):
    """A file that no text can be had from."""


class SearchError(SourceError):
    """The web search found nothing, or did not answer."""


class NothingToTeachError(LessonError):
    """No usable examples could be written from the source."""


class LessonCancelledError(LessonError):
    """The user cancelled the lesson."""


class TeacherUnavailableError(LessonError):
    """The model that writes examples did not answer; the lesson can be tried again."""
