"""The engine over HTTP: OpenAI's chat completions, where `model` is the base model or one user's adapter version."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from trainer.engine.generation import Generation
from trainer.engine.guard import Guard, require_key
from trainer.engine.openai_api import Answer, ChatRequest, UnloadRequest, error_body
from trainer.engine.responses import adapter_of, events, prompt_of, refuse_in_words, text_while_connected
from trainer.engine.scheduler import Scheduler
from trainer.errors import EngineStoppedError

log = logging.getLogger(__name__)


def create_app(
    load: Callable[[], Scheduler],
    *,
    default_max_tokens: int = 512,
    on_failure: Callable[[Exception], None] | None = None,
    api_key: str | None = None,
) -> FastAPI:
    """`load` makes the started scheduler, in a thread while the port is open, so that /health answers meanwhile.

    `default_max_tokens` holds where a request names none; `on_failure` hears why `load` failed. The app closes the
    scheduler when it shuts down. With an `api_key`, only who has it is heard, but for /health.
    """
    engine = _Engine(load, default_max_tokens, on_failure)
    app = FastAPI(title="Tutee engine", lifespan=engine.lifespan, openapi_url=None)
    app.add_api_route("/v1/chat/completions", engine.chat, methods=["POST"], response_model=None)
    app.add_api_route("/v1/models", engine.models, methods=["GET"])
    app.add_api_route("/v1/unload_lora_adapter", engine.unload, methods=["POST"], response_model=None)
    app.add_api_route("/metrics", engine.metrics, methods=["GET"], response_class=PlainTextResponse)
    app.add_api_route("/health", engine.health, methods=["GET"], response_model=None)
    refuse_in_words(app)
    if api_key:
        app.add_middleware(Guard, api_key=api_key)
    return app


def serve(
    load: Callable[[], Scheduler],
    *,
    host: str = "127.0.0.1",
    port: int = 8642,
    uds: str | None = None,
    default_max_tokens: int = 512,
    log_level: str = "warning",
    api_key: str | None = None,
) -> None:
    """Serve until a signal ends the process's main thread, on `uds` (a socket file) if given, else on host and port.

    Raises what `load` raised, and KeyMissing where other machines can reach the port and there is no `api_key`.
    """
    if uds is None:
        require_key(host, api_key)
    failures: list[Exception] = []

    def stop(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    app = create_app(load, default_max_tokens=default_max_tokens, on_failure=stop, api_key=api_key)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        uds=uds,
        log_level=log_level,
        access_log=False,
        timeout_graceful_shutdown=10,  # seconds for answers in flight; most of them end within a few
    )
    server = uvicorn.Server(config)
    server.run()
    if failures:
        raise failures[0]


class _Engine:
    """The handlers, around one scheduler that is None until it is loaded."""

    def __init__(self, load: Callable[[], Scheduler], default_max_tokens: int, on_failure: Callable[[Exception], None] | None) -> None:
        self._load = load
        self._default_max_tokens = default_max_tokens
        self._on_failure = on_failure
        self._scheduler: Scheduler | None = None
        self._tokenizing = asyncio.Lock()  # a tokenizer object must not be used by two threads at once

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(self._load_scheduler())
        yield
        await loading
        if self._scheduler is not None:
            await asyncio.to_thread(self._scheduler.close)

    async def chat(self, body: ChatRequest, request: Request) -> JSONResponse | StreamingResponse:
        scheduler = self._ready()
        generation = await self._submit(scheduler, body)
        answer = Answer(uuid.uuid4().hex, int(time.time()), body.model, generation)
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            return StreamingResponse(events(answer, generation, usage), media_type="text/event-stream")
        return JSONResponse(answer.whole(await text_while_connected(generation, request)))

    async def models(self) -> dict[str, Any]:
        status = self._ready().status()
        names = [status.model, *status.resident]
        return {
            "object": "list",
            "data": [{"id": name, "object": "model", "created": 0, "owned_by": "tutee"} for name in names],
        }

    async def unload(self, body: UnloadRequest) -> JSONResponse:
        """vLLM's route of the same name. 409 while an answer is being written with the adapter."""
        if await asyncio.to_thread(self._ready().unload, body.lora_name):
            return JSONResponse({"status": "ok"})
        message = f"{body.lora_name} is being used. Try again when its answers have ended."
        return JSONResponse(error_body(message, "conflict_error"), status_code=409)

    async def health(self) -> JSONResponse:
        if self._scheduler is None:
            return JSONResponse({"status": "loading"}, status_code=503)
        status = self._scheduler.status()
        return JSONResponse(
            {
                "status": "ready",
                "model": status.model,
                "computing": status.computing,
                "resident": status.resident,
                "running": status.running,
                "waiting": status.waiting,
            }
        )

    async def metrics(self) -> str:
        """In the text format of Prometheus."""
        return self._ready().metrics()

    async def _submit(self, scheduler: Scheduler, body: ChatRequest) -> Generation:
        adapter = adapter_of(body, scheduler.base.name)
        async with self._tokenizing:
            ids = await prompt_of(body, scheduler.base.prompt_ids)
        return await asyncio.to_thread(scheduler.submit, body.generation(ids, adapter, self._default_max_tokens))

    async def _load_scheduler(self) -> None:
        try:
            self._scheduler = await asyncio.to_thread(self._load)
        except Exception as error:
            log.exception("the model could not be loaded")
            if self._on_failure is not None:
                self._on_failure(error)

    def _ready(self) -> Scheduler:
        if self._scheduler is None:
            raise EngineStoppedError("The model is being loaded. Please ask again in a moment.")
        return self._scheduler
