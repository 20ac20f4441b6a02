"""Chooses the implementations for a process that teaches."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import torch

from storage.errors import DatabaseUnavailableError
from storage.repositories import Lessons, Rebuilds, Repositories
from storage.session import Database
from storage.stores import open_artifacts
from trainer.computing import Computing, Shape, choose, cores
from trainer.correct import Correction
from trainer.jobs import tell
from trainer.lease import connect
from trainer.lesson import LessonRunner
from trainer.model import BaseModel, load_base, read_config
from trainer.moderate import build as build_moderator
from trainer.rebuild import RebuildRunner
from trainer.settings import AUTO, Settings
from trainer.study import Study
from trainer.teacher import LocalTeacher
from trainer.together import Group
from trainer.tools.lesson import ToolLesson
from trainer.websearch import WebSearch
from trainer.workbench import Tools

log = logging.getLogger(__name__)

POCKET = Path(__file__).parent / "pocket" / "weights"


def base_model(settings: Settings, *, learns: bool = False) -> BaseModel:
    """The configured base model, loaded into what it is computed with here: bfloat16 on a GPU, on a processor what `computing` finds
    fastest, for a model that answers or for one that ``learns``. Sets the threads of torch. Raises ModelError."""
    found = compute(settings, Shape.of(read_config(settings.base_model, pocket_path=POCKET)), learns=learns)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return load_base(settings.base_model, pocket_path=POCKET, device=device, dtype=found.dtype)


def compute(settings: Settings, shape: Shape, *, learns: bool = False) -> Computing:
    """What a model of this shape is computed with; torch's threads are set so. The settings' words go before what would be chosen."""
    wanted, gpu = settings.compute, torch.cuda.is_available()
    dtype = getattr(torch, wanted.dtype) if wanted.dtype != AUTO else torch.bfloat16 if gpu else None
    threads = None if wanted.threads == AUTO else int(wanted.threads)
    if threads is None and "OMP_NUM_THREADS" in os.environ:
        threads = torch.get_num_threads()
    elif threads is None and gpu:
        threads = max(1, cores() // 2)
    found = choose(shape, learns=learns, dtype=dtype, threads=threads)
    torch.set_num_threads(found.threads)
    return found


def tools(settings: Settings) -> Tools:
    """What lessons and rebuilds work with: the configured database, Redis and base model. Call once per process: it loads the model."""
    assert settings.redis_url, "the supervisor fills in the address of its Redis"
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
