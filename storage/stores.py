"""Where adapters are kept: opens the store that the settings name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from storage.artifacts import Artifacts, ArtifactStore


@dataclass(frozen=True, slots=True)
class ArtifactSettings:
    """``url`` None: a folder in ``data``, for one host or a shared file system; else s3://bucket/prefix, for many hosts.

    ``endpoint``: the server's address where it is not Amazon's. Every host keeps a copy of what it has read, ``cache_bytes`` at most.
    The keys come from the environment, as Amazon's own tools read them (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or a role).
    """

    url: str | None = None
    endpoint: str | None = None
    region: str = "us-east-1"
    cache_bytes: int = 20_000_000_000


def open_artifacts(settings: ArtifactSettings, data: Path) -> Artifacts:
    """The store of adapters. Raises ArtifactWriteError (a folder that cannot be used) or ArtifactPlaceError (an address that cannot)."""
    if settings.url is None:
        return ArtifactStore(data / "adapters")
    from storage.bucket import BucketStore  # its library is an extra

    # Not the folder above: what is only a copy may be thrown away, and the adapters of before a move to a bucket must not be.
    return BucketStore(settings.url, data / "adapter-cache", endpoint=settings.endpoint, region=settings.region, cache_bytes=settings.cache_bytes)
