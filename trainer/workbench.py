"""What a lesson works with: the database, adapter files, the model and who reads and judges for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from storage.artifacts import Artifacts
from storage.repositories import Repositories
from trainer.contracts import Event
from trainer.model import BaseModel
from trainer.moderation.protocol import Moderator
from trainer.settings import Settings
from trainer.sources.reader import Reader
from trainer.teacher import Teacher
from trainer.together import Group


@dataclass(frozen=True)
class Tools:
    """What a lesson works with."""

    repositories: Repositories
    artifacts: Artifacts
    base: BaseModel
    teacher: Teacher
    moderator: Moderator
    settings: Settings
    publish: Callable[[Event], None]
    cancelled: Callable[[int], bool]
    clock: Callable[[], float] = time.monotonic
    reader: Reader | None = None  # None: as the settings say
    group: Group | None = None  # the lessons that use the model at the same time; None: this one alone
