"""An adapter's files are complete or not there."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from storage.artifacts import ArtifactStore
from storage.errors import ArtifactExistsError, ArtifactMissingError, ArtifactNameError, ArtifactWriteError
from tests.storage_fixtures import at_once


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "adapters")


def save(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    (folder / "weights").mkdir()
    (folder / "weights" / "adapter_model.safetensors").write_bytes(b"\x01" * 1000)


def left_behind(store: ArtifactStore) -> list[str]:
    return [path.name for path in store.root.iterdir() if path.name != ".lock"]


def test_a_written_adapter_can_be_read_by_everybody_with_all_its_files(store: ArtifactStore) -> None:
    folder = store.write("user-3-v2", save)

    assert folder == store.path("user-3-v2")
    assert (folder / "adapter_config.json").read_text() == "{}"
    assert (folder / "weights" / "adapter_model.safetensors").stat().st_size == 1000
    assert store.exists("user-3-v2")
    assert store.names() == ("user-3-v2",)
    assert folder.stat().st_mode & 0o055 == 0o055


def test_an_adapter_never_changes_once_it_is_written(store: ArtifactStore) -> None:
    store.write("user-3-v2", save)

    with pytest.raises(ArtifactExistsError):
        store.write("user-3-v2", lambda folder: (folder / "adapter_config.json").touch())

    assert (store.path("user-3-v2") / "adapter_config.json").read_text() == "{}"
    assert left_behind(store) == ["user-3-v2"]


def test_of_two_writers_of_one_name_the_first_to_finish_wins(store: ArtifactStore) -> None:
    def second(folder: Path) -> None:
        store.write("user-3-v2", save)
        (folder / "adapter_config.json").write_text("late")

    with pytest.raises(ArtifactExistsError):
        store.write("user-3-v2", second)

    assert (store.path("user-3-v2") / "adapter_config.json").read_text() == "{}"
    assert left_behind(store) == ["user-3-v2"]


def test_a_save_that_raises_leaves_nothing(store: ArtifactStore) -> None:
    def broken(folder: Path) -> None:
        save(folder)
        raise ValueError("nan in weights")

    with pytest.raises(ValueError, match="nan in weights"):
        store.write("user-3-v2", broken)

    assert not store.exists("user-3-v2")
    assert left_behind(store) == []


def test_a_save_that_writes_nothing_is_no_adapter(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactWriteError):
        store.write("user-3-v2", lambda folder: None)

    assert left_behind(store) == []


def test_while_an_adapter_is_written_it_is_not_there(store: ArtifactStore) -> None:
    seen: list[bool] = []

    def look(folder: Path) -> None:
        save(folder)
        seen.append(store.exists("user-3-v2") or bool(store.names()))

    store.write("user-3-v2", look)

    assert seen == [False]


def test_a_writer_that_is_killed_leaves_nothing_readable_and_the_next_start_sweeps(store: ArtifactStore) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from storage.artifacts import ArtifactStore
def save(folder):
    (folder / "adapter_config.json").write_text("{}")
    os.kill(os.getpid(), signal.SIGKILL)
ArtifactStore(Path(sys.argv[1])).write("user-3-v2", save)
"""
    command = [sys.executable, "-c", script, str(store.root)]
    killed = subprocess.run(command, cwd=Path(__file__).parents[3], check=False)

    assert killed.returncode == -9
    assert len(left_behind(store)) == 2  # the folder and its lock
    assert store.names() == ()
    with pytest.raises(ArtifactMissingError):
        store.path("user-3-v2")

    restarted = ArtifactStore(store.root)

    assert left_behind(store) == []
    assert restarted.write("user-3-v2", save).is_dir()


def test_a_start_does_not_sweep_what_another_process_is_writing(store: ArtifactStore) -> None:
    half_done, swept = Event(), Event()

    def slow(folder: Path) -> None:
        save(folder)
        half_done.set()
        assert swept.wait(30)

    writer = Thread(target=store.write, args=("user-3-v2", slow))
    writer.start()
    assert half_done.wait(30)
    ArtifactStore(store.root)
    swept.set()
    writer.join()

    assert (store.path("user-3-v2") / "adapter_config.json").read_text() == "{}"


def test_starts_and_writes_at_the_same_time_do_not_disturb_each_other(store: ArtifactStore) -> None:
    def start_and_write(index: int) -> None:
        for turn in range(10):
            ArtifactStore(store.root).write(f"user-{index}-v{turn}", save)

    at_once(start_and_write)

    assert len(store.names()) == 80
    assert len(left_behind(store)) == 80


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        PermissionError(errno.EACCES, "Permission denied"),
        # What safetensors 0.8 raises on a full disk (it is no OSError).
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
    ids=["disk full", "not writable", "disk full in Rust"],
)
def test_a_full_or_unwritable_disk_is_told_in_words_for_the_user(store: ArtifactStore, failure: Exception) -> None:
    def fail(folder: Path) -> None:
        save(folder)
        raise failure

    with pytest.raises(ArtifactWriteError) as caught:
        store.write("user-3-v2", fail)

    assert "disk is full or not writable" in caught.value.user_message
    assert str(store.root) not in caught.value.user_message
    assert left_behind(store) == []


def test_a_root_that_cannot_be_made_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ArtifactWriteError):
        ArtifactStore(tmp_path / "file" / "adapters")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../user-3-v2", "a/b", "/etc", "User-3", "user_3", "-a", "a" * 65, "user-3-v2\n", "a\x00", ".lock"],
)
def test_a_name_cannot_lead_out_of_the_store(store: ArtifactStore, name: str) -> None:
    for use in (store.path, store.exists, store.delete, lambda each: store.write(each, save)):
        with pytest.raises(ArtifactNameError):
            use(name)


def test_a_deleted_adapter_is_gone_and_deleting_again_is_no_error(store: ArtifactStore) -> None:
    store.write("user-3-v2", save)

    store.delete("user-3-v2")
    store.delete("user-3-v2")

    assert left_behind(store) == []
    with pytest.raises(ArtifactMissingError):
        store.path("user-3-v2")


def test_only_files_open_for_writing_are_locked_as_nfs_wants_it(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock

    def flock(file: Any, operation: int) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)

    store.write("user-3-v2", save)
    ArtifactStore(store.root).delete("user-3-v2")

    assert left_behind(store) == []
