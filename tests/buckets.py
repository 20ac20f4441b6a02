"""A real S3-compatible server on loopback: moto's, with a bucket."""

from __future__ import annotations

import itertools
import json
import os
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
_numbers = itertools.count(1)


class _Conditional:
    """Conditional writes one after the other: moto looks and writes in two steps, which S3 does in one."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._writing = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "HTTP_IF_NONE_MATCH" not in environ:
            found: Iterable[bytes] = self._application(environ, start_response)
            return found
        with self._writing:
            return list(self._application(environ, start_response))


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """Not a line for each request."""


class S3:
    """The server at `endpoint`, with buckets of a test's own."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._server = make_server(
            "127.0.0.1", 0, _Conditional(DomainDispatcherApplication(create_backend_app)), threaded=True, request_handler=_Quiet
        )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="s3", daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Refuse connections."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = f"test-{os.getpid()}-{next(_numbers)}"
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")).close()
        return name

    def backend(self) -> Any:
        """What the server itself holds, for tests that look behind the protocol or spoil something."""
        from moto.s3.models import s3_backends

        return s3_backends["123456789012"]["aws"]

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Everything in the bucket."""
        return {key: each.value for key, each in self.backend().buckets[bucket].keys.items()}

    def put(self, bucket: str, key: str, content: Any) -> None:
        """Write an object past the store."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.backend().put_object(bucket, key, data)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """One server for all tests of a process."""
    server = S3()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3) -> Iterator[S3]:
    """The server, with keys in the environment as an operator sets them."""
    with keys():
        yield s3_server


@contextmanager
def keys() -> Iterator[None]:
    """Inside, the keys are in the environment."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in KEYS.items():
            patched.setenv(name, value)
        yield
