"""An engine over HTTP, in this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from tests.services import eventually
from trainer.engine.scheduler import Scheduler
from trainer.engine.server import create_app

NEW_TOKENS = 20


@contextmanager
def serving(load: Callable[[], Scheduler], on_failure: Callable[[Exception], None] | None = None) -> Iterator[int]:
    """A server on a free port, from the moment it accepts until it has shut down."""
    listener = socket.create_server(("127.0.0.1", 0))
    loaded = threading.Event()

    def load_and_tell() -> Scheduler:
        loaded.set()
        return load()

    app = create_app(load_and_tell, default_max_tokens=NEW_TOKENS, on_failure=on_failure)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    loaded.wait()
    port: int = listener.getsockname()[1]
    if on_failure is None:
        eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200, "the engine")
    yield port
    server.should_exit = True
    thread.join()
