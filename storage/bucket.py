"""Keeps adapter files in an S3-compatible bucket, for many hosts; each host keeps a copy of what it has read.

A bucket cannot rename. So an adapter's files go under a key of this one upload, and last of all, in one step that only the first of two
writers can take, a list of them under the adapter's name. Who finds the list finds every file; its sizes and checksums are in the list.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from storage.artifacts import NAME, ArtifactStore, translating_errors
from storage.errors import (
    ArtifactExistsError,
    ArtifactMissingError,
    ArtifactNameError,
    ArtifactPlaceError,
    ArtifactUnavailableError,
    ArtifactWriteError,
)

COMPLETE, FILES = "complete", "files"
PART_BYTES = 8_000_000  # read and written at a time
UPLOADING_TAKES = timedelta(days=1)  # at most; files of an upload that is older and has no list are of a writer that died
IN_USE_SECONDS = 600.0  # so long after it was asked for, a copy stays: somebody may still be reading its files
FILE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*/)*[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class _File:
    """One file of an adapter: its key in the bucket and what must be in it."""

    key: str
    size: int
    sha256: str


class BucketStore:
    """Adapters under ``url`` (s3://bucket/prefix); copies of them in the folder ``cache``, at most ``cache_bytes`` of them.

    Opening it asks the server nothing. Raises ArtifactPlaceError for an address that cannot be used; every method raises
    ArtifactUnavailableError where the server does not answer or does not let us in.
    """

    def __init__(self, url: str, cache: Path, *, endpoint: str | None = None, region: str = "us-east-1", cache_bytes: int = 20_000_000_000) -> None:
        self._obstore, self._bucket = _open(url, endpoint, region)
        self._where = endpoint or url
        self._copies = ArtifactStore(cache)
        self._cache_bytes = cache_bytes
        self._swept = False

    @property
    def root(self) -> Path:
        """The folder of the copies, which is this host's own."""
        return self._copies.root

    def write(self, name: str, save: Callable[[Path], None]) -> Path:
        """As `ArtifactStore.write`; also raises ArtifactUnavailableError. The folder is this host's copy."""
        if self.exists(name):
            raise ArtifactExistsError(name, "exists already")
        self._sweep_once()
        with translating_errors(name), tempfile.TemporaryDirectory(dir=self.root, prefix=".upload-") as place:
            folder = Path(place) / name
            folder.mkdir(mode=0o755)
            save(folder)
            files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            if not files:
                raise ArtifactWriteError(name, "nothing was saved")
            upload = f"{FILES}/{name}/{uuid.uuid4().hex}"
            listed = {}
            for path in files:  # if it ends in here, what was sent is nobody's, and swept up some day
                relative = path.relative_to(folder).as_posix()
                listed[relative] = self._send(name, path, f"{upload}/{relative}")
            self._publish(name, listed, upload)
            with suppress(ArtifactExistsError, OSError):  # only a copy: it can be fetched
                return self._copies.write(name, lambda copy: _move(folder, copy))
        return self.path(name)

    def path(self, name: str) -> Path:
        """The folder of this host's copy, fetched where there is none. Raises ArtifactNameError, ArtifactMissingError,
        ArtifactWriteError (no room for it) or ArtifactUnavailableError."""
        if not self._copies.exists(name):
            listed = self._listed(name)
            with suppress(ArtifactExistsError):  # somebody else was faster
                self._copies.write(name, lambda folder: self._fetch(name, listed, folder))
        folder = self._copies.path(name)
        with suppress(OSError):
            os.utime(folder)  # asked for now: see `tidy`
        return folder

    def exists(self, name: str) -> bool:
        """Whether the adapter is stored, complete. Raises ArtifactNameError."""
        with self._asking(name):
            try:
                self._obstore.head(self._bucket, _list_key(name))
            except FileNotFoundError:
                return False
        return True

    def names(self) -> tuple[str, ...]:
        """The names of all stored adapters, sorted."""
        with self._asking("all"):
            found = [each["path"].rpartition("/")[2].removesuffix(".json") for each in self._list(COMPLETE)]
        return tuple(sorted(name for name in found if NAME.fullmatch(name)))

    def delete(self, name: str) -> None:
        """Remove an adapter and this host's copy, no error if it is gone already; other hosts' copies go when they tidy up."""
        with self._asking(name):
            with suppress(FileNotFoundError):
                self._obstore.delete(self._bucket, _list_key(name))  # first of all: from now on nobody finds it
            self._remove(name, f"{FILES}/{name}")
        self._copies.delete(name)

    def tidy(self, keep: Collection[str] = ()) -> None:
        """Throw away this host's copies of what was deleted, and those least recently asked for, above ``cache_bytes``; but none of ``keep``."""
        copied = self._copies.names()  # before the bucket is asked: what is new in both is in the bucket's list
        stored = set(self.names()) if copied else set()
        left: list[tuple[float, int, str]] = []
        for name in copied:
            if name in keep:
                continue
            if name not in stored:
                self._copies.delete(name)
                continue
            with suppress(ArtifactMissingError, OSError):
                folder = self._copies.path(name)
                left.append((folder.stat().st_mtime, _size(folder), name))
        excess = sum(size for _, size, _ in left) - self._cache_bytes
        for asked, size, name in sorted(left):
            if excess <= 0 or asked > time.time() - IN_USE_SECONDS:
                break
            self._copies.delete(name)
            excess -= size

    def _send(self, name: str, path: Path, key: str) -> _File:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(PART_BYTES):
                digest.update(part)
        with self._asking(name):
            self._obstore.put(self._bucket, key, path)
        return _File(key, path.stat().st_size, digest.hexdigest())

    def _publish(self, name: str, listed: dict[str, _File], upload: str) -> None:
        content = json.dumps({relative: asdict(file) for relative, file in listed.items()}).encode()
        with self._asking(name):
            try:
                self._obstore.put(self._bucket, _list_key(name), content, mode="create")
            except self._obstore.exceptions.AlreadyExistsError as error:
                if self._listed(name) == listed:  # ours: the library asked twice, because the first answer was lost
                    return
                self._remove(name, upload)
                raise ArtifactExistsError(name, "exists already") from error

    def _listed(self, name: str) -> dict[str, _File]:
        with self._asking(name):
            try:
                content = bytes(self._obstore.get(self._bucket, _list_key(name)).bytes())
            except FileNotFoundError as error:
                raise ArtifactMissingError(name, "not stored") from error
        try:
            listed = {str(relative): _File(**file) for relative, file in json.loads(content).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise ArtifactMissingError(name, "its list of files is damaged") from error
        # What stands in the bucket must not lead out of the folder, nor to another adapter's files.
        if not all(FILE.fullmatch(relative) and file.key.startswith(f"{FILES}/{name}/") for relative, file in listed.items()):
            raise ArtifactMissingError(name, "its list of files is not ours")
        return listed

    def _fetch(self, name: str, listed: dict[str, _File], folder: Path) -> None:
        for relative, file in listed.items():
            path, digest, size = folder / relative, hashlib.sha256(), 0
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._asking(name), path.open("wb") as target:
                try:
                    for part in self._obstore.get(self._bucket, file.key).stream(min_chunk_size=PART_BYTES):
                        digest.update(part)
                        size += target.write(part)
                except FileNotFoundError as error:  # deleted since its list was read
                    raise ArtifactMissingError(name, "deleted meanwhile") from error
            if (size, digest.hexdigest()) != (file.size, file.sha256):
                raise ArtifactMissingError(name, f"{relative} is not what was stored")

    def _remove(self, name: str, prefix: str) -> None:
        with self._asking(name):
            if keys := [each["path"] for each in self._list(prefix)]:
                self._obstore.delete(self._bucket, keys)

    def _sweep_once(self) -> None:
        """Once per process: what writers that died have left."""
        if self._swept:
            return
        with self._asking("all"):
            old = datetime.now(UTC) - UPLOADING_TAKES
            uploads: dict[tuple[str, str], list[str]] = {}
            for each in self._list(FILES):
                _, name, upload, _ = each["path"].split("/", 3)
                if each["last_modified"] < old and NAME.fullmatch(name):
                    uploads.setdefault((name, upload), []).append(each["path"])
            for (name, _), keys in uploads.items():
                try:
                    needed = {file.key for file in self._listed(name).values()}
                except ArtifactMissingError:
                    needed = set()
                if needed.isdisjoint(keys):
                    self._obstore.delete(self._bucket, keys)
        self._swept = True

    def _list(self, prefix: str) -> Iterator[Any]:
        for page in self._obstore.list(self._bucket, prefix):
            yield from page

    @contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        try:
            yield
        except (self._obstore.exceptions.BaseError, PermissionError, TimeoutError) as error:
            # The library's text names the request and shows the server's answer; its first line is enough.
            raise ArtifactUnavailableError(name, f"{self._where}: {str(error).splitlines()[0][:300]}") from error


def _open(url: str, endpoint: str | None, region: str) -> tuple[Any, Any]:
    """The library, and the bucket opened with it."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query:
        raise ArtifactPlaceError("The address of the adapters must look like s3://bucket/folder; keys belong into the environment.")
    try:
        obstore = importlib.import_module("obstore")
        stores = importlib.import_module("obstore.store")
    except ModuleNotFoundError as error:
        raise ArtifactPlaceError("Adapters in a bucket need one more package: pip install 'tutee[s3]'.") from error
    config = {"region": region, **({"endpoint": endpoint} if endpoint else {})}
    client = {"connect_timeout": "3s", "timeout": "120s", "allow_http": bool(endpoint and endpoint.startswith("http://"))}
    retry = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}  # a server that restarts; longer outages are the caller's to wait out
    try:
        return obstore, stores.from_url(url, config=config, client_options=client, retry_config=retry)
    except (obstore.exceptions.BaseError, ValueError) as error:
        raise ArtifactPlaceError(f"The bucket {url} cannot be used with these settings.", str(error).splitlines()[0]) from error


def _list_key(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ArtifactNameError(name, "not a valid name")
    return f"{COMPLETE}/{name}.json"


def _move(source: Path, target: Path) -> None:
    for each in source.iterdir():
        shutil.move(each, target / each.name)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
