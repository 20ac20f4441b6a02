"""What users do with their model as a whole: train it anew, have it forget a lesson. A row, then a job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress

from bot import texts
from bot.app import App, LessonQueue
from bot.errors import BotError, EngineError, NothingThere
from bot.messages import InboundMessage
from storage.errors import ArtifactError
from storage.records import RebuildRecord, UserRecord
from storage.repositories import Repositories

log = logging.getLogger(__name__)


class Rebuilds:
    """Everybody's rebuilds."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._repositories = app.repositories

    def forget(self, user: UserRecord, message: InboundMessage, number: int) -> RebuildRecord | str:
        """Have the model forget that lesson, after `begin`; or the sentence that says how it is gone already.

        Raises NothingThere, or BotError where it is still being learned.
        """
        lesson = self._repositories.lessons.by_number(user.id, number)
        if lesson is None:
            raise NothingThere(texts.no_such_lesson(number))
        if lesson.state == "forgotten":
            return texts.forgotten_already(number)
        if not lesson.is_finished:
            raise BotError(texts.forget_first_cancel(number))
        if lesson.state != "live":
            self._repositories.lessons.forget(lesson.id)
            return texts.forgotten_unlearned(number)
        rebuild, is_new = self._repositories.rebuilds.create(user.id, platform=message.platform, channel=message.channel, forgets=lesson.id)
        return rebuild if is_new else texts.forgetting_under_way(number)

    def rebuild(self, user: UserRecord, message: InboundMessage) -> RebuildRecord | str:
        """Have the model trained anew, after `begin`; or the sentence that says that it is under way."""
        if not self._repositories.lessons.taught(user.id):
            raise NothingThere(texts.NO_LESSONS)
        rebuild, is_new = self._repositories.rebuilds.create(user.id, platform=message.platform, channel=message.channel)
        return rebuild if is_new else texts.REBUILD_UNDER_WAY

    def begin(self, rebuild: RebuildRecord) -> None:
        """Have it done. Again is the same as once, and mends a crash between the row and the job."""
        if not rebuild.is_finished:
            self._app.queue.enqueue_rebuild(rebuild.id)

    def cancel(self, user: UserRecord, number: int | None = None) -> tuple[RebuildRecord, ...]:
        """Stop forgetting the lesson of that number, or (None) all of the user's rebuilds; those that were stopped."""
        unfinished = self._repositories.rebuilds.unfinished_of_user(user.id)
        return tuple(each for each in unfinished if number in (None, each.number) and self._stop(each))

    def _stop(self, rebuild: RebuildRecord) -> bool:
        # The row first: a worker that has begun reads it at its next stage, whatever becomes of the job.
        stopped = self._repositories.rebuilds.finish(rebuild.id, "cancelled")
        self._app.queue.cancel_rebuild(rebuild.id)
        return stopped


def rebuild_everyone(repositories: Repositories, queue: LessonQueue, user_ids: Iterable[int]) -> int:
    """Every night: have the models of these users trained anew, without a word in chat; how many were queued.

    Left out are those who have nothing to rebuild, who are being taught, and whose live version was rebuilt with all it knows.
    """
    queued = 0
    for user_id in user_ids:
        live = repositories.adapters.live(user_id)
        if live is None or live.parent is None or repositories.lessons.unfinished_of_user(user_id):
            continue
        rebuild, is_new = repositories.rebuilds.create(user_id, platform="", channel="")
        queued += is_new
        queue.enqueue_rebuild(rebuild.id)
    return queued


async def remove_versions(app: App, names: Iterable[str]) -> None:
    """Have the engine let go of versions that nobody is answered by any more, then delete their files.

    What cannot be deleted right now is swept up later: see bot/sweeper.py.
    """
    for name in names:
        with suppress(EngineError):  # it is away, or never held this version
            await app.engine.unload(name)
        try:
            await asyncio.to_thread(app.artifacts.delete, name)
        except ArtifactError as error:
            log.warning("an adapter could not be deleted yet, adapter=%s error=%s", name, error)


def removed_by(app: App, rebuild: RebuildRecord) -> list[str]:
    """The names of the versions that a finished rebuild has marked as removed."""
    numbers = rebuild.metrics.removed if rebuild.metrics else ()
    versions = app.repositories.adapters.of_user(rebuild.user_id) if numbers else ()
    return [each.name for each in versions if each.number in numbers]
