"""`python -m tests.worker_process REDIS DATABASE ADAPTERS`: a real worker whose lessons only wait, and note that they began."""

from __future__ import annotations

import sys
from pathlib import Path

from redis import Redis

from bot.queue import JobQueue
from bot.sweeper import Sweeper
from storage.artifacts import ArtifactStore
from storage.repositories import Repositories
from storage.session import Database
from trainer import jobs
from trainer.contracts import LESSON_QUEUE
from trainer.lease import connect
from trainer.worker import run_worker


class WaitingRunner:
    def __init__(self, repositories: Repositories, redis: Redis) -> None:
        self._lessons = repositories.lessons
        self._redis = redis

    def run(self, lesson_id: int) -> None:
        lesson = self._lessons.start(lesson_id)
        self._redis.rpush("ran", lesson_id)
        if lesson.text.startswith("broken"):
            raise ValueError("this lesson never works")
        while self._redis.blmove("go", "go", 1) is None:  # stays there, for all that wait
            pass
        self._lessons.finish(lesson_id, "live")


if __name__ == "__main__":
    redis, repositories = connect(sys.argv[1]), Repositories.on(Database(sys.argv[2]))
    jobs.configure(jobs.Teaching(repositories, redis, WaitingRunner(repositories, redis)))
    run_worker(connect(sys.argv[1]), [LESSON_QUEUE], Sweeper(JobQueue(redis), repositories, ArtifactStore(Path(sys.argv[3]))))
