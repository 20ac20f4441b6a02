"""What an engine answers over HTTP, whoever writes the answer: its events, its errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from jinja2 import TemplateError

from trainer.engine.generation import Generation
from trainer.engine.openai_api import ADAPTER_NAME, Answer, ChatRequest, error_body, sse
from trainer.errors import AdapterNotFoundError, ContextTooLongError, EngineBusyError, EngineStoppedError, TrainerError

log = logging.getLogger(__name__)

CHUNK_SECONDS = 0.02  # between two pieces of an answer: faster than anybody reads, and each piece costs as much as a token
RETRY_AFTER_SECONDS = 2  # about one answer of the pocket model: by then a place in the line is free


def adapter_of(body: ChatRequest, base_model: str) -> str | None:
    """The adapter that is asked for; None is the base model. Raises AdapterNotFoundError for what is no name of ours."""
    if body.model == base_model:
        return None
    if not ADAPTER_NAME.fullmatch(body.model):
        raise AdapterNotFoundError(f"The model {body.model[:80]!r} does not exist.")
    return body.model


async def prompt_of(body: ChatRequest, encode: Callable[[list[dict[str, str]]], list[int]]) -> list[int]:
    """The tokens of a request's conversation; `encode` is called in a thread."""
    try:
        return await asyncio.to_thread(encode, [message.for_template() for message in body.messages])
    except TemplateError as error:  # templates refuse some orders of roles, and say which
        raise RequestValidationError([{"loc": ("body", "messages"), "msg": str(error)}]) from error


async def events(answer: Answer, generation: Generation, include_usage: bool) -> AsyncIterator[str]:
    """An answer as server-sent events."""
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


async def text_while_connected(generation: Generation, request: Request) -> str:
    """The whole answer; it is cancelled where the client leaves."""

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


def refuse_in_words(app: FastAPI) -> None:
    """Have errors told as OpenAI tells them."""
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(TrainerError)(_refused)


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
