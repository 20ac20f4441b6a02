"""Asks the engine over HTTP, in OpenAI's chat completions format, and gives back the answer piece by piece."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import cast
from urllib.parse import urlsplit

import httpx2 as httpx  # what the openai package is built on
import openai
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from bot import texts
from bot.errors import EngineError, EngineRefused, EngineUnavailable, PromptTooLong, VersionUnknown
from trainer.prompts import Messages

CONNECT_SECONDS = 3.0  # the engine is near: a connection that takes longer means that it is not there
SILENCE_SECONDS = 60.0  # longest wait for the next piece: a full waiting line of the pocket model is through in less
LOOK_SECONDS = 0.2  # between two looks at an engine that is still starting
TRY_LATER = frozenset({408, 409, 425, 429, 502, 503, 504})


class EngineClient:
    """One engine at `url` (its root, or the path that ends in /v1), which serves the untaught model as `base_model`.

    Opens no connection before it is asked. Used from one event loop at a time; `close` before the next one.
    `start_seconds`: how long from now an engine that was started with us may take to load its model; until it has answered
    for the first time, a question waits that long for it.
    """

    def __init__(self, url: str, *, base_model: str, api_key: str | None = None, max_tokens: int = 160, start_seconds: float = 0.0) -> None:
        self.base_model = base_model
        self._url = url.rstrip("/") if urlsplit(url).path.strip("/") else url.rstrip("/") + "/v1"
        self._api_key = api_key
        self._max_tokens = max_tokens
        self._client: openai.AsyncOpenAI | None = None
        self._started_by = time.monotonic() + start_seconds if start_seconds else 0.0

    async def pieces(self, messages: Messages, version: str | None, temperature: float = 0.0) -> AsyncGenerator[str, None]:
        """The answer of that version (None: the base model), as it is written; with a temperature above 0, another one each time.

        Raises EngineUnavailable (also in the middle, when the connection breaks), VersionUnknown, PromptTooLong, EngineRefused.
        """
        stream, whole = await self._asked(messages, version, temperature), False
        with _translating_errors(version):
            async with stream:
                async for chunk in stream:  # to its end, so that the connection can be used again
                    if chunk.choices and chunk.choices[0].delta.content:
                        yield chunk.choices[0].delta.content
                    whole = whole or bool(chunk.choices and chunk.choices[0].finish_reason)
        if not whole:
            raise EngineUnavailable(texts.ENGINE_AWAY, "the stream ended before the answer did")

    async def _asked(self, messages: Messages, version: str | None, temperature: float) -> openai.AsyncStream[ChatCompletionChunk]:
        while True:
            try:
                with _translating_errors(version):
                    stream = await self._connected().chat.completions.create(
                        model=version or self.base_model,
                        messages=cast(list[ChatCompletionMessageParam], messages),
                        max_tokens=self._max_tokens,
                        temperature=temperature,
                        stream=True,
                    )
                self._started_by = 0.0
                return stream
            except EngineUnavailable:
                if time.monotonic() >= self._started_by:
                    raise
                await asyncio.sleep(LOOK_SECONDS)

    async def is_ready(self) -> bool:
        """Whether it would answer now."""
        try:
            with _translating_errors(None):
                await self._connected().models.list(timeout=CONNECT_SECONDS)
        except EngineError:
            return False
        return True

    async def unload(self, version: str) -> None:
        """Have the engine let go of a version whose files will be deleted. Raises EngineUnavailable or EngineRefused."""
        with _translating_errors(version):
            await self._connected().post("/unload_lora_adapter", body={"lora_name": version}, cast_to=object, options={"max_retries": 0})

    async def close(self) -> None:
        """Close the connections; the next question opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _connected(self) -> openai.AsyncOpenAI:
        if self._client is None:
            timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
            # Retries are ours: a message that has to wait goes on the queue, where a restart does not lose it.
            self._client = openai.AsyncOpenAI(base_url=self._url, api_key=self._api_key or "none", timeout=timeout, max_retries=0)
        return self._client


@contextmanager
def _translating_errors(version: str | None) -> Iterator[None]:
    try:
        yield
    except openai.APIStatusError as error:
        detail = f"HTTP {error.status_code}, code {error.code}"
        if error.status_code in TRY_LATER:
            raise EngineUnavailable(texts.ENGINE_AWAY, detail) from error
        if error.status_code == 404:
            raise VersionUnknown(texts.version_unknown(version), detail) from error
        if error.code == "context_length_exceeded":
            raise PromptTooLong(texts.PROMPT_TOO_LONG, detail) from error
        raise EngineRefused(texts.ENGINE_REFUSED, detail) from error
    except (openai.APIError, httpx.HTTPError) as error:
        # Not reachable, too slow, broken off, or an error in the middle of the stream (the engine was stopped).
        raise EngineUnavailable(texts.ENGINE_AWAY, type(error).__name__) from error
