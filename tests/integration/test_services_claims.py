"""Claims: what one process sees to, until it lets go or is given up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from bot.embedded_redis import EmbeddedRedis
from tests.services import ROOT, eventually
from trainer.lease import Claims, connect


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Redis:
    connection = connect(redis_server.url)
    connection.flushall()
    return connection


def test_one_of_two_holds_it_until_it_gives_it_back(redis: Redis) -> None:
    ours, theirs = Claims(redis), Claims(redis)
    assert ours.take("a") and ours.take("a")
    assert not theirs.take("a") and theirs.take("b")
    assert ours.is_sure("a") and not ours.is_sure("b") and not theirs.is_sure("a")
    theirs.give_back("a")  # it is not theirs to give
    assert not theirs.take("a")
    ours.give_back("a")
    assert not ours.is_sure("a") and theirs.take("a")
    assert theirs.keep() == () and ours.keep() == ()


def test_who_does_not_keep_it_loses_it_and_hears_so(redis: Redis) -> None:
    ours, theirs = Claims(redis, ttl=0.2), Claims(redis)
    assert ours.take("a") and ours.take("b")
    eventually(lambda: not ours.is_sure("a") and not redis.exists("a"))
    assert theirs.take("a")
    assert ours.keep() == ("a",)  # nobody wanted the other
    assert not ours.is_sure("a") and ours.is_sure("b")
    assert redis.exists("a", "b") == 2


def test_of_a_process_that_died_on_this_machine_it_is_free_at_once(redis: Redis, redis_server: EmbeddedRedis) -> None:
    taking = "import sys; from trainer.lease import Claims, connect; assert Claims(connect(sys.argv[1])).take('a')"
    subprocess.run([sys.executable, "-c", taking, redis_server.url], cwd=Path(ROOT), check=True)
    assert redis.exists("a")
    assert Claims(redis).take("a")


def test_what_could_not_be_claimed_without_redis_is_claimed_later(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Claims(redis)
    with monkeypatch.context() as away:
        away.setattr(redis, "pipeline", _away)
        with pytest.raises(ConnectionError):
            ours.take("a")
    assert not ours.is_sure("a") and ours.keep() == ()
    assert ours.is_sure("a") and not Claims(redis).take("a")


def _away(*_: object, **__: object) -> None:
    raise ConnectionError
