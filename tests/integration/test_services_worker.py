"""Real worker processes, ended in every way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.services import Installation, eventually
from trainer.contracts import LESSON_QUEUE, Finished, lesson_job_id, teaching_key
from trainer.worker import WarmWorker


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    installation.close()


def test_a_lesson_of_a_worker_that_was_killed_is_taken_up_again(here: Installation) -> None:
    lesson = here.teach("My cat is called Miso.")
    here.queue.enqueue_lesson(lesson.id)
    first = here.start_worker()
    eventually(lambda: here.ran() == [lesson.id])

    first.kill()
    first.wait()
    here.start_worker()

    eventually(lambda: here.ran() == [lesson.id, lesson.id], seconds=30)
    here.let_lessons_end()
    eventually(lambda: here.state(lesson) == "live")


def test_a_worker_that_is_asked_to_stop_puts_its_lesson_back_at_once(here: Installation) -> None:
    lesson, next_one = here.teach("first", user="ada"), here.teach("second", user="bob")
    here.queue.enqueue_lesson(lesson.id)
    here.queue.enqueue_lesson(next_one.id)
    worker = here.start_worker()
    eventually(lambda: here.ran() == [lesson.id])

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(20) == 0
    assert here.redis.lrange("rq:queue:lessons", 0, 0) == [lesson_job_id(lesson.id).encode()]
    assert not here.redis.exists(teaching_key(lesson.user_id))
    here.let_lessons_end()
    here.start_worker()
    eventually(lambda: (here.state(lesson), here.state(next_one)) == ("live", "live"))
    assert here.ran() == [lesson.id, lesson.id, next_one.id]


def test_no_connection_gives_up_while_a_worker_waits_for_a_job(here: Installation) -> None:
    assert here.redis.ping()  # so that a connection is there already
    worker = WarmWorker([LESSON_QUEUE], threading.Event(), here.redis)
    pool = worker.connection.connection_pool
    patience = [pool.get_connection().socket_timeout for _ in range(2)]
    assert all(seconds is not None and seconds > worker.dequeue_timeout for seconds in patience)


def test_an_idle_worker_stops_when_asked_to(here: Installation) -> None:
    worker = here.start_worker()
    eventually(lambda: here.redis.exists("rq:workers"))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0


@pytest.mark.timeout(30)
def test_a_worker_heeds_a_signal_that_came_while_it_started(here: Installation) -> None:
    stop, before = threading.Event(), {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stop.set()
    try:
        assert not WarmWorker([LESSON_QUEUE], stop, here.redis).work(logging_level="WARNING")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_stopping_a_worker_is_not_held_against_the_lesson(here: Installation) -> None:
    lesson = here.teach("patience")
    here.queue.enqueue_lesson(lesson.id)
    for times in range(1, 6):
        worker = here.start_worker()
        eventually(partial(has_begun, here, times))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
    assert here.state(lesson) == "running"


def has_begun(here: Installation, times: int) -> bool:
    return len(here.ran()) == times


def test_a_lesson_that_never_works_fails_after_four_attempts_and_says_so(here: Installation) -> None:
    lesson = here.teach("broken")
    events = here.queue.events()
    here.queue.enqueue_lesson(lesson.id)
    here.start_worker()

    eventually(lambda: here.redis.zcard("rq:scheduled:lessons"))
    while here.state(lesson) != "failed":  # as if the pauses between the attempts were over
        here.redis.zadd("rq:scheduled:lessons", {lesson_job_id(lesson.id): 1}, xx=True)
        assert len(here.ran()) <= 4

    assert here.ran() == [lesson.id] * 4
    found = here.repositories.lessons.get(lesson.id)
    assert found is not None and found.reason is not None and "4 times" in found.reason
    assert next(events)[1] == Finished(lesson.id, lesson.user_id)


def test_two_workers_never_teach_one_user_at_once_and_keep_the_order(here: Installation) -> None:
    lessons = [here.teach(f"lesson {number}") for number in range(4)]
    other = here.teach("somebody else's", user="bob")
    for lesson in lessons:
        here.queue.enqueue_lesson(lesson.id)
    here.queue.enqueue_lesson(other.id)
    here.start_worker()
    here.start_worker()

    eventually(lambda: sorted(here.ran()) == sorted([lessons[0].id, other.id]))  # two users at once, one lesson of each
    here.let_lessons_end()

    eventually(lambda: all(here.state(lesson) == "live" for lesson in [*lessons, other]))
    assert [each for each in here.ran() if each != other.id] == [lesson.id for lesson in lessons]


def test_a_worker_goes_on_after_redis_was_restarted(here: Installation) -> None:
    here.let_lessons_end()
    first, second = here.teach("before"), here.teach("after")
    worker = here.start_worker()
    here.queue.enqueue_lesson(first.id)
    eventually(lambda: here.state(first) == "live")

    here.redis_server.stop()
    here.redis_server.restart()
    here.queue.enqueue_lesson(second.id)

    eventually(lambda: here.state(second) == "live")
    assert worker.poll() is None


def test_a_worker_started_before_redis_waits_for_it(here: Installation) -> None:
    here.let_lessons_end()
    lesson = here.teach("early")
    here.queue.enqueue_lesson(lesson.id)
    here.redis_server.stop()
    worker = here.start_worker()

    here.redis_server.restart()

    eventually(lambda: here.state(lesson) == "live")
    assert worker.poll() is None


def test_a_lost_job_is_found_by_the_worker(here: Installation) -> None:
    here.let_lessons_end()
    lesson = here.teach("never queued")
    here.start_worker()

    eventually(lambda: here.state(lesson) == "live")
    assert here.queue.waiting(LESSON_QUEUE) == set()
