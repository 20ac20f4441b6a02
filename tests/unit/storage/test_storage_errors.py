"""Errors reach the other side of a queue whole."""

from __future__ import annotations

import pickle

import pytest

from storage import errors
from storage.errors import (
    ArtifactWriteError,
    LessonFinishedError,
    StaleVersionError,
    StorageError,
    UnknownVersionError,
)


@pytest.mark.parametrize(
    "error",
    [
        StorageError("detail"),
        UnknownVersionError(3, 2),
        LessonFinishedError(7, "cancelled"),
        StaleVersionError(None, "user-3-v2"),
        ArtifactWriteError("user-3-v2", "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling(error: StorageError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert (copy.__dict__, str(copy), copy.user_message) == (error.__dict__, str(error), error.user_message)


def test_every_error_is_in_the_drawn_tree_and_has_words_for_the_user() -> None:
    classes = [each for each in vars(errors).values() if isinstance(each, type)]

    assert len(classes) > 10
    for each in classes:
        assert issubclass(each, StorageError)
        assert each.user_message.endswith(".")
        assert each.__name__ in (errors.__doc__ or "")
