"""A web of our own on loopback: pages by path, each a body or something that answers as it likes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from trainer.settings import SourceSettings

Answering = Callable[[BaseHTTPRequestHandler], None]


class SmallWeb:
    """``pages`` maps a path to HTML text, bytes or a function of the request; ``asked`` are the paths in the order of the requests."""

    def __init__(self) -> None:
        self.pages: dict[str, str | bytes | Answering] = {}
        self.asked: list[str] = []
        self.agents: set[str] = set()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                web.asked.append(self.path)
                web.agents.add(self.headers.get("User-Agent", ""))
                page = web.pages.get(self.path.partition("?")[0])
                with suppress(OSError):  # whoever asked may have gone
                    if callable(page):
                        page(self)
                    elif page is None:
                        send(self, b"nothing here", status=404)
                    elif isinstance(page, bytes):
                        send(self, page, media_type="application/octet-stream")
                    else:
                        send(self, page.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """The address of a path."""
        return f"http://{host}:{self.port}{path}"

    def settings(self, **changes: Any) -> SourceSettings:
        """Settings that allow this web, and nothing else that is not public."""
        return SourceSettings(**{"allow": (f"127.0.0.1:{self.port}",), "fetch_seconds": 20.0, **changes})

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, media_type: str = "text/html; charset=utf-8", **headers: str) -> None:
    """A whole answer. Header names have _ for -."""
    handler.send_response(status)
    handler.send_header("Content-Type", media_type)
    if "Content_Length" not in headers:
        handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def redirect(to: str, status: int = 302) -> Answering:
    """An answer that sends on to another address."""
    return lambda handler: send(handler, b"", status=status, Location=to)


@contextmanager
def small_web() -> Iterator[SmallWeb]:
    """A running small web."""
    web = SmallWeb()
    yield web
    web.close()
