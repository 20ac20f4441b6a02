"""Makes a trained adapter the user's live version: files first, then the row, then the pointer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from storage.artifacts import Artifacts
from storage.errors import ArtifactUnavailableError
from storage.records import AdapterRecord, LessonMetrics, RebuildMetrics
from storage.repositories import Repositories


def publish(
    repositories: Repositories,
    artifacts: Artifacts,
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
    rebuild_id: int | None = None,
    rebuild_metrics: RebuildMetrics | None = None,
) -> AdapterRecord:
    """Write the files through ``save``, move the live pointer to the new version and, in the same step, end the lesson or rebuild as live.

    Raises StaleVersionError when the live version is no longer ``parent``: the lesson must then be trained again from what is live
    now; LessonFinishedError or RebuildFinishedError when it was cancelled meanwhile; UnknownUserError, UnknownVersionError,
    UnknownLessonError or UnknownRebuildError when the user deleted everything. The new version's files and row are gone in each case.
    """
    previous = parent.name if parent else None
    trained_from = previous if rebuild_id is None else None  # a rebuild begins from nothing, whatever is live
    adapter = repositories.adapters.propose(user_id, cause=cause, lesson_ids=lesson_ids, parent=trained_from, base_model=base_model, metrics=metrics)
    try:
        artifacts.write(adapter.name, save)
        return repositories.adapters.publish(
            adapter.id, previous, lesson_id=lesson_id, metrics=lesson_metrics, rebuild_id=rebuild_id, rebuild_metrics=rebuild_metrics
        )
    except BaseException:  # also a stop of the process, which may come right after the version went live
        if repositories.adapters.discard(adapter.id):
            with suppress(ArtifactUnavailableError):  # else the sweeper deletes what has no row
                artifacts.delete(adapter.name)
        raise
