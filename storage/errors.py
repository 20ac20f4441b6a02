"""Everything that can go wrong in storage.

    StorageError
    ├── DatabaseUnavailableError    the database cannot be reached, is locked for too long, or its disk is full
    ├── DatabaseInUseError          the schema cannot be changed, because others do not let go of a table
    ├── UnknownRecordError          the row does not exist (any more)
    │   ├── UnknownUserError
    │   ├── UnknownLessonError
    │   ├── UnknownRebuildError
    │   ├── UnknownExchangeError
    │   └── UnknownVersionError     no such published version of this user's model
    ├── LessonFinishedError         the lesson ended already (live, cancelled, …), so it can neither start nor go on
    ├── RebuildFinishedError        the same of a rebuild
    ├── VersionRemovedError         the version knew a lesson that was forgotten, so it can never be live again
    ├── StaleVersionError           the live version is not the one that the new version was made from
    ├── BackupError                 a back-up cannot be written, read or restored
    └── ArtifactError
        ├── ArtifactNameError       not a name that the store could have given out
        ├── ArtifactMissingError    no adapter of that name
        ├── ArtifactExistsError     adapters are immutable: the name is taken
        ├── ArtifactWriteError      disk full, folder not writable
        ├── ArtifactUnavailableError   the bucket does not answer, or does not let us in
        └── ArtifactPlaceError      the configured store cannot be used as it is

Each class takes its facts as positional arguments and keeps them in `args`, so all of them survive pickling.
"""


class StorageError(Exception):
    """Base of the tree; `user_message` may be shown to a user as it stands."""

    user_message = "Something went wrong with my memory. Please try again in a moment."


class DatabaseUnavailableError(StorageError):
    """The database refused or dropped the work; nothing of the failed call was kept."""

    user_message = "I cannot reach my memory right now. Please try again in a moment."


class DatabaseInUseError(StorageError):
    """Somebody holds on to a table that has to be changed; nothing was."""

    user_message = (
        "The database cannot be upgraded: something has been using its tables for minutes on end. Find it in pg_stat_activity, end it, "
        "and start this again. Nothing was changed."
    )


class UnknownRecordError(StorageError):
    """A row that the caller names does not exist, or not any more."""

    user_message = "I cannot find that (any more)."


class UnknownUserError(UnknownRecordError):
    """The user does not exist, or has deleted everything."""


class UnknownLessonError(UnknownRecordError):
    """The lesson does not exist, or its user has deleted everything."""

    user_message = "I cannot find that lesson."


class UnknownRebuildError(UnknownRecordError):
    """The rebuild does not exist, or its user has deleted everything."""


class UnknownExchangeError(UnknownRecordError):
    """The exchange does not exist, or its user has deleted everything."""

    user_message = "I cannot find that answer."


class UnknownVersionError(UnknownRecordError):
    """The version does not exist for this user, or never went live."""

    user_message = "Your model has no such version."


class LessonFinishedError(StorageError):
    """The lesson has ended, so there is nothing left to run."""

    user_message = "That lesson is already over."

    def __init__(self, lesson_id: int, state: str) -> None:
        super().__init__(lesson_id, state)
        self.lesson_id = lesson_id
        self.state = state

    def __str__(self) -> str:
        return f"lesson {self.lesson_id} is already {self.state}"


class RebuildFinishedError(StorageError):
    """The rebuild has ended, so there is nothing left to run."""

    user_message = "That is already over."

    def __init__(self, rebuild_id: int, state: str) -> None:
        super().__init__(rebuild_id, state)
        self.rebuild_id = rebuild_id
        self.state = state

    def __str__(self) -> str:
        return f"rebuild {self.rebuild_id} is already {self.state}"


class VersionRemovedError(StorageError):
    """The version knew a lesson that was forgotten: its files are gone, and it can never be live again."""

    user_message = "I removed that version of your model, because it knew a lesson that you had me forget."


class StaleVersionError(StorageError):
    """Another version went live since `expected` was read; the new one was not published."""

    user_message = "Your model changed while I was learning, so I have to start this lesson again."

    def __init__(self, expected: str | None, actual: str | None) -> None:
        super().__init__(expected, actual)
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return f"expected {self.expected or 'the base model'} to be live, found {self.actual or 'the base model'}"


class BackupError(StorageError):
    """A back-up cannot be written, read or restored; `user_message` says why."""

    def __init__(self, user_message: str, detail: str = "") -> None:
        super().__init__(user_message, detail)
        self.user_message = user_message
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.user_message} [{self.detail}]" if self.detail else self.user_message


class ArtifactError(StorageError):
    """Something is wrong with the files of an adapter."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(name, detail)
        self.name = name
        self.detail = detail

    def __str__(self) -> str:
        return f"adapter {self.name!r}: {self.detail}" if self.detail else f"adapter {self.name!r}"


class ArtifactNameError(ArtifactError):
    """The name could lead outside the store, or is not one that the store gives out."""


class ArtifactMissingError(ArtifactError):
    """No complete adapter of that name is stored."""

    user_message = "The files of this version of your model are missing."


class ArtifactExistsError(ArtifactError):
    """The name is taken; an adapter never changes once it is written."""


class ArtifactWriteError(ArtifactError):
    """The adapter could not be written; nothing of it was kept."""

    user_message = "I could not save what I learned: my disk is full or not writable. Nothing about your model changed."


class ArtifactUnavailableError(ArtifactError):
    """The store does not answer; the same may succeed later."""

    user_message = "I cannot reach the place where models are kept right now. Please try again in a moment."


class ArtifactPlaceError(ArtifactError):
    """The store that is configured cannot be used; `user_message` says what to change."""

    def __init__(self, user_message: str, detail: str = "") -> None:
        super().__init__(user_message, detail)
        self.user_message = user_message

    def __str__(self) -> str:
        return self.detail or self.user_message
