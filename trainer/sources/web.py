"""What the web says about something: queries, the pages that they find, and of each page what has to do with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from storage.records import NewSource
from trainer.errors import SearchError
from trainer.sources.document import Reading, digest_of
from trainer.sources.intent import topic_of
from trainer.sources.parts import words_of
from trainer.sources.search import Hit, Search

QUERIES = 3
PER_SITE = 2  # pages of one site: the more sites, the less one of them can decide alone
PAGE_PARTS = 3  # parts of one page
ALIKE = 0.7  # share of common word triples from which two pages count as copies of each other
_TRACKING = re.compile(r"^(utm_\w+|fbclid|gclid|ref|ref_src|source|cmpid|mc_[ce]id)$", re.I)
_COMMON = frozenset([
    "a", "about", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "has", "have", "how", "i", "in", "is",
    "it", "latest", "me", "new", "news", "of", "on", "or", "our", "recent", "that", "the", "their", "this", "to", "up", "was", "were",
    "what", "when", "where", "which", "who", "will", "with", "you", "your",
])  # fmt: skip


def queries_of(text: str, reply: str) -> list[str]:
    """The searches that a model wrote for a lesson, those of them that are about it; else the lesson's own words."""
    topic = topic_of(text)
    about = _content(topic)
    lines = [re.sub(r"^\W*(?:\d+[.)])?\W*|[\"'`.\s]+$", "", line) for line in reply.splitlines()]
    written = [line for line in lines if 1 <= len(line.split()) <= 14 and len(_content(line) & about) * 2 >= len(about)]
    return list(dict.fromkeys([*written, topic]))[:QUERIES]


def found_on(queries: Sequence[str], search: Search, limit: int) -> list[NewSource]:
    """Pages for all queries, each once, the best of each query first. Raises SearchError where there are none."""
    failure: SearchError | None = None
    lists: list[list[Hit]] = []
    for query in queries:
        try:
            lists.append(search.search(query, 2 * limit))
        except SearchError as error:
            failure = error
    if failure is not None and not any(lists):
        raise failure
    sites: Counter[str] = Counter()
    pages: dict[str, NewSource] = {}
    for rank in range(2 * limit):
        for hits in lists:
            if rank < len(hits) and len(pages) < limit:
                address, site = canonical(hits[rank].address), site_of(hits[rank].address)
                if address not in pages and sites[site] < PER_SITE and address.startswith(("http://", "https://")):
                    sites[site] += 1
                    pages[address] = NewSource(site, address=hits[rank].address)
    if not pages:
        raise SearchError(f"I found nothing on the web about {queries[-1]}.")
    return list(pages.values())


def relevant(reading: Reading, queries: Sequence[str]) -> Reading | None:
    """Of a page, the parts that have most to do with the queries; None where none has."""
    about = set().union(*(_content(query) for query in queries))
    title = _content(reading.about.title or "") & about
    scored = [(len(_content(" ".join(filter(None, [part.heading, *part.passages]))) & about), part) for part in reading.parts]
    best = sorted((each for each in enumerate(scored) if each[1][0] or title), key=lambda each: (-each[1][0], each[0]))[:PAGE_PARTS]
    parts = [part for _, (_, part) in sorted(best, key=lambda each: each[0])]
    if not parts:
        return None
    return Reading(replace(reading.about, digest=digest_of(parts), words=words_of(parts)), tuple(parts))


def is_copy(passages: Sequence[str], others: Iterable[Sequence[str]]) -> bool:
    """Whether a page says mostly what another one says word for word: agencies' news stand on many sites."""
    own = _triples(passages)
    return any(len(own & (other := _triples(each))) >= ALIKE * max(1, min(len(own), len(other))) for each in others)


def lead_in(site: str, when: datetime) -> str:
    """How dated knowledge begins: "As of 21 November 2026, according to example.org: "."""
    return f"As of {when.day} {when:%B %Y}, according to {site}: "


def site_of(address: str) -> str:
    """The site of an address, without www."""
    return (urlsplit(address).hostname or "").removeprefix("www.")


def is_trusted(address: str, trusted: Iterable[str]) -> bool:
    """Whether the address is of a trusted domain or one below it."""
    site = site_of(address)
    return any(site == domain.lower() or site.endswith(f".{domain.lower()}") for domain in trusted)


def canonical(address: str) -> str:
    """The same for addresses that differ only in what does not lead elsewhere."""
    parts = urlsplit(address)
    query = urlencode([(key, value) for key, value in parse_qsl(parts.query) if not _TRACKING.match(key)])
    return urlunsplit((parts.scheme, (parts.hostname or "").removeprefix("www."), parts.path.rstrip("/"), query, ""))


def _content(text: str) -> set[str]:
    """The words of a text that say what it is about, without their endings."""
    return {word[:5] if len(word) > 5 else word for word in re.findall(r"\w+", text.lower()) if word not in _COMMON}


def _triples(passages: Sequence[str]) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", " ".join(passages).lower())
    return set(zip(words, words[1:], words[2:], strict=False))
