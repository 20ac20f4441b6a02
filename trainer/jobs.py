"""What an RQ worker runs for a lesson: a thin shell that keeps the order and counts attempts."""

from __future__ import annotations

import logging
from typing import Protocol

from redis import Redis

from storage.errors import LessonFinishedError
from storage.records import LessonRecord
from storage.repositories import Repositories
from trainer.contracts import Finished, publish
from trainer.lease import teaching
from trainer.worker import Abandoned

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 4
GAVE_UP = f"I started this lesson {MAX_ATTEMPTS} times and could not finish it. Please teach it again later."


class LessonRunner(Protocol):
    """The pipeline; `run` takes a lesson from where it stands to its end, and may be called again after a crash."""

    def run(self, lesson_id: int) -> object: ...


class Teaching:
    """Runs lessons: one at a time per user, in the order in which they were given, never the same one for ever."""

    def __init__(self, repositories: Repositories, redis: Redis, runner: LessonRunner) -> None:
        self._lessons = repositories.lessons
        self._redis = redis
        self._runner = runner

    def learn(self, lesson_id: int) -> None:
        """Run the user's unfinished lessons up to this one. Nothing happens while another worker teaches the user: the
        sweeper comes back to the lesson then. Raises what the pipeline raised; RQ tries again."""
        lesson = self._lessons.get(lesson_id)
        if lesson is None or lesson.is_finished:
            return
        with teaching(self._redis, lesson.user_id) as held:
            if not held:
                return
            for each in self._lessons.unfinished_of_user(lesson.user_id):
                if each.id <= lesson_id:
                    self._run(each)

    def _run(self, lesson: LessonRecord) -> None:
        if lesson.attempts - self._interruptions(lesson.id) >= MAX_ATTEMPTS:
            if self._lessons.finish(lesson.id, "failed", reason=GAVE_UP):
                log.error("gave up a lesson, lesson=%s user=%s attempts=%s", lesson.id, lesson.user_id, lesson.attempts)
                publish(self._redis, Finished(lesson.id, lesson.user_id))
            return
        try:
            self._runner.run(lesson.id)
        except LessonFinishedError:  # it was cancelled meanwhile
            log.info("a lesson had ended already, lesson=%s user=%s", lesson.id, lesson.user_id)
        except Abandoned:
            self._redis.incr(_interruptions_key(lesson.id))
            self._redis.expire(_interruptions_key(lesson.id), 7 * 24 * 3600)  # a lesson is not older than a week
            raise

    def _interruptions(self, lesson_id: int) -> int:
        """How often the worker was asked to stop in the middle of the lesson, which is not the lesson's fault."""
        return int(self._redis.get(_interruptions_key(lesson_id)) or 0)


def _interruptions_key(lesson_id: int) -> str:
    return f"tutee:interrupted:{lesson_id}"


_teaching: Teaching | None = None


def configure(teaching: Teaching) -> None:
    """Set, once per process, what `learn` works with."""
    global _teaching  # RQ calls a function by its path, so the process is the only place to keep this
    _teaching = teaching


def learn(lesson_id: int) -> None:
    """The RQ job."""
    if _teaching is None:
        raise RuntimeError("this process was not configured for lessons")
    _teaching.learn(lesson_id)
