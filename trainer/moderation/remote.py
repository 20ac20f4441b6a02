"""What goes wrong with a moderator on another machine, as what a lesson waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import openai

from trainer.errors import ModeratorUnavailableError


@contextmanager
def asking(*, unavailable: str, refused: str) -> Iterator[None]:
    """Raises ModeratorUnavailableError with one of the two sentences for whatever a request through the openai package ends in."""
    try:
        yield
    except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError, openai.BadRequestError) as error:
        raise ModeratorUnavailableError(refused, f"status {error.status_code}") from error
    except openai.OpenAIError as error:
        raise ModeratorUnavailableError(unavailable, type(error).__name__) from error
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        # The package builds its answer unchecked, so a stranger's JSON (or a web page) shows only when it is read.
        raise ModeratorUnavailableError(unavailable, f"unreadable answer: {type(error).__name__}") from error
