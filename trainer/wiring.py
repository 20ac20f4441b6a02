"""Chooses the implementations for a process that teaches."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from storage.artifacts import ArtifactStore
from storage.repositories import Repositories
from storage.session import Database
from trainer.contracts import cancel_key, publish
from trainer.lease import connect
from trainer.lesson import LessonRunner, Tools
from trainer.model import BaseModel, load_base
from trainer.moderate import build as build_moderator
from trainer.settings import Settings
from trainer.teacher import LocalTeacher

POCKET = Path(__file__).parent / "pocket" / "weights"


def base_model(settings: Settings) -> BaseModel:
    """The configured base model, loaded; float32 on a CPU, bfloat16 on a GPU. Raises ModelError."""
    gpu = torch.cuda.is_available()
    return load_base(
        settings.base_model, pocket_path=POCKET, device="cuda" if gpu else "cpu", dtype=torch.bfloat16 if gpu else torch.float32
    )


def lesson_runner(settings: Settings) -> LessonRunner:
    """The lesson pipeline on the configured database, Redis and base model. Call once per process: it loads the model."""
    assert settings.redis_url, "the supervisor fills in the address of its Redis"
    share_of_cores()
    redis = connect(settings.redis_url)
    base = base_model(settings)
    return LessonRunner(
        Tools(
            repositories=Repositories.on(Database(settings.database)),
            artifacts=ArtifactStore(settings.adapters),
            base=base,
            teacher=LocalTeacher(base),
            moderator=build_moderator(settings.moderation),
            settings=settings,
            publish=lambda event: publish(redis, event),
            cancelled=lambda lesson_id: bool(redis.exists(cancel_key(lesson_id))),
        )
    )


def share_of_cores() -> None:
    """Half of the cores for this process: the engine has the other half, and threads that wait for a busy core cost more than they give."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
