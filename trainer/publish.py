"""Makes a trained adapter the user's live version: files first, then the row, then the pointer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from storage.artifacts import ArtifactStore
from storage.records import AdapterRecord, LessonMetrics
from storage.repositories import Repositories


def publish(
    repositories: Repositories,
    artifacts: ArtifactStore,
    save: Callable[[Path], None],
    *,
    user_id: int,
    cause: str,
    lesson_ids: Sequence[int],
    parent: AdapterRecord | None,
    base_model: str,
    metrics: Mapping[str, float],
    lesson_id: int | None = None,
    lesson_metrics: LessonMetrics | None = None,
) -> AdapterRecord:
    """Write the files through ``save``, move the live pointer to the new version and, in the same step, end the lesson as live.

    Raises StaleVersionError when the live version is no longer ``parent``: the lesson must then be trained again from what is live
    now; LessonFinishedError when the lesson was cancelled meanwhile; UnknownUserError, UnknownVersionError or UnknownLessonError when
    the user deleted everything. The new version's files and row are gone in each case.
    """
    previous = parent.name if parent else None
    adapter = repositories.adapters.propose(
        user_id, cause=cause, lesson_ids=lesson_ids, parent=previous, base_model=base_model, metrics=metrics
    )
    try:
        artifacts.write(adapter.name, save)
        return repositories.adapters.publish(adapter.id, previous, lesson_id=lesson_id, metrics=lesson_metrics)
    except BaseException:  # also a stop of the process, which may come right after the version went live
        if repositories.adapters.discard(adapter.id):
            artifacts.delete(adapter.name)
        raise
