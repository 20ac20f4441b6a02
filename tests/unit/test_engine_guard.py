"""A model server is heard on this machine only, or by who has its key."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi.routing import APIRoute

from bot.embedded_redis import free_port
from bot.engine_client import EngineClient
from bot.errors import EngineUnavailable
from tests.services import eventually, tutee
from trainer.engine.guard import OPEN, KeyMissing, is_loopback, require_key
from trainer.engine.scheduler import Scheduler
from trainer.engine.server import create_app, serve


def never() -> Scheduler:
    raise AssertionError("no model is needed for this")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_no_key_is_needed(host: str) -> None:
    assert is_loopback(host)
    require_key(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "engine", "localhost.example.org", "127.0.0.1.nip.io", ""])
def test_elsewhere_it_does_not_start_without_one(host: str) -> None:
    require_key(host, "a long random word")
    with pytest.raises(KeyMissing, match="TUTEE_ENGINE_API_KEY"):
        serve(never, host=host)


def test_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    done = tutee("engine", "--host", "0.0.0.0", "--port", str(free_port()), "--data", str(tmp_path), environment={"TUTEE_ENGINE_API_KEY": ""})
    assert done.returncode == 1 and "Set TUTEE_ENGINE_API_KEY" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "right"}, {"Authorization": "Bearer right "}])
async def test_every_route_but_health_asks_for_the_key(headers: dict[str, str]) -> None:
    app = create_app(never, api_key="right")
    routes = [each for each in app.routes if isinstance(each, APIRoute)]
    assert {each.path for each in routes} >= {"/v1/chat/completions", "/v1/models", "/v1/unload_lora_adapter", OPEN}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine") as client:
        for route in routes:
            answer = await client.request(next(iter(route.methods or ())), route.path, headers=headers)
            assert (answer.status_code == 401) == (route.path != OPEN), route.path
        for path in ("/docs", "/openapi.json", "/v1/../v1/models", "//v1/models", "/health/../v1/models"):
            assert (await client.get(path, headers=headers)).status_code in (401, 404)
        with_key = await client.get("/v1/models", headers={"Authorization": "Bearer right"})
        assert with_key.status_code == 503  # heard; the model is not loaded


async def test_a_message_waits_while_the_bots_key_is_wrong() -> None:
    """It is the operator's to mend, and the message is not lost meanwhile."""
    server = uvicorn.Server(uvicorn.Config(create_app(never, api_key="right"), port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    client = EngineClient(f"http://127.0.0.1:{port}", base_model="pocket", api_key="wrong")
    try:
        with pytest.raises(EngineUnavailable):
            [piece async for piece in client.pieces([{"role": "user", "content": "Hi"}], None)]
    finally:
        await client.close()
        server.should_exit = True
        thread.join(20)
