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
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from jinja2 import TemplateError
from pydantic import BaseModel

from trainer.engine.generation import Generation
from trainer.engine.guard import Guard, require_key
from trainer.engine.openai_api import ADAPTER_NAME, Answer, ChatRequest, error_body, sse
from trainer.engine.scheduler import Scheduler
from trainer.errors import (
    AdapterNotFoundError,
    ContextTooLongError,
    EngineBusyError,
    EngineStoppedError,
    TrainerError,
)

log = logging.getLogger(__name__)

CHUNK_SECONDS = 0.02  # between two pieces of an answer: faster than anybody reads, and each piece costs as much as a token
RETRY_AFTER_SECONDS = 2  # about one answer of the pocket model: by then a place in the line is free


class UnloadRequest(BaseModel):
    lora_name: str


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
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(TrainerError)(_refused)
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
            return StreamingResponse(_events(answer, generation, usage), media_type="text/event-stream")
        return JSONResponse(answer.whole(await _text_while_connected(generation, request)))

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
                "resident": status.resident,
                "running": status.running,
                "waiting": status.waiting,
            }
        )

    async def metrics(self) -> str:
        """In the text format of Prometheus."""
        return self._ready().metrics()

    async def _submit(self, scheduler: Scheduler, body: ChatRequest) -> Generation:
        adapter = None if body.model == scheduler.base.name else body.model
        if adapter is not None and not ADAPTER_NAME.fullmatch(adapter):
            raise AdapterNotFoundError(f"The model {adapter[:80]!r} does not exist.")
        messages = [message.for_template() for message in body.messages]
        try:
            async with self._tokenizing:
                ids = await asyncio.to_thread(scheduler.base.prompt_ids, messages)
        except TemplateError as error:  # templates refuse some orders of roles, and say which
            raise RequestValidationError([{"loc": ("body", "messages"), "msg": str(error)}]) from error
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


async def _events(answer: Answer, generation: Generation, include_usage: bool) -> AsyncIterator[str]:
    try:
        yield answer.first_chunk()
        async for text in generation:
            yield answer.text_chunk(text)
            if generation.finish_reason is None:
                await asyncio.sleep(CHUNK_SECONDS)
        yield answer.last_chunk()
        if include_usage:
            yield answer.usage_chunk()
        yield "data: [DONE]\n\n"
    except TrainerError as error:
        yield sse(error_body(error.user_message, "server_error"))
    finally:
        generation.cancel()  # the client has gone, or nothing is left to cancel


async def _text_while_connected(generation: Generation, request: Request) -> str:
    async def text() -> str:
        return "".join([piece async for piece in generation])

    async def disconnect() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    writing, leaving = asyncio.create_task(text()), asyncio.create_task(disconnect())
    try:
        await asyncio.wait((writing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not writing.done():
            generation.cancel()
        return await writing
    finally:
        leaving.cancel()


async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    return JSONResponse(error_body(f"{place}: {first['msg']}", "invalid_request_error", param=place), status_code=400)


async def _refused(_: Request, error: TrainerError) -> JSONResponse:
    if isinstance(error, AdapterNotFoundError):
        return JSONResponse(error_body(error.user_message, "invalid_request_error", "model_not_found", "model"), 404)
    if isinstance(error, ContextTooLongError):
        body = error_body(error.user_message, "invalid_request_error", "context_length_exceeded", "messages")
        return JSONResponse(body, 400)
    if isinstance(error, (EngineBusyError, EngineStoppedError)):
        body = error_body(error.user_message, "server_error", "busy")
        return JSONResponse(body, 503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    log.error("an answer failed, error=%s", error)
    return JSONResponse(error_body(error.user_message, "server_error"), 500)
