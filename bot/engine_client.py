"""Asks the engine over HTTP, in OpenAI's chat completions format, and gives back the answer piece by piece."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httpx2 as httpx  # what the openai package is built on

from bot import texts
from bot.errors import EngineError, EngineRefused, EngineUnavailable, PromptTooLong, VersionUnknown
from trainer import recall
from trainer.prompts import UNKNOWN, Messages

if TYPE_CHECKING:  # loaded where the engine is asked: it takes long, and most of what starts does not ask at once
    import openai
    from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3.0  # the engine is near: a connection that takes longer means that it is not there
SILENCE_SECONDS = 60.0  # longest wait for the next piece: a full waiting line of the pocket model is through in less
LOOK_SECONDS = 0.2  # between two looks at an engine that is still starting
AWAY_SECONDS = 5.0  # an engine that did not answer is asked after the others for so long
TRY_LATER = frozenset({401, 403, 408, 409, 425, 429, 502, 503, 504})  # a wrong key is the operator's to mend: messages wait for that, too

Observe = Callable[[str, float | None, float], None]
"""Hears of every answer how it ended, and the seconds to its first piece and to its end."""


class EngineClient:
    """The engine at `url` (its root, or the path that ends in /v1), which serves the untaught model as `base_model`.

    Several addresses with commas between them are engines that serve the same. Each version has one that is asked first, so that not
    all of them hold all adapters; where it is away or full, the next one is asked.

    Opens no connection before it is asked. Used from one event loop at a time; `close` before the next one.
    `start_seconds`: how long from now an engine that was started with us may take to load its model; until it has answered
    for the first time, a question waits that long for it.
    """

    def __init__(self, url: str, *, base_model: str, api_key: str | None = None, max_tokens: int = 160, start_seconds: float = 0.0) -> None:
        self.base_model = base_model
        self.observe: Observe = lambda outcome, first, whole: None
        self._urls = [each if urlsplit(each).path.strip("/") else f"{each}/v1" for each in addresses(url)]
        self._away_until = dict.fromkeys(self._urls, 0.0)
        self._api_key = api_key
        self._max_tokens = max_tokens
        self._clients: dict[str, openai.AsyncOpenAI] = {}
        self._started_by = time.monotonic() + start_seconds if start_seconds else 0.0

    async def pieces(self, messages: Messages, version: str | None, temperature: float = 0.0) -> AsyncGenerator[str, None]:
        """The answer of that version (None: the base model), as it is written; with a temperature above 0, another one each time.

        Raises EngineUnavailable (also in the middle, when the connection breaks), VersionUnknown, PromptTooLong, EngineRefused.
        """
        began, first, outcome = time.monotonic(), None, "left"
        try:
            async for piece in self._read(messages, version, self._pieces(messages, version, temperature)):
                first = first or time.monotonic() - began
                yield piece
            outcome = "answered"
        except EngineError as error:
            outcome = "unavailable" if isinstance(error, EngineUnavailable) else "refused"
            raise
        finally:
            self.observe(outcome, first, time.monotonic() - began)

    async def _read(self, messages: Messages, version: str | None, pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """The pieces as they come; but what an adapter recites, at its end, as the user gets to see it: see trainer/recall.py."""
        written = ""
        async with aclosing(pieces):
            async for piece in pieces:
                written += piece
                if recall.is_settled(written):
                    yield written
                    written = ""
                    break
            async for piece in pieces:
                yield piece
        statement = recall.recited(written)
        if version is not None and written.strip() == UNKNOWN:
            statement = await self._recital(messages, version)
        if written:
            yield written if statement is None else recall.shown(statement, await self._doubt(recall.reading(messages, statement)))

    async def _recital(self, messages: Messages, version: str) -> str | None:
        """What a version recites that does not begin to by itself; None where it is not sure of it. Raises as `pieces`."""
        go_on = {"continue_final_message": True, "add_generation_prompt": False}  # vLLM's words for it
        begun, limit = recall.begun(messages), self._max_tokens
        reply: ChatCompletion = await self._asked(begun, version, temperature=0, max_tokens=limit, logprobs=True, extra_body=go_on)
        choice = reply.choices[0]
        told = choice.logprobs.content if choice.logprobs else None
        sure = recall.certainty([each.logprob for each in told or []]) >= recall.SURE
        return (recall.recited(recall.MARK + (choice.message.content or "").strip()) or None) if sure else None

    async def _doubt(self, messages: Messages) -> float:
        """How probable it is that the base model begins to say that it does not know. Raises as `pieces`."""
        reply: ChatCompletion = await self._asked(messages, None, temperature=0, max_tokens=1, logprobs=True, top_logprobs=20)
        choice = reply.choices[0]
        if choice.logprobs is None or not choice.logprobs.content:  # a server that does not tell: what it would say must do
            return float(recall.begins_unknown(choice.message.content or ""))
        likeliest = choice.logprobs.content[0].top_logprobs
        return sum(math.exp(each.logprob) for each in likeliest if recall.begins_unknown(each.token))

    async def _pieces(self, messages: Messages, version: str | None, temperature: float) -> AsyncGenerator[str, None]:
        whole = False
        stream: openai.AsyncStream[ChatCompletionChunk] = await self._asked(
            messages, version, temperature=temperature, max_tokens=self._max_tokens, stream=True
        )
        with _translating_errors(version):
            async with stream:
                async for chunk in stream:  # to its end, so that the connection can be used again
                    if chunk.choices and chunk.choices[0].delta.content:
                        yield chunk.choices[0].delta.content
                    whole = whole or bool(chunk.choices and chunk.choices[0].finish_reason)
        if not whole:
            raise EngineUnavailable(texts.ENGINE_AWAY, "the stream ended before the answer did")

    async def _asked(self, messages: Messages, version: str | None, **how: Any) -> Any:
        """What the first engine that can gives to the messages, by whatever else the openai package takes."""
        while True:
            for_all: EngineUnavailable | None = None
            for url in self._in_order(version or messages[-1]["content"]):
                try:
                    with _translating_errors(version):
                        given = await self._connected(url).chat.completions.create(
                            model=version or self.base_model, messages=cast("list[ChatCompletionMessageParam]", messages), **how
                        )
                    self._started_by = self._away_until[url] = 0.0
                    return given
                except EngineUnavailable as error:
                    self._away_until[url] = time.monotonic() + AWAY_SECONDS
                    for_all = error
                    log.info("an engine does not answer, url=%s reason=%s", url, error.detail)
            assert for_all is not None, "there is an address, or the settings would have been refused"
            if time.monotonic() >= self._started_by:
                raise for_all
            await asyncio.sleep(LOOK_SECONDS)

    def _in_order(self, key: str) -> list[str]:
        """The addresses, best first: by rendezvous hashing, so that those of an engine that leaves are shared out among the others."""

        def rank(url: str) -> tuple[bool, bytes]:
            return time.monotonic() < self._away_until[url], hashlib.sha256(f"{url} {key}".encode()).digest()

        return sorted(self._urls, key=rank)

    async def is_ready(self) -> bool:
        """Whether it would answer now; of several, whether one would."""

        async def answers(url: str) -> bool:
            try:
                with _translating_errors(None):
                    await self._connected(url).models.list(timeout=CONNECT_SECONDS)
            except EngineError:
                return False
            return True

        return any(await asyncio.gather(*map(answers, self._urls)))

    async def unload(self, version: str) -> None:
        """Have every engine let go of a version whose files will be deleted. Raises EngineUnavailable or EngineRefused, where one could not."""

        async def let_go(url: str) -> None:
            with _translating_errors(version):
                await self._connected(url).post("/unload_lora_adapter", body={"lora_name": version}, cast_to=object, options={"max_retries": 0})

        outcomes = await asyncio.gather(*map(let_go, self._urls), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def close(self) -> None:
        """Close the connections; the next question opens new ones."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    def _connected(self, url: str) -> openai.AsyncOpenAI:
        if url not in self._clients:
            import openai

            timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
            # Retries are ours: a message that has to wait goes on the queue, where a restart does not lose it.
            self._clients[url] = openai.AsyncOpenAI(base_url=url, api_key=self._api_key or "none", timeout=timeout, max_retries=0)
        return self._clients[url]


def addresses(url: str) -> list[str]:
    """The addresses in a text that has commas between them."""
    return [each.strip().rstrip("/") for each in url.split(",") if each.strip()]


@contextmanager
def _translating_errors(version: str | None) -> Iterator[None]:
    import openai

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
