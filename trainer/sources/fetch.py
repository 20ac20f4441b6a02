"""The one door to the network for content: public web addresses only, checked where the connection is made, within limits.

A name is resolved once; the addresses that it gave are checked and connected to as numbers, so a second answer of the name server
changes nothing. Each redirect passes through all of it again.
"""

from __future__ import annotations

import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpcore
import httpx

from trainer.addresses import Allowed, is_public
from trainer.errors import AddressRefusedError, FetchLimitError, RobotsRefusedError, UnreachableError
from trainer.settings import SourceSettings
from trainer.sources.decoding import KNOWN, TooMuch, Undecodable, decoded
from trainer.sources.robots import BIGGEST, Robots

PORTS = (80, 443, 8080, 8443)  # where the web is served; other services should not be talked to
LONGEST_ADDRESS = 2000
ACCEPT_DATA = "application/json,text/plain;q=0.9,*/*;q=0.5"
ACCEPT = "text/html,application/xhtml+xml,application/pdf,text/plain;q=0.9,*/*;q=0.5"

_HOST = re.compile(r"[a-z0-9_-][a-z0-9._-]*|[0-9a-f:.]+(%25[a-z0-9]+)?")

Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address gave: where it came from in the end, its declared type (lower case, may be empty) and its bytes, unpacked."""

    url: str
    media_type: str
    content: bytes


def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a host. Raises OSError."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


class Fetcher:
    """Fetches pages. Thread-safe, so that several can be fetched side by side."""

    def __init__(
        self, settings: SourceSettings, *, resolve: Resolve = resolve, clock: Callable[[], float] = time.monotonic,
        tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._allowed = Allowed(settings.allow)
        self._resolve = resolve
        self._clock = clock
        self._tls = tls
        self._robots = Robots(self._rules, settings.user_agent, clock)

    def fetch(self, url: str, *, robots: bool = True, accept: str = ACCEPT) -> Fetched:
        """What stands at ``url``. ``robots``: the site's robots.txt is obeyed, as it must be for all that a person did not run themselves.

        Raises FetchError, each kind of refusal with a sentence of its own.
        """
        deadline = self._clock() + self._settings.fetch_seconds
        status, fetched = self._follow(url, deadline, self._settings.max_bytes, accept, robots=robots)
        if status >= 400 or status < 200:
            raise UnreachableError(_refusal(fetched.url, status), f"status {status}")
        if not fetched.content.strip():
            raise UnreachableError(f"{shown(fetched.url)} answered with an empty page.", f"status {status}")
        return fetched

    def call(self, method: str, url: str, body: bytes | None = None) -> Fetched:
        """What a service answers to one request, with a JSON body or none; nothing is sent on to other addresses. Raises FetchError."""
        deadline = self._clock() + self._settings.fetch_seconds
        address = _checked(url, self._allowed)
        status, location, fetched = self._once(address, deadline, self._settings.max_bytes, ACCEPT_DATA, method, body)
        if location is not None:
            raise AddressRefusedError(f"{shown(url)} wanted to send me on to another address, which a tool may not.", f"status {status}")
        if status >= 400 or status < 200:
            raise UnreachableError(_refusal(fetched.url, status), f"status {status}")
        return fetched

    def _follow(self, url: str, deadline: float, limit: int, accept: str, *, robots: bool) -> tuple[int, Fetched]:
        """The last status and content after all redirects."""
        seen = []
        for _ in range(self._settings.max_redirects + 1):
            address = _checked(url, self._allowed)
            if robots and not self._robots.allow(_origin(address), str(address)):
                raise RobotsRefusedError(f"{shown(url)} asks programs like me not to read it (robots.txt), so I did not.")
            status, location, fetched = self._once(address, deadline, limit, accept)
            if location is None:
                return status, fetched
            seen.append(url)
            url = urljoin(str(address), location)
            if url in seen:
                break
        raise FetchLimitError(f"{shown(seen[0])} keeps sending me on to other addresses, so I gave up.", f"{len(seen)} redirects")

    def _once(
        self, address: httpx.URL, deadline: float, limit: int, accept: str, method: str = "GET", body: bytes | None = None
    ) -> tuple[int, str | None, Fetched]:
        """One request: status, where it redirects to (None: nowhere), content."""
        url = str(address)
        headers = [
            ("Host", address.netloc.decode()), ("User-Agent", self._settings.user_agent), ("Accept", accept), ("Accept-Encoding", KNOWN),
        ]  # fmt: skip
        if body is not None:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        backend = _Door(self._allowed, self._resolve, deadline, self._clock)
        asking = httpcore.URL(scheme=address.raw_scheme, host=address.raw_host, port=address.port, target=address.raw_path)
        try:
            with (
                httpcore.ConnectionPool(network_backend=backend, ssl_context=self._tls) as pool,
                pool.stream(method, asking, headers=headers, content=body) as response,
            ):
                found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                if response.status in (301, 302, 303, 307, 308) and "location" in found:
                    return response.status, found["location"], Fetched(url, "", b"")
                if found.get("content-length", "").isdigit() and int(found["content-length"]) > limit:
                    raise TooMuch
                pieces = _bounded(response.iter_stream(), limit)
                content = decoded(pieces, found.get("content-encoding", ""), limit)
                media_type = found.get("content-type", "").partition(";")[0].strip().lower()
                return response.status, None, Fetched(url, media_type, content)
        except TooMuch:
            raise FetchLimitError(f"{shown(url)} is bigger than the {limit / 1_000_000:g} MB that I read at once.") from None
        except Undecodable as error:
            raise UnreachableError(f"{shown(url)} came in a form that does not unpack.", str(error)) from error
        except (_TooLate, httpcore.TimeoutException) as error:
            sentence = f"{shown(url)} did not come within {self._settings.fetch_seconds:.0f} seconds. Please try again later."
            raise FetchLimitError(sentence, type(error).__name__) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise UnreachableError(f"{shown(url)} could not be reached: {_why(error)}.", type(error).__name__) from error

    def _rules(self, url: str) -> tuple[int, str]:
        """robots.txt: its status and text. Raises FetchError where the site cannot say: then it must not be read (RFC 9309, section 2.3)."""
        deadline = self._clock() + self._settings.fetch_seconds
        status, fetched = self._follow(url, deadline, BIGGEST, "text/plain,*/*;q=0.5", robots=False)
        if status >= 500:
            raise UnreachableError(
                f"{shown(url)} answered with an error, so I cannot tell whether I may read that site. Please try again later.", f"status {status}"
            )
        return status, fetched.content.decode("utf-8", "replace")


def shown(url: str) -> str:
    """An address as it may stand in a sentence: not endless, and without what follows a question mark."""
    plain = url.partition("?")[0].partition("#")[0]
    return plain if len(plain) <= 100 else plain[:99] + "…"


def _checked(url: str, allowed: Allowed) -> httpx.URL:
    """The address, if it is one of the web. Raises AddressRefusedError."""
    if len(url) > LONGEST_ADDRESS:
        raise AddressRefusedError(f"That address is longer than {LONGEST_ADDRESS} characters. Please send a shorter link.")
    try:
        address = httpx.URL(url)
        host, port = address.host, address.port or (443 if address.scheme == "https" else 80)
    except (httpx.InvalidURL, ValueError, UnicodeError) as error:
        raise AddressRefusedError(f"{shown(url)} is not an address that I can read.", str(error)) from error
    if address.scheme not in ("http", "https"):
        raise AddressRefusedError(f"I only read web addresses that begin with http:// or https://, and {shown(url)} does not.")
    if not _HOST.fullmatch(address.raw_host.decode("ascii")):
        raise AddressRefusedError(f"{shown(url)} is not an address that I can read.", "no host name")
    if address.userinfo:
        raise AddressRefusedError("That address holds a name or a password. Please send the link without them.")
    if port not in PORTS and not allowed.host(host, port) and not allowed.address(host, port):
        raise AddressRefusedError(f"{shown(url)} is not on a port where web pages are served, so I do not read it.")
    return address.copy_with(fragment=None)


class _TooLate(Exception):
    """The time for the whole fetch is over."""


class _Door(httpcore.NetworkBackend):
    """Connects to addresses that were checked, and to nothing else, until the deadline."""

    def __init__(self, allowed: Allowed, resolve: Resolve, deadline: float, clock: Callable[[], float]) -> None:
        self._allowed, self._resolve, self._deadline, self._clock = allowed, resolve, deadline, clock
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:  # fmt: skip
        addresses = self._addresses(host, port)
        if not self._allowed.host(host, port):
            refused = [each for each in addresses if not is_public(each) and not self._allowed.address(each, port)]
            if refused:  # one private answer among public ones is an attack, not a misconfiguration
                raise AddressRefusedError(f"{host} is not on the public internet, so I do not read it.", ", ".join(refused))
        failure: Exception | None = None
        for address in addresses:
            try:
                return _Timed(self._sockets.connect_tcp(address, port, self._left(), None, socket_options), self._left)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None) -> httpcore.NetworkStream:
        raise AddressRefusedError("I only read web addresses.", path)

    def _addresses(self, host: str, port: int) -> list[str]:
        """Resolved in a thread of its own: the system's resolver has no time limit."""
        answer: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answer.put(self._resolve(host, port))
            except (OSError, UnicodeError, ValueError) as error:
                answer.put(error)

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        try:
            found = answer.get(timeout=self._left())
        except queue.Empty:
            raise _TooLate from None
        if isinstance(found, Exception):
            raise httpcore.ConnectError(f"no address is known for {host}") from found
        return found

    def _left(self) -> float:
        left = self._deadline - self._clock()
        if left <= 0:
            raise _TooLate
        return left


class _Timed(httpcore.NetworkStream):
    """A connection on which everything together has to end in time, however slowly the other side sends."""

    def __init__(self, stream: httpcore.NetworkStream, left: Callable[[], float]) -> None:
        self._stream, self._left = stream, left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, self._left()), self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _bounded(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The pieces as they came, as long as they are not more than the limit before unpacking either."""
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > limit:
            raise TooMuch
        yield piece


def _origin(address: httpx.URL) -> str:
    return f"{address.scheme}://{address.netloc.decode()}"


def _refusal(url: str, status: int) -> str:
    match status:
        case 401 | 402 | 403 | 407 | 451:
            return f"{shown(url)} does not let me in (status {status}). Attach the text as a file instead."
        case 404 | 410:
            return f"There is no page at {shown(url)}."
        case 429 | 503:
            return f"{shown(url)} is too busy to answer at the moment. Please try again later."
        case _:
            return f"{shown(url)} answered with an error (status {status})."


def _why(error: Exception) -> str:
    text = str(error).lower()
    if "certificate" in text:
        return "its certificate cannot be trusted"
    if "no address" in text:
        return "no such host is known"
    return "it does not answer" if isinstance(error, httpcore.ConnectError) else "the connection broke off"
