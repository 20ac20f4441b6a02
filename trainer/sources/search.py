"""Web search: public engines through ddgs, or a SearXNG server of the operator's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from ddgs import DDGS
from ddgs.exceptions import DDGSException

from trainer.errors import FetchError, SearchError
from trainer.settings import SourceSettings
from trainer.sources.fetch import Fetcher

_AWAY = "The web search does not answer at the moment. Please try again later."


@dataclass(frozen=True, slots=True)
class Hit:
    """A page that a search found."""

    address: str
    title: str


class Search(Protocol):
    """Finds pages."""

    def search(self, query: str, limit: int) -> list[Hit]:
        """Up to ``limit`` pages, the best first; none where nothing is found. Raises SearchError where the search does not answer."""
        ...


def build(settings: SourceSettings) -> Search:
    """The search of the settings."""
    if settings.search == "searxng" and settings.searxng_url:
        return SearxngSearch(settings.searxng_url, settings)
    return DdgsSearch(settings.fetch_seconds)


class DdgsSearch:
    """Several public search engines at once; no account, and no promise that they always answer."""

    def __init__(self, seconds: float, backend: str = "auto") -> None:
        self._seconds, self._backend = max(1, round(seconds)), backend

    def search(self, query: str, limit: int) -> list[Hit]:
        """As Search.search."""
        try:
            found = DDGS(timeout=self._seconds).text(query, max_results=limit, safesearch="on", backend=self._backend)
        except DDGSException as error:
            if "no results" in str(error).lower():
                return []
            raise SearchError(_AWAY, type(error).__name__) from error
        return [Hit(each["href"], each.get("title", "")) for each in found if each.get("href")]


class SearxngSearch:
    """A SearXNG server with its JSON format switched on; it may stand in a private network, because the operator named it."""

    def __init__(self, url: str, settings: SourceSettings) -> None:
        place = urlsplit(url)
        port = place.port or (443 if place.scheme == "https" else 80)
        self._url = f"{url.rstrip('/')}/search"
        self._fetcher = Fetcher(replace(settings, allow=(*settings.allow, f"{place.hostname}:{port}")))

    def search(self, query: str, limit: int) -> list[Hit]:
        """As Search.search."""
        asked = f"{self._url}?{urlencode({'q': query, 'format': 'json', 'safesearch': 1})}"
        try:
            fetched = self._fetcher.fetch(asked, robots=False, accept="application/json")
            results = json.loads(fetched.content)["results"]
            hits = [Hit(str(each["url"]), str(each.get("title") or "")) for each in results]
        except (FetchError, ValueError, KeyError, TypeError) as error:
            raise SearchError(_AWAY, type(error).__name__) from error
        return hits[:limit]


class RecordingSearch:
    """A Search for tests: finds ``hits`` for every query, keeps the queries, or raises ``error``."""

    def __init__(self, hits: Sequence[Hit] = (), error: SearchError | None = None) -> None:
        self.hits, self.error = list(hits), error
        self.asked: list[str] = []

    def search(self, query: str, limit: int) -> list[Hit]:
        """As Search.search."""
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        return self.hits[:limit]
