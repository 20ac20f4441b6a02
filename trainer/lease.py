"""Leases in Redis: who is at work on something, known to be alive; a dead holder's lease ends by itself."""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import cast

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from trainer.contracts import answering_key, teaching_key

log = logging.getLogger(__name__)

LEASE_SECONDS = 15.0  # how long work of a holder that died on another machine stays untouched

# Only its holder may extend or end a lease: it may have run out and be somebody else's by now.
_EXTEND = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


def connect(url: str) -> Redis:
    """A connection to `url` (redis://, rediss:// or unix://) that is opened at first use and again after it broke."""
    # Three tries within about a second bridge a restart of a local Redis; longer outages are the caller's to wait out.
    patience = Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 3)
    return Redis.from_url(url, retry=patience, health_check_interval=30)


class Lease:
    """`with Lease(…) as held:` — held is False while somebody alive holds it; the block must then leave the work alone.

    A thread extends it while the block runs. `lost` turns True when Redis could not be reached for a whole `ttl`
    (seconds) or gave the lease to somebody else. Left while it is still being taken (in another thread, whose waiter was cancelled),
    it is given back as soon as it is there.
    """

    def __init__(self, redis: Redis, key: str, ttl: float = LEASE_SECONDS) -> None:
        self.lost = False
        self._redis = redis
        self._key = key
        self._milliseconds = int(ttl * 1000)
        self._token = f"{_process()} {uuid.uuid4().hex}"
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None
        self._order = threading.Lock()

    def __enter__(self) -> bool:
        if not self._take():
            return False
        with self._order:
            if not self._ended.is_set():
                self._heart = threading.Thread(target=self._beat, name=f"lease {self._key}", daemon=True)
                self._heart.start()
                return True
        self._give_back()
        return False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._order:
            self._ended.set()
        if self._heart is not None:
            self._heart.join()
            self._give_back()

    def _give_back(self) -> None:
        try:
            self._redis.eval(_RELEASE, 1, self._key, self._token)
        except RedisError as problem:  # it runs out by itself
            log.warning("a lease could not be given back, key=%s error=%s", self._key, problem)

    def _take(self) -> bool:
        return bool(self._redis.set(self._key, self._token, nx=True, px=self._milliseconds)) or (
            not is_held(self._redis, self._key) and bool(self._redis.set(self._key, self._token, nx=True, px=self._milliseconds))
        )

    def _beat(self) -> None:
        missed = 0
        while not self._ended.wait(self._milliseconds / 1000 / 5):
            try:
                if not self._redis.eval(_EXTEND, 1, self._key, self._token, self._milliseconds):
                    self.lost = not self._redis.set(self._key, self._token, nx=True, px=self._milliseconds)
                missed = 0
            except RedisError:
                missed += 1
                self.lost = self.lost or missed >= 5
            if self.lost:
                log.error("a lease was lost, key=%s", self._key)
                return


class Claims:
    """Leases on many things, all of one holder, who calls `keep` every few seconds in place of a thread for each of them.

    `is_sure` says without asking whether one is still held: not of a holder that was stopped, or cut off from Redis, for a whole `ttl`
    (seconds). Everything else raises RedisError where Redis is away.
    """

    def __init__(self, redis: Redis, ttl: float = LEASE_SECONDS) -> None:
        self._redis = redis
        self._ttl = ttl
        self._token = f"{_process()} {uuid.uuid4().hex}"
        self._sure_until: dict[str, float] = {}
        self._order = threading.Lock()  # or what is given back could be kept at the same moment

    @property
    def pause(self) -> float:
        """Seconds between two calls of `keep`."""
        return self._ttl / 5

    def take(self, key: str) -> bool:
        """Whether it is ours: nobody alive had it, or we had it already."""
        with self._order:
            began = time.monotonic()
            self._sure_until.setdefault(key, 0.0)  # where Redis is away, `keep` takes it later
            if self._extend([key]) or self._set(key) or (not is_held(self._redis, key) and self._set(key)):
                self._sure_until[key] = began + self._ttl
                return True
            del self._sure_until[key]
            return False

    def keep(self) -> tuple[str, ...]:
        """Extend all; those that are somebody else's by now, and no longer ours."""
        with self._order:
            began, keys = time.monotonic(), [*self._sure_until]
            kept = {*self._extend(keys)}
            kept |= {key for key in keys if key not in kept and self._set(key)}  # it had run out, and nobody took it
            self._sure_until = dict.fromkeys(kept, began + self._ttl)
            return tuple(key for key in keys if key not in kept)

    def is_sure(self, key: str) -> bool:
        """Whether it is ours beyond doubt at this moment."""
        return time.monotonic() < self._sure_until.get(key, 0.0)

    def give_back(self, *keys: str) -> None:
        """Whoever wants these may have them."""
        with self._order:
            for key in keys:
                if self._sure_until.pop(key, None) is not None:
                    self._redis.eval(_RELEASE, 1, key, self._token)

    def _extend(self, keys: Iterable[str]) -> list[str]:
        asked, milliseconds = list(keys), int(self._ttl * 1000)
        with self._redis.pipeline(transaction=False) as together:
            for key in asked:
                together.eval(_EXTEND, 1, key, self._token, milliseconds)
            return [key for key, extended in zip(asked, together.execute(), strict=True) if extended]

    def _set(self, key: str) -> bool:
        return bool(self._redis.set(key, self._token, nx=True, px=int(self._ttl * 1000)))


def teaching(redis: Redis, user_id: int) -> Lease:
    """The lease on a user's model: whoever holds it teaches that user, nobody else does."""
    return Lease(redis, teaching_key(user_id))


def answering(redis: Redis, exchange_id: int) -> Lease:
    """The lease on one waiting message."""
    return Lease(redis, answering_key(exchange_id))


def is_held(redis: Redis, key: str) -> bool:
    """Whether somebody alive holds the lease. One whose process on this machine is gone is ended on the spot."""
    token = cast(bytes | None, redis.get(key))
    if token is None:
        return False
    if _is_alive(token.decode().split(" ")[0]):
        return True
    redis.eval(_RELEASE, 1, key, token)
    return False


def _process() -> str:
    """This process, told apart from every other one on any machine, in any container, before or after a reboot."""
    return f"{_place()}/{os.getpid()}/{_started(os.getpid())}"


def _is_alive(process: str) -> bool:
    place, pid, started = process.rsplit("/", 2)
    if not place or place != _place():
        return True  # elsewhere: only the time can tell
    return _started(int(pid)) == started


@functools.cache
def _place() -> str:
    """The boot and the namespace that this process's number belongs to; empty where there is no /proc of Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
