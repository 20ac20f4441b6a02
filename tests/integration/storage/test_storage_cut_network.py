"""A process whose network is really cut: a network namespace of its own, whose link to PostgreSQL goes down. Needs root; skipped elsewhere."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from storage.session import Database
from tests.services import ROOT
from tests.storage_fixtures import postgres
from tests.town.proxy import Proxy

NAME, HERE, THERE = f"tutee{os.getpid()}", "10.213.99.1", "10.213.99.2"
SILENCE_S = 4
PROCESS = f"""
import sys, time
from storage import session
from storage.errors import DatabaseUnavailableError
from storage.repositories import Repositories

session.SILENCE_S = {SILENCE_S}
users = Repositories.on(session.Database(sys.argv[1])).users
for _ in sys.stdin:
    began = time.monotonic()
    try:
        users.ids()
        said = "answered"
    except DatabaseUnavailableError:
        said = "unavailable"
    print(said, time.monotonic() - began, flush=True)
"""


def ip(arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=True)


@pytest.fixture
def apart() -> Iterator[SimpleNamespace]:
    """A namespace with a link to this one; `port`: PostgreSQL's there."""
    try:
        ip(f"netns add {NAME}")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this system does not let us make a network namespace: {error}")
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    proxy = Proxy(lambda: asyncio.open_unix_connection(str(Path(postgres().get_postmaster_info().socket_dir) / ".s.PGSQL.5432")), host=HERE)
    try:
        ip(f"link add {NAME}a type veth peer name {NAME}b netns {NAME}")
        ip(f"addr add {HERE}/24 dev {NAME}a")
        ip(f"link set {NAME}a up")
        ip(f"-n {NAME} addr add {THERE}/24 dev {NAME}b")
        ip(f"-n {NAME} link set {NAME}b up")
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(30)
        yield SimpleNamespace(link=f"{NAME}a", port=proxy.port)
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        ip(f"netns del {NAME}")


def test_a_silent_database_is_given_up_in_seconds_and_found_again(apart: SimpleNamespace, database_url: str) -> None:
    if not database_url.startswith("postgresql"):
        pytest.skip("a file has no network")
    database = Database(database_url)
    database.upgrade()
    database.close()
    url = f"postgresql://postgres@{HERE}:{apart.port}/{database.url.database}"
    command = ["ip", "netns", "exec", NAME, sys.executable, "-c", PROCESS, url]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None

    def asked() -> tuple[str, float]:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        said, seconds = process.stdout.readline().split()
        return said, float(seconds)

    assert asked()[0] == "answered"
    ip(f"link set {apart.link} down")
    said, seconds = asked()
    assert said == "unavailable" and seconds < 60  # without a limit the system itself gives up after a quarter of an hour
    ip(f"link set {apart.link} up")
    assert asked()[0] == "answered"
    process.stdin.close()
    process.wait(30)
    process.stdout.close()
