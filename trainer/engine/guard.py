"""Who may ask a model server: on loopback everybody on the machine; elsewhere, or where a key is set, who has the key."""

from __future__ import annotations

import hmac
import ipaddress

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from trainer.engine.openai_api import error_body
from trainer.errors import TrainerError

OPEN = "/health"  # for probes; it tells names of versions and nothing that anybody said


class KeyMissing(TrainerError):
    """The port would be open to everybody on the network."""


def require_key(host: str, api_key: str | None) -> None:
    """Raises KeyMissing where others than this machine can reach `host` and there is no key."""
    if not api_key and not is_loopback(host):
        raise KeyMissing(
            f"The engine would listen on {host}, where other machines can reach it, without a key. Set TUTEE_ENGINE_API_KEY to the same long "
            "random word for the engine, the bots and the workers, or let it listen on 127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it. A name other than localhost may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Lets through to `app` only requests with `Authorization: Bearer` and the key, and those for the health of the server."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._expected = f"Bearer {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != OPEN:
            given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
            if not hmac.compare_digest(given, self._expected):
                await _refuse(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    body = error_body("The key is missing or wrong: set TUTEE_ENGINE_API_KEY.", "invalid_request_error", "invalid_api_key")
    await JSONResponse(body, 401)(scope, receive, send)
