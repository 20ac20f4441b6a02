"""Reads the sources of a lesson side by side: files as they came, addresses through the one door."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from storage.records import SourceRecord
from storage.repositories.base import utc_now
from trainer.errors import SourceError
from trainer.settings import SourceSettings
from trainer.sources.document import Reading, read_document
from trainer.sources.fetch import Fetcher
from trainer.sources.search import Search
from trainer.sources.search import build as build_search

SIDE_BY_SIDE = 4  # sources read at once: each waits for the network, or for a parser of its own


class Reader:
    """Reads files and addresses, and finds them. ``now`` tells the time (aware)."""

    def __init__(
        self, settings: SourceSettings, fetcher: Fetcher | None = None, search: Search | None = None, now: Callable[[], datetime] = utc_now,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.fetcher = fetcher or Fetcher(settings)
        self.search = search or build_search(settings)
        self.now = now

    def read_all(
        self, sources: Sequence[tuple[SourceRecord, bytes | None]], special_tokens: Sequence[str], confirmed: str = ""
    ) -> Iterator[tuple[SourceRecord, Reading | SourceError]]:
        """What each source says, or why it says nothing, in their order; several are read at once.

        ``confirmed``: the user's own words, whose secrets they were asked about; those of others are left out.
        Whoever stops in the middle is not held up: the threads that still wait for a page end with it, or with the process.
        """
        if len(sources) == 1:
            source, content = sources[0]
            yield source, self._read(source, content, special_tokens, confirmed)
            return
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        found: dict[int, queue.SimpleQueue[Reading | SourceError | BaseException]] = {}
        for at in range(len(sources)):
            waiting.put(at)
            found[at] = queue.SimpleQueue()

        def work() -> None:
            while True:
                try:
                    at = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    found[at].put(self._read(*sources[at], special_tokens, confirmed))
                except BaseException as error:  # a fault of ours: raised where it is waited for
                    found[at].put(error)

        for _ in range(min(SIDE_BY_SIDE, len(sources))):
            threading.Thread(target=work, name="read", daemon=True).start()
        for at, (source, _) in enumerate(sources):
            reading = found[at].get()
            if isinstance(reading, BaseException) and not isinstance(reading, SourceError):
                raise reading
            yield source, reading

    def _read(self, source: SourceRecord, content: bytes | None, special_tokens: Sequence[str], confirmed: str) -> Reading | SourceError:
        try:
            if content is not None:
                return read_document(content, source.name, self.settings, special_tokens=special_tokens, confirmed=confirmed)
            if source.address is None:
                return SourceError(f"{source.name} is no longer there. Please send it again.")
            page = self.fetcher.fetch(source.address)
            return read_document(
                page.content, source.name, self.settings, media_type=page.media_type, file_name=file_name(page.url),
                special_tokens=special_tokens, confirmed=confirmed,
            )  # fmt: skip
        except SourceError as error:
            return error


def file_name(url: str) -> str:
    """The last part of an address's path, by which some kinds of text are told apart."""
    return PurePosixPath(unquote(urlsplit(url).path)).name
