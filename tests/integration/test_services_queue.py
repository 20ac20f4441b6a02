"""The queue and the events, on a real Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from rq.job import Job
from rq.serializers import JSONSerializer

from bot.sweeper import Sweeper
from storage.repositories.base import utc_now
from tests.services import Installation, eventually
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE, Answered, Progress, answer_job_id, lesson_job_id
from trainer.lease import Lease, answering, is_held, teaching


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    installation.close()


def test_the_same_lesson_is_queued_once(here: Installation) -> None:
    assert here.queue.enqueue_lesson(7)
    assert not here.queue.enqueue_lesson(7)
    assert here.queue.enqueue_lesson(8)

    assert here.queue.waiting(LESSON_QUEUE) == {lesson_job_id(7), lesson_job_id(8)}
    assert here.redis.llen("rq:queue:lessons") == 2


def test_jobs_are_json_and_name_their_function(here: Installation) -> None:
    here.queue.enqueue_answer(3)

    job = Job.fetch(answer_job_id(3), here.redis, serializer=JSONSerializer)

    assert job.func_name == "bot.jobs.answer" and tuple(job.args) == (3,)
    assert job.retries_left is not None and job.retries_left > 100
    assert job.get_retry_interval() == 1


def test_a_lesson_whose_job_failed_for_good_can_be_queued_again(here: Installation) -> None:
    here.queue.enqueue_lesson(7)
    job = Job.fetch(lesson_job_id(7), here.redis, serializer=JSONSerializer)
    here.redis.delete("rq:queue:lessons")
    job.set_status("failed")  # type: ignore[arg-type]  # RQ accepts the word as well as its own constant

    assert here.queue.enqueue_lesson(7)
    assert here.queue.waiting(LESSON_QUEUE) == {lesson_job_id(7)}


def test_cancelling_takes_a_waiting_lesson_off_the_queue(here: Installation) -> None:
    here.queue.enqueue_lesson(7)

    assert here.queue.cancel_lesson(7)
    assert here.queue.waiting(LESSON_QUEUE) == set()
    assert not here.queue.cancel_lesson(7)  # nothing left to take off: whoever has it reads the row


def test_events_come_in_order_and_can_be_read_from_anywhere(here: Installation) -> None:
    from_now = here.queue.events()
    first, second = Progress(1, 2, "train", 62, 3.5, None), Answered(5, 2)
    here.queue.publish(first)
    here.queue.publish(second)

    entry, event = next(from_now)
    assert (event, next(from_now)[1]) == (first, second)
    assert next(here.queue.events("0"))[1] == first
    assert next(here.queue.events(entry))[1] == second


def test_a_reader_of_events_outlives_a_restart_of_redis(here: Installation) -> None:
    events = here.queue.events()
    here.queue.publish(Answered(1, 1))
    assert next(events)[1] == Answered(1, 1)
    found: list[object] = []
    reader = threading.Thread(target=lambda: found.append(next(events)[1]))
    reader.start()

    here.redis_server.stop()
    here.redis_server.restart()
    here.queue.publish(Answered(2, 1))

    reader.join(30)
    assert found == [Answered(2, 1)]


def test_unknown_events_are_left_out(here: Installation) -> None:
    here.redis.xadd("tutee:events", {"event": '{"kind": "Sneeze"}'})
    here.redis.xadd("tutee:events", {"something": "else"})
    here.queue.publish(Answered(2, 1))

    assert next(here.queue.events("0"))[1] == Answered(2, 1)


def test_events_end_when_asked_to(here: Installation) -> None:
    stop = threading.Event()
    stop.set()
    assert list(here.queue.events("0", stop)) == []


def test_without_redis_nothing_is_raised(here: Installation) -> None:
    here.redis_server.stop()

    assert not here.queue.enqueue_lesson(7)
    assert not here.queue.cancel_lesson(7)
    here.queue.publish(Answered(1, 1))
    Sweeper(here.queue, here.repositories, here.artifacts)()


def test_what_could_not_be_queued_without_redis_is_queued_by_the_sweeper(here: Installation) -> None:
    here.redis_server.stop()
    lesson = here.teach("My cat is called Miso.")
    assert not here.queue.enqueue_lesson(lesson.id)
    here.redis_server.restart()

    swept_until(here, lambda: here.queue.waiting(LESSON_QUEUE) == {lesson_job_id(lesson.id)})


def test_what_a_wrong_clock_put_off_until_tomorrow_is_queued_by_the_sweeper(here: Installation) -> None:
    lesson, soon = here.teach("one"), here.teach("two", user="bob")
    for each, seconds in ((lesson, 86_400), (soon, 45)):
        here.queue.enqueue_lesson(each.id)
        here.redis.lrem("rq:queue:lessons", 0, lesson_job_id(each.id))
        here.redis.zadd("rq:scheduled:lessons", {lesson_job_id(each.id): time.time() + seconds})

    sweep_often(here)

    assert here.redis.lrange("rq:queue:lessons", 0, -1) == [lesson_job_id(lesson.id).encode()]
    assert here.queue.waiting(LESSON_QUEUE) == {lesson_job_id(lesson.id), lesson_job_id(soon.id)}


def test_the_sweeper_leaves_alone_what_waits_and_what_is_taught(here: Installation) -> None:
    waiting, taught = here.teach("one", user="ada"), here.teach("two", user="bob")
    here.queue.enqueue_lesson(waiting.id)
    with teaching(here.redis, taught.user_id):
        sweep_often(here)
        assert here.queue.waiting(LESSON_QUEUE) == {lesson_job_id(waiting.id)}
    assert here.redis.llen("rq:queue:lessons") == 1


def test_the_sweeper_queues_a_message_that_nobody_answers(here: Installation) -> None:
    user = here.repositories.users.identify("terminal", "ada", "ada")
    conversation = here.repositories.conversations.current(user.id, "terminal", "terminal")
    exchange, _ = here.repositories.exchanges.receive(user.id, conversation.id, "terminal", "m1", "Who am I?")

    sweep_often(here)
    assert here.queue.waiting(CHAT_QUEUE) == set()  # a bot may be about to answer it

    def later() -> object:
        return utc_now() + timedelta(minutes=1)

    with answering(here.redis, exchange.id):
        sweep_often(here, later)
        assert here.queue.waiting(CHAT_QUEUE) == set()
    swept_until(here, lambda: here.queue.waiting(CHAT_QUEUE) == {answer_job_id(exchange.id)}, later)


def test_a_lease_is_held_by_one_and_given_back(here: Installation) -> None:
    with teaching(here.redis, 1) as held, teaching(here.redis, 1) as held_twice, teaching(here.redis, 2) as other:
        assert (held, held_twice, other) == (True, False, True)
    with teaching(here.redis, 1) as held:
        assert held


def test_a_lease_that_is_left_while_it_is_still_being_taken_is_nobodys(here: Installation) -> None:
    """As by an answer whose process ends: the thread that asks Redis goes on, and whoever waited for it does not."""
    lease, asked, may_go_on = Lease(here.redis, "lease"), threading.Event(), threading.Event()
    take = lease._take

    def slowly() -> bool:
        asked.set()
        assert may_go_on.wait(60)
        return take()

    lease._take = slowly  # type: ignore[method-assign]  # Redis takes its time
    taking = threading.Thread(target=lease.__enter__)
    taking.start()
    assert asked.wait(60)
    lease.__exit__(None, None, None)
    may_go_on.set()
    taking.join()
    assert not is_held(here.redis, "lease") and not [each for each in threading.enumerate() if each.name == "lease lease"]


def test_a_lease_is_kept_longer_than_it_lasts_while_its_holder_lives(here: Installation) -> None:
    lease = Lease(here.redis, "lease", ttl=0.5)
    with lease:
        begin = time.monotonic()
        eventually(lambda: time.monotonic() - begin > 1.2)
        assert is_held(here.redis, "lease") and not lease.lost
    assert not here.redis.exists("lease")


def test_a_lease_that_somebody_else_has_got_is_lost_and_not_taken_back(here: Installation) -> None:
    lease = Lease(here.redis, "lease", ttl=0.5)
    with lease:
        here.redis.set("lease", "elsewhere/1/1 x")
        eventually(lambda: lease.lost)
    assert here.redis.get("lease") == b"elsewhere/1/1 x"


def sweep_often(here: Installation, now: object = utc_now) -> None:
    for _ in range(4):
        here.redis.delete("tutee:sweep")
        Sweeper(here.queue, here.repositories, here.artifacts, now)()  # type: ignore[arg-type]  # a clock


def swept_until(here: Installation, look: object, now: object = utc_now) -> None:
    sweep_often(here, now)
    assert look()  # type: ignore[operator]  # a question
