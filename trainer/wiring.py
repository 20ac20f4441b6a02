"""Chooses the implementations for a process that teaches."""

from __future__ import annotations

import logging
import os
import timeit
from dataclasses import replace
from pathlib import Path

import torch

from storage.errors import DatabaseUnavailableError
from storage.repositories import Lessons, Rebuilds, Repositories
from storage.session import Database
from storage.stores import open_artifacts
from trainer.correct import Correction
from trainer.jobs import tell
from trainer.lease import connect
from trainer.lesson import LessonRunner, Tools
from trainer.model import BaseModel, load_base
from trainer.moderate import build as build_moderator
from trainer.rebuild import RebuildRunner
from trainer.settings import Settings
from trainer.study import Study
from trainer.teacher import LocalTeacher
from trainer.together import Group
from trainer.tools.lesson import ToolLesson
from trainer.websearch import WebSearch

log = logging.getLogger(__name__)

POCKET = Path(__file__).parent / "pocket" / "weights"


def base_model(settings: Settings, *, learns: bool = False) -> BaseModel:
    """The configured base model, loaded: bfloat16 on a GPU, float32 on a CPU; there, a model that ``learns`` is in bfloat16, too, where
    that is clearly faster. Raises ModelError."""
    gpu = torch.cuda.is_available()
    near = gpu or (learns and bfloat16_is_faster())
    return load_base(settings.base_model, pocket_path=POCKET, device="cuda" if gpu else "cpu", dtype=torch.bfloat16 if near else torch.float32)


def bfloat16_is_faster() -> bool:
    """Whether this processor multiplies matrices of bfloat16 at least 1.3 times as fast as those of float32, by trying (milliseconds)."""

    def seconds(dtype: torch.dtype) -> float:
        left, right = torch.ones(512, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
        return min(timeit.repeat(lambda: left @ right, number=4, repeat=5))

    return seconds(torch.float32) > 1.3 * seconds(torch.bfloat16)


def tools(settings: Settings) -> Tools:
    """What lessons and rebuilds work with: the configured database, Redis and base model. Call once per process: it loads the model."""
    assert settings.redis_url, "the supervisor fills in the address of its Redis"
    share_of_cores()
    redis = connect(settings.redis_url)
    base = base_model(settings, learns=True)
    group = Group(base)
    repositories = Repositories.on(Database(settings.database))
    return Tools(
        repositories=repositories,
        artifacts=open_artifacts(settings.artifacts, settings.data),
        base=base,
        teacher=LocalTeacher(base, group),
        moderator=build_moderator(settings.moderation),
        settings=settings,
        publish=lambda event: tell(redis, event),
        cancelled=lambda lesson_id: is_cancelled(repositories.lessons, lesson_id),
        group=group,
    )


def lesson_runner(tools: Tools) -> LessonRunner:
    """The lesson pipeline."""
    return LessonRunner(tools, {"correction": Correction, "document": Study, "tool": ToolLesson, "web": WebSearch})


def rebuild_runner(tools: Tools) -> RebuildRunner:
    """What trains a model afresh."""
    return RebuildRunner(replace(tools, cancelled=lambda rebuild_id: is_cancelled(tools.repositories.rebuilds, rebuild_id)))


def is_cancelled(rows: Lessons | Rebuilds, row_id: int) -> bool:
    """Whether a running lesson or rebuild was cancelled, or deleted with everything of its user's.

    False while the database is away: going live asks once more, in the same step.
    """
    try:
        found = rows.get(row_id)
    except DatabaseUnavailableError as error:
        log.warning("could not look for a cancellation, row=%s error=%s", row_id, error)
        return False
    return found is None or found.is_finished


def share_of_cores() -> None:
    """Half of the cores for this process: the engine has the other half, and threads that wait for a busy core cost more than they give."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
