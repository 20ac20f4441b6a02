"""The door to the network: what passes, and every refusal with its own sentence."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import brotli
import pytest

from tests.small_web import Answering, SmallWeb, redirect, send, small_web
from trainer.errors import AddressRefusedError, FetchError, FetchLimitError, RobotsRefusedError, UnreachableError
from trainer.settings import SourceSettings
from trainer.sources import fetch
from trainer.sources.fetch import Fetcher, Resolve


@pytest.fixture
def web() -> Iterator[SmallWeb]:
    with small_web() as running:
        yield running


def refused(fetcher: Fetcher, url: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(url)
    return caught.value


def test_a_page_is_fetched_with_its_type_under_our_name(web: SmallWeb) -> None:
    web.pages["/a"] = "<p>Hello</p>"
    fetched = Fetcher(web.settings()).fetch(web.url("/a#part"))
    assert (fetched.url, fetched.media_type, fetched.content) == (web.url("/a"), "text/html", b"<p>Hello</p>")
    assert web.asked == ["/robots.txt", "/a"]
    assert all(agent.startswith("Tutee/") for agent in web.agents)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(b"x" * 5000, mtime=0)), ("deflate", zlib.compress(b"x" * 5000)), ("deflate", zlib.compress(b"x" * 5000)[2:-4]),
     ("br", brotli.compress(b"x" * 5000)), ("identity", b"x" * 5000)],
)  # fmt: skip
def test_compressed_pages_are_unpacked(web: SmallWeb, encoding: str, packed: bytes) -> None:
    web.pages["/a"] = lambda handler: send(handler, packed, Content_Encoding=encoding)
    assert Fetcher(web.settings()).fetch(web.url("/a")).content == b"x" * 5000


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/a", "file:///etc/passwd", "gopher://example.org", "javascript:alert(1)", "data:text/plain,hello", "//example.org",
     "example.org", "http://", "http:///a", "http://[::1", "http://exa mple.org/", "http://user:pass@example.org/", "http://example.org:22/",
     "http://example.org:6379/", "http://example.org:99999/", "https://example.org/" + "a" * 2000],
)  # fmt: skip
def test_what_is_no_web_address_is_never_resolved(url: str) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["8.8.8.8"]

    with pytest.raises(AddressRefusedError):
        Fetcher(SourceSettings(), resolve=resolve).fetch(url)
    assert asked == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.1", "0x7f.1", "2130706433", "0177.0.0.1",
     "017700000001"],
)  # fmt: skip
def test_no_spelling_of_this_machine_is_connected_to(web: SmallWeb, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PORTS", (web.port,))  # so that the address alone is the reason
    web.pages["/"] = "secret"
    assert isinstance(refused(Fetcher(SourceSettings()), web.url("/", host)), AddressRefusedError)
    assert web.asked == []


def test_a_name_that_leads_inside_is_refused_even_with_a_public_answer_beside_it(web: SmallWeb) -> None:
    for answers in (["10.0.0.7"], ["8.8.8.8", "127.0.0.1"], ["::1"], ["169.254.169.254"]):
        error = refused(Fetcher(SourceSettings(), resolve=_always(answers)), "http://evil.example/")
        assert isinstance(error, AddressRefusedError)
        assert error.user_message == "evil.example is not on the public internet, so I do not read it."


def test_a_second_answer_of_the_name_server_changes_nothing(web: SmallWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the address that was checked is the one that is connected to, and every connection is checked."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) % 2 else ["127.0.0.2"]  # the second one is not allowed

    web.pages["/a"] = "text"
    host_on_port = web.url("/a", "rebind.example")
    settings = SourceSettings(allow=(f"127.0.0.1:{web.port}",))
    monkeypatch.setattr(fetch, "PORTS", (web.port,))
    assert isinstance(refused(Fetcher(settings, resolve=resolve), host_on_port), AddressRefusedError)
    assert web.asked == ["/robots.txt"]  # its connection went to the address that was checked; the next one was checked anew
    assert asked == ["rebind.example", "rebind.example"]  # once for each connection: nobody else looks the name up


def test_each_redirect_is_checked_again(web: SmallWeb) -> None:
    web.pages["/there"] = "arrived"
    web.pages["/a"] = redirect("/b")
    web.pages["/b"] = redirect(web.url("/there"), 308)
    assert Fetcher(web.settings()).fetch(web.url("/a")).content == b"arrived"
    for target in (
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://localhost/",
        "file:///etc/passwd",
        f"http://127.0.0.2:{web.port}/there",
    ):
        web.pages["/away"] = redirect(target)
        assert isinstance(refused(Fetcher(web.settings()), web.url("/away")), AddressRefusedError)


def test_endless_redirects_end(web: SmallWeb) -> None:
    web.pages["/circle"] = redirect("/circle")
    for number in range(12):
        web.pages[f"/{number}"] = redirect(f"/{number + 1}")
    for path in ("/circle", "/0"):
        error = refused(Fetcher(web.settings()), web.url(path))
        assert isinstance(error, FetchLimitError) and "sending me on" in error.user_message
    assert len(web.asked) < 12


def test_robots_are_respected_and_asked_once(web: SmallWeb) -> None:
    web.pages["/robots.txt"] = "User-agent: Tutee\nDisallow: /private\n\nUser-agent: *\nDisallow: /\n"
    web.pages["/private/a"] = web.pages["/open"] = "text"
    fetcher = Fetcher(web.settings())
    assert fetcher.fetch(web.url("/open")).content == b"text"
    assert isinstance(refused(fetcher, web.url("/private/a")), RobotsRefusedError)
    web.pages["/sly"] = redirect("/private/a")
    assert isinstance(refused(fetcher, web.url("/sly")), RobotsRefusedError)
    assert web.asked.count("/robots.txt") == 1
    assert "/private/a" not in web.asked
    assert fetcher.fetch(web.url("/private/a"), robots=False).content == b"text"


def test_a_site_that_fails_to_say_its_rules_is_not_read(web: SmallWeb) -> None:
    web.pages["/robots.txt"] = lambda handler: send(handler, b"oops", status=500)
    web.pages["/a"] = "text"
    error = refused(Fetcher(web.settings()), web.url("/a"))
    assert "whether I may read" in error.user_message
    assert web.asked == ["/robots.txt"]


def _always(answers: list[str]) -> Resolve:
    return lambda host, port: answers


LIMIT = 1_000_000


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b"x" * 65_536)


def bomb(encoding: str, packed: bytes) -> Answering:
    return lambda handler: send(handler, packed, Content_Encoding=encoding)


def test_nothing_bigger_than_the_limit_is_held(web: SmallWeb) -> None:
    deep = gzip.compress(gzip.compress(b"\0" * 50_000_000, mtime=0))
    web.pages |= {
        "/said": lambda handler: send(handler, b"", Content_Length="200000000"),
        "/unsaid": endless,
        "/gzip": bomb("gzip", gzip.compress(b"\0" * 50_000_000, mtime=0)),
        "/deflate": bomb("deflate", zlib.compress(b"\0" * 50_000_000)),
        "/br": bomb("br", brotli.compress(b"\0" * 50_000_000)),
        "/twice": bomb("gzip, gzip", deep),
        "/unknown": bomb("zstd", b"abc"),
        "/broken": bomb("gzip", b"not gzip"),
        "/half": bomb("gzip", gzip.compress(bytes(range(256)) * 99)[:40]),
    }
    fetcher = Fetcher(web.settings(max_bytes=LIMIT))
    for path in ("/said", "/unsaid", "/gzip", "/deflate", "/br"):
        error = refused(fetcher, web.url(path))
        assert isinstance(error, FetchLimitError) and "bigger than the 1 MB" in error.user_message, path
    for path in ("/twice", "/unknown", "/broken", "/half"):
        assert "does not unpack" in refused(fetcher, web.url(path)).user_message


def test_a_server_that_drips_is_left_in_time(web: SmallWeb) -> None:
    gone = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(600):
            handler.wfile.write(b"x")
            if gone.wait(0.05):
                return

    def slow_headers(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(600):
            handler.wfile.write(b"X-%d: a\r\n" % number)
            if gone.wait(0.05):
                return

    def silent(handler: BaseHTTPRequestHandler) -> None:
        gone.wait(30)

    web.pages |= {"/drip": drip, "/headers": slow_headers, "/silent": silent}
    fetcher = Fetcher(web.settings(fetch_seconds=0.7))
    for path in ("/drip", "/headers", "/silent"):
        began = time.monotonic()
        error = refused(fetcher, web.url(path))
        assert isinstance(error, FetchLimitError) and "within 1 seconds" in error.user_message
        assert time.monotonic() - began < 10
    gone.set()


def test_a_name_server_that_never_answers_is_left_in_time() -> None:
    forever = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        forever.wait(30)
        return []

    error = refused(Fetcher(SourceSettings(fetch_seconds=0.3), resolve=resolve), "http://slow.example/")
    assert isinstance(error, FetchLimitError)
    forever.set()


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "no page"), (410, "no page"), (403, "let me in"), (401, "let me in"), (429, "busy"), (503, "busy"), (500, "error"), (418, "error")],
)
def test_each_status_that_says_no_has_its_sentence(web: SmallWeb, status: int, words: str) -> None:
    web.pages["/a"] = lambda handler: send(handler, b"no", status=status)
    error = refused(Fetcher(web.settings()), web.url("/a?token=secret"))
    assert isinstance(error, UnreachableError)
    assert words in error.user_message and "secret" not in error.user_message


def test_pages_without_words_and_hosts_without_answers_have_their_sentences(web: SmallWeb) -> None:
    web.pages["/empty"] = ""
    assert "empty page" in refused(Fetcher(web.settings()), web.url("/empty")).user_message

    def cut(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b"half", Content_Length="4000")
        handler.close_connection = True

    web.pages["/cut"] = cut
    assert "broke off" in refused(Fetcher(web.settings()), web.url("/cut")).user_message

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    assert "no such host" in refused(Fetcher(SourceSettings(), resolve=unknown), "http://nowhere.example/").user_message
    settings = web.settings()
    web.close()
    assert "does not answer" in refused(Fetcher(replace(settings, fetch_seconds=5)), web.url("/a")).user_message
