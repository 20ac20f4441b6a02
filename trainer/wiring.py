"""Chooses the implementations for a process that teaches."""

from __future__ import annotations

import logging
from dataclasses import replace

from redis import Redis

from storage.errors import DatabaseUnavailableError
from storage.repositories import Lessons, Rebuilds, Repositories
from storage.session import Database
from storage.stores import open_artifacts
from trainer import jobs
from trainer.computing import Computing
from trainer.correct import Correction
from trainer.jobs import tell
from trainer.lease import connect
from trainer.lesson import LessonRunner
from trainer.loading import base_model
from trainer.moderate import build as build_moderator
from trainer.rebuild import RebuildRunner
from trainer.settings import Settings
from trainer.study import Study
from trainer.teacher import LocalTeacher
from trainer.together import Group
from trainer.tools.lesson import ToolLesson
from trainer.websearch import WebSearch
from trainer.workbench import Tools

log = logging.getLogger(__name__)


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


def prepare_lessons(settings: Settings, redis: Redis, repositories: Repositories) -> str:
    """Load what lessons need, once, and make `trainer.jobs.learn` ready. Says what is computed with. Raises ModelError."""
    found = tools(settings)
    runner, rebuild = lesson_runner(found), rebuild_runner(found).run
    jobs.configure(jobs.Teaching(repositories, redis, runner, rebuild, group=found.group, most=settings.lesson.together))
    return str(Computing.of(found.base.model))


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
