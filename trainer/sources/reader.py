"""Reads the sources of a lesson: files as they came, addresses through the one door."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from storage.records import SourceRecord
from trainer.errors import SourceError
from trainer.settings import SourceSettings
from trainer.sources.document import Reading, read_document
from trainer.sources.fetch import Fetcher


class Reader:
    """Thread-safe, so that several sources can be read side by side."""

    def __init__(self, settings: SourceSettings, fetcher: Fetcher | None = None) -> None:
        self.settings = settings
        self.fetcher = fetcher or Fetcher(settings)

    def read(self, source: SourceRecord, content: bytes | None, special_tokens: Iterable[str], most_parts: int) -> Reading:
        """What a source says; ``content`` are the bytes of a file. Raises SourceError."""
        if content is not None:
            return read_document(content, source.name, self.settings, special_tokens=special_tokens, most_parts=most_parts)
        if source.address is None:
            raise SourceError(f"{source.name} is no longer there. Please send it again.")
        fetched = self.fetcher.fetch(source.address)
        return read_document(
            fetched.content, source.name, self.settings, media_type=fetched.media_type, special_tokens=special_tokens, most_parts=most_parts,
            file_name=file_name(fetched.url),
        )  # fmt: skip


def file_name(url: str) -> str:
    """The last part of an address's path, by which some kinds of text are told apart."""
    return PurePosixPath(unquote(urlsplit(url).path)).name
