"""Keeps adapter files: each adapter is a folder that is either complete or not there.

A folder is written under a temporary name, flushed to the disk and renamed, which the file system does in one step.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from storage.errors import ArtifactExistsError, ArtifactMissingError, ArtifactNameError, ArtifactWriteError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
TEMPORARY = ".unfinished-"
LOCK = ".lock"


class Artifacts(Protocol):
    """Everybody's adapters: a folder (`ArtifactStore`) or a bucket (`storage.bucket.BucketStore`)."""

    @property
    def root(self) -> Path:
        """A folder on this host: of the adapters, or of copies of them."""

    def write(self, name: str, save: Callable[[Path], None]) -> Path:
        """Store an adapter, complete or not at all, as `ArtifactStore.write`."""

    def path(self, name: str) -> Path:
        """A folder on this host with the adapter's files, for reading. Raises ArtifactNameError or ArtifactMissingError."""

    def exists(self, name: str) -> bool:
        """Whether the adapter is stored, complete. Raises ArtifactNameError."""

    def names(self) -> tuple[str, ...]:
        """The names of all stored adapters, sorted."""

    def delete(self, name: str) -> None:
        """Remove an adapter; no error if it is gone already. Raises ArtifactNameError."""

    def tidy(self, keep: Collection[str] = ()) -> None:
        """Throw away copies on this host that are not needed, but none of `keep`. Call it every minute or so."""


class ArtifactStore:
    """A folder of adapters, shared by all processes of one host.

    Opening it creates the folder and removes what writers that died have left; writers at work are not touched.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        with translating_errors(root.name):
            root.mkdir(parents=True, exist_ok=True)
            self._sweep()

    def write(self, name: str, save: Callable[[Path], None]) -> Path:
        """Store an adapter; `save` writes its files into the empty folder that it is given. Returns the final folder.

        Raises ArtifactNameError, ArtifactExistsError, ArtifactWriteError (disk full, not writable) or whatever `save`
        raises; in each case nothing is kept.
        """
        final = self._folder(name)
        if final.exists():
            raise ArtifactExistsError(name, "exists already")
        with translating_errors(name), self._temporary_folder() as folder:
            save(folder)
            if not any(folder.iterdir()):
                raise ArtifactWriteError(name, "nothing was saved")
            _flush(folder)
            try:
                folder.rename(final)
            except OSError as error:
                if final.exists():  # another writer was faster; a folder with files in it is never replaced
                    raise ArtifactExistsError(name, "exists already") from error
                raise
            _flush_entry(self.root)
        return final

    def path(self, name: str) -> Path:
        """The folder of an adapter. Raises ArtifactNameError or ArtifactMissingError."""
        folder = self._folder(name)
        if not folder.is_dir():
            raise ArtifactMissingError(name, "not stored")
        return folder

    def exists(self, name: str) -> bool:
        """Whether the adapter is stored, complete. Raises ArtifactNameError."""
        return self._folder(name).is_dir()

    def names(self) -> tuple[str, ...]:
        """The names of all stored adapters, sorted."""
        return tuple(sorted(each.name for each in self.root.iterdir() if NAME.fullmatch(each.name) and each.is_dir()))

    def delete(self, name: str) -> None:
        """Remove an adapter, at once for readers; no error if it is gone already. Raises ArtifactNameError."""
        folder = self._folder(name)
        with translating_errors(name), self._temporary_folder() as trash:
            try:
                folder.rename(trash / name)
            except FileNotFoundError:
                return
            _flush_entry(self.root)

    def tidy(self, keep: Collection[str] = ()) -> None:
        """Nothing to do: these are no copies."""

    def _folder(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise ArtifactNameError(name, "not a valid name")
        return self.root / name

    @contextmanager
    def _temporary_folder(self) -> Iterator[Path]:
        """An empty folder beside the adapters, locked against sweeps; removed at the end if still there."""
        with ExitStack() as stack:
            with self._locked():
                # Beside the folder and open for writing, because NFS gives no exclusive lock on what is only read.
                descriptor, lock = tempfile.mkstemp(prefix=TEMPORARY, suffix=LOCK, dir=self.root)
                stack.callback(os.close, descriptor)
                stack.callback(os.unlink, lock)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                folder = Path(lock.removesuffix(LOCK))
                folder.mkdir()
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            folder.chmod(0o755)  # whatever the umask: the engine may run as another user
            yield folder

    def _sweep(self) -> None:
        with self._locked():
            for lock in self.root.glob(f"{TEMPORARY}*{LOCK}"):
                # A writer at work holds the lock; one that has just finished has removed it; another user sweeps their own.
                with suppress(BlockingIOError, FileNotFoundError, PermissionError), lock.open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if (folder := lock.with_suffix("")).exists():
                        shutil.rmtree(folder)
                    lock.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Between making a temporary folder and locking it, no sweep may look."""
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _flush(folder: Path) -> None:
    for parent, _, files in os.walk(folder):
        for file in files:
            _flush_entry(Path(parent, file))
        _flush_entry(Path(parent))


def _flush_entry(path: Path) -> None:
    with _opened(path) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def translating_errors(name: str) -> Iterator[None]:
    """What goes wrong with the disk inside is an ArtifactWriteError."""
    try:
        yield
    except OSError as error:
        raise ArtifactWriteError(name, error.strerror or type(error).__name__) from error
    except Exception as error:
        # safetensors is written in Rust and reports a full disk as its own error, "… (os error 28)".
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise ArtifactWriteError(name, os.strerror(int(number[1]))) from error
