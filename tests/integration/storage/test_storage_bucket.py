"""Adapters in a bucket of a real S3-compatible server: what a folder promises, and what many hosts need."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from storage.artifacts import Artifacts, ArtifactStore
from storage.bucket import BucketStore
from storage.errors import (
    ArtifactExistsError,
    ArtifactMissingError,
    ArtifactNameError,
    ArtifactPlaceError,
    ArtifactUnavailableError,
    ArtifactWriteError,
)
from storage.stores import ArtifactSettings, open_artifacts
from tests.buckets import KEYS, S3
from tests.services import ROOT
from tests.storage_fixtures import at_once

Host = Callable[[str], BucketStore]


@pytest.fixture
def bucket(s3: S3) -> str:
    return s3.bucket()


@pytest.fixture
def host(s3: S3, bucket: str, tmp_path: Path) -> Host:
    """The same bucket as another host sees it."""
    return lambda name: BucketStore(f"s3://{bucket}/production", tmp_path / name, endpoint=s3.endpoint)


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    if request.param == "folder":
        return ArtifactStore(tmp_path / "adapters")
    found: BucketStore = request.getfixturevalue("host")("here")
    return found


def save(folder: Path, content: bytes = b"\x01" * 1000) -> None:
    (folder / "adapter_config.json").write_text("{}")
    (folder / "weights").mkdir()
    (folder / "weights" / "adapter_model.safetensors").write_bytes(content)


def test_a_written_adapter_can_be_read_with_all_its_files(store: Artifacts) -> None:
    folder = store.write("user-3-v2", save)

    assert folder == store.path("user-3-v2")
    assert (folder / "adapter_config.json").read_text() == "{}"
    assert (folder / "weights" / "adapter_model.safetensors").read_bytes() == b"\x01" * 1000
    assert store.exists("user-3-v2") and store.names() == ("user-3-v2",)


def test_an_adapter_never_changes_once_it_is_written(store: Artifacts) -> None:
    store.write("user-3-v2", save)

    with pytest.raises(ArtifactExistsError):
        store.write("user-3-v2", lambda folder: save(folder, b"other"))

    assert len((store.path("user-3-v2") / "weights" / "adapter_model.safetensors").read_bytes()) == 1000


def test_what_is_not_complete_is_not_there(store: Artifacts) -> None:
    seen: list[object] = []

    def look(folder: Path) -> None:
        save(folder)
        seen.append((store.exists("user-3-v2"), store.names()))
        raise ValueError("nan in weights")

    with pytest.raises(ValueError, match="nan"):
        store.write("user-3-v2", look)
    with pytest.raises(ArtifactWriteError):
        store.write("user-3-v2", lambda folder: None)

    assert seen == [(False, ())]
    assert store.names() == () and not store.exists("user-3-v2")
    with pytest.raises(ArtifactMissingError):
        store.path("user-3-v2")


def test_of_many_writers_of_one_name_one_wins(store: Artifacts) -> None:
    def write(index: int) -> bool:
        try:
            store.write("user-3-v2", lambda folder: save(folder, bytes([index]) * 500))
        except ArtifactExistsError:
            return False
        return True

    assert sorted(at_once(write, 4)) == [False, False, False, True]
    assert len(set((store.path("user-3-v2") / "weights" / "adapter_model.safetensors").read_bytes())) == 1


def test_a_deleted_adapter_is_gone_and_deleting_again_is_no_error(store: Artifacts) -> None:
    store.write("user-3-v2", save)

    store.delete("user-3-v2")
    store.delete("user-3-v2")

    assert store.names() == ()
    with pytest.raises(ArtifactMissingError):
        store.path("user-3-v2")


@pytest.mark.parametrize("name", ["", ".", "..", "../user-3-v2", "a/b", "/etc", "User-3", "user-3-v2\n", "a" * 65])
def test_a_name_cannot_lead_out_of_the_store(store: Artifacts, name: str) -> None:
    for use in (store.path, store.exists, store.delete, lambda each: store.write(each, save)):
        with pytest.raises(ArtifactNameError):
            use(name)


def test_hosts_with_nothing_in_common_but_the_bucket_read_what_others_wrote(host: Host) -> None:
    host("worker").write("user-3-v2", save)

    engine = host("engine")

    assert engine.names() == ("user-3-v2",)
    assert (engine.path("user-3-v2") / "weights" / "adapter_model.safetensors").read_bytes() == b"\x01" * 1000
    assert engine.path("user-3-v2").is_relative_to(engine.root)


def test_many_readers_of_one_host_fetch_the_same(host: Host) -> None:
    host("worker").write("user-3-v2", save)

    assert len(set(at_once(lambda index: host("engine").path("user-3-v2"), 4))) == 1


def test_a_writer_that_is_killed_leaves_nothing_that_can_be_found(host: Host, s3: S3, bucket: str, tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from storage.bucket import BucketStore
store = BucketStore(sys.argv[1], Path(sys.argv[2]), endpoint=sys.argv[3])
store._publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
store.write("user-3-v2", lambda folder: (folder / "adapter_config.json").write_text("{}"))
"""
    command = [sys.executable, "-c", script, f"s3://{bucket}/production", str(tmp_path / "worker"), s3.endpoint]
    killed = subprocess.run(command, cwd=ROOT, env={**os.environ, **KEYS}, check=False)
    assert killed.returncode == -9
    assert len(s3.objects(bucket)) == 1, "its file was sent"

    other = host("other")
    assert other.names() == () and not other.exists("user-3-v2")
    with pytest.raises(ArtifactMissingError):
        other.path("user-3-v2")
    other.write("user-3-v2", save)
    assert (other.path("user-3-v2") / "weights").is_dir()


def test_what_dead_writers_left_is_swept_and_nothing_else(host: Host, s3: S3, bucket: str) -> None:
    host("one").write("user-1-v1", save)
    s3.put(bucket, "production/files/user-2-v1/dead/adapter_config.json", b"{}")
    s3.put(bucket, "production/files/user-3-v1/writing/adapter_config.json", b"{}")
    for key, each in s3.backend().buckets[bucket].keys.items():
        if "writing" not in key:
            each.last_modified = datetime.utcnow() - timedelta(days=2)  # noqa: DTZ003  (moto keeps naive times)

    host("two").write("user-4-v1", save)

    left = {key.split("/")[2] for key in s3.objects(bucket) if key.startswith("production/files/")}
    assert left == {"user-1-v1", "user-3-v1", "user-4-v1"}
    assert (host("three").path("user-1-v1") / "weights").is_dir()


@pytest.mark.parametrize("spoil", ["cut", "changed", "gone"])
def test_files_that_are_not_what_was_stored_are_not_served(host: Host, s3: S3, bucket: str, spoil: str) -> None:
    host("worker").write("user-3-v2", save)
    key = next(key for key in s3.objects(bucket) if key.endswith("safetensors"))
    if spoil == "gone":
        s3.backend().delete_object(bucket, key)
    else:
        s3.put(bucket, key, b"\x01" * 500 if spoil == "cut" else b"\x02" * 1000)

    with pytest.raises(ArtifactMissingError):
        host("engine").path("user-3-v2")
    assert [each.name for each in host("engine").root.iterdir()] == [".lock"], "nothing half is left"


@pytest.mark.parametrize(
    "listed",
    [
        {"../../escaped": {"key": "files/user-3-v2/x/a", "size": 1, "sha256": ""}},
        {"/etc/escaped": {"key": "files/user-3-v2/x/a", "size": 1, "sha256": ""}},
        {"a": {"key": "files/user-4-v1/x/a", "size": 1, "sha256": ""}},
        {"a": 1},
        [],
        "no list",
    ],
    ids=["up", "absolute", "of somebody else", "no file", "no mapping", "a word"],
)
def test_a_list_that_somebody_forged_leads_nowhere(host: Host, s3: S3, bucket: str, listed: object, tmp_path: Path) -> None:
    s3.put(bucket, "production/complete/user-3-v2.json", listed)

    with pytest.raises(ArtifactMissingError):
        host("engine").path("user-3-v2")

    assert not list(tmp_path.rglob("escaped"))


def test_copies_of_what_was_deleted_elsewhere_go_and_others_stay(host: Host) -> None:
    engine, bot = host("engine"), host("bot")
    for name in ("user-1-v1", "user-2-v1"):
        bot.write(name, save)
        engine.path(name)

    bot.delete("user-1-v1")
    engine.tidy()

    assert [each.name for each in engine.root.glob("user-*")] == ["user-2-v1"]


def test_the_least_recently_used_copies_go_when_there_are_too_many(s3: S3, bucket: str, tmp_path: Path) -> None:
    small = BucketStore(f"s3://{bucket}", tmp_path / "small", endpoint=s3.endpoint, cache_bytes=2500)
    for number, age in enumerate((4000, 3000, 2000, 0), start=1):
        folder = small.write(f"user-{number}-v1", save)
        os.utime(folder, (time.time() - age, time.time() - age))
    folder = small.path("user-1-v1")  # asked for just now
    os.utime(folder)

    small.tidy(keep=["user-2-v1"])

    assert sorted(each.name for each in small.root.glob("user-*")) == ["user-1-v1", "user-2-v1", "user-4-v1"]
    assert small.names() == ("user-1-v1", "user-2-v1", "user-3-v1", "user-4-v1"), "the bucket has them all"
    assert (small.path("user-3-v1") / "weights").is_dir()


def test_tidying_does_not_take_what_is_just_being_written(host: Host) -> None:
    worker, stop = host("worker"), Event()

    def tidy() -> None:
        while not stop.is_set():
            worker.tidy()

    thread = Thread(target=tidy)
    thread.start()
    try:
        for number in range(8):
            assert (worker.write(f"user-{number}-v1", save) / "weights").is_dir()
    finally:
        stop.set()
        thread.join()
    assert len(worker.names()) == 8


def test_a_server_that_is_away_is_told_from_an_adapter_that_is_not_there(tmp_path: Path, s3: S3) -> None:
    away = BucketStore("s3://bucket/x", tmp_path / "cache", endpoint="http://127.0.0.1:1")
    no_bucket = BucketStore("s3://never-made/x", tmp_path / "cache", endpoint=s3.endpoint)

    for each in (away, no_bucket):
        for use in (each.names, lambda each=each: each.path("user-3-v2"), lambda each=each: each.write("user-3-v2", save)):
            with pytest.raises((ArtifactUnavailableError, ArtifactMissingError)) as caught:
                use()
            assert "http" not in caught.value.user_message
    with pytest.raises(ArtifactUnavailableError):
        away.path("user-3-v2")


def test_a_copy_serves_while_the_server_is_away(host: Host, tmp_path: Path) -> None:
    written = host("engine").write("user-3-v2", save)

    away = BucketStore("s3://bucket/x", tmp_path / "engine", endpoint="http://127.0.0.1:1")

    assert away.path("user-3-v2") == written


@pytest.mark.parametrize("url", ["s3://", "https://bucket/x", "s3://key:secret@bucket/x", "bucket", "file:///tmp"])
def test_an_address_that_cannot_be_used_is_refused_in_words(url: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactPlaceError, match="keys belong into the environment") as caught:
        BucketStore(url, tmp_path)
    assert "secret" not in caught.value.user_message


def test_the_settings_choose_the_store_and_keep_folder_and_copies_apart(tmp_path: Path, s3: S3, bucket: str) -> None:
    folder = open_artifacts(ArtifactSettings(), tmp_path)
    remote = open_artifacts(ArtifactSettings(f"s3://{bucket}/x", s3.endpoint), tmp_path)

    folder.write("user-1-v1", save)
    remote.tidy()

    assert folder.root != remote.root and folder.names() == ("user-1-v1",) and remote.names() == ()


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ArtifactPlaceError, match=r"tutee\[s3\]"):
        BucketStore("s3://bucket/x", tmp_path)


def test_what_is_large_goes_in_parts_and_comes_back_whole(host: Host) -> None:
    content = os.urandom(20_000_000)
    host("worker").write("user-3-v2", lambda folder: save(folder, content))

    assert (host("engine").path("user-3-v2") / "weights" / "adapter_model.safetensors").read_bytes() == content
