"""vLLM's own HTTP, as its gateway speaks it: what it serves, loading and unloading adapters, one answer from token ids."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from trainer.engine.generation import Chosen, GenerationRequest
from trainer.errors import EngineStoppedError, GenerationFailedError

CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 120.0  # longest wait for the next piece of an answer
LOAD_SECONDS = 60.0
STOPPED = "The model is being loaded. Please ask again in a moment."
FAILED = "The answer could not be finished. Please ask again."
# Said each time, because what is not said comes from the model's generation_config.json, which our own engine does not follow either.
PLAIN_SAMPLING = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}


class NotServed(EngineStoppedError):
    """vLLM does not know a model that it should have: it was started afresh."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a vLLM serves now: tokens of prompt and answer together, the names of adapters."""

    max_context: int
    adapters: frozenset[str]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some tokens of an answer, with their probabilities where they are asked for, and in the last one its `finish_reason`."""

    tokens: tuple[int, ...]
    chosen: tuple[Chosen, ...]
    finish_reason: str | None


class VllmClient:
    """The vLLM at `url`. Every method raises EngineStoppedError where it does not answer. `close` at the end."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        # As many connections as there are answers: who decides how many that are is vLLM.
        self._http = httpx.AsyncClient(base_url=self.url, timeout=timeout, limits=httpx.Limits(max_connections=None))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def is_well(self) -> bool:
        """Whether it answers, and its engine lives."""
        with suppress(httpx.HTTPError):
            return (await self._http.get("/health", timeout=CONNECT_SECONDS)).is_success
        return False

    async def served(self) -> Served:
        """What it serves now."""
        try:
            answer = await self._http.get("/v1/models", timeout=CONNECT_SECONDS)
            answer.raise_for_status()
            cards = list(answer.json()["data"])
            base = next(each for each in cards if not each.get("parent"))
            return Served(int(base["max_model_len"]), frozenset(str(each["id"]) for each in cards if each.get("parent")))
        except (httpx.HTTPError, KeyError, TypeError, ValueError, StopIteration) as error:
            raise EngineStoppedError(STOPPED, f"{type(error).__name__}: {error}") from error

    async def load(self, name: str, folder: Path) -> httpx.Response:
        """Have it read an adapter. It refuses a name that it has (400), and what does not fit it (400, 404 or 500)."""
        return await self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})

    async def unload(self, name: str) -> bool:
        """Have it forget a name. False where it could not; a name that it does not know is forgotten."""
        answer = await self._post("/v1/unload_lora_adapter", {"lora_name": name})
        return answer.is_success or answer.status_code == 404

    async def write(self, model: str, request: GenerationRequest, max_tokens: int) -> AsyncGenerator[Piece, None]:
        """An answer, piece by piece, once vLLM has taken the request. Nothing is stopped at `request.stop`.

        Raises NotServed where it does not know `model`, and GenerationFailedError, also while iterating.
        """
        body = {
            **PLAIN_SAMPLING, "model": model, "prompt": list(request.prompt_ids), "max_tokens": max_tokens, "temperature": request.temperature,
            "top_p": request.top_p, "seed": request.seed, "ignore_eos": request.ignore_eos, "logprobs": request.likeliest or None,
            "return_token_ids": True, "return_tokens_as_token_ids": True, "stream": True,
        }  # fmt: skip
        try:
            answer = await self._http.send(self._http.build_request("POST", "/v1/completions", json=body), stream=True)
        except httpx.HTTPError as error:
            raise EngineStoppedError(STOPPED, type(error).__name__) from error
        if answer.is_success:
            return _pieces(answer)
        message = message_of(await answer.aread())
        await answer.aclose()
        if answer.status_code == 404:
            raise NotServed(STOPPED, message)
        if answer.status_code >= 500 and not await self.is_well():
            raise EngineStoppedError(STOPPED, f"HTTP {answer.status_code}, {message}")
        raise GenerationFailedError(FAILED, f"vLLM: HTTP {answer.status_code}, {message}")

    async def _post(self, path: str, body: dict[str, str]) -> httpx.Response:
        try:
            return await self._http.post(path, json=body, timeout=LOAD_SECONDS)
        except httpx.HTTPError as error:
            raise EngineStoppedError(STOPPED, type(error).__name__) from error


async def _pieces(answer: httpx.Response) -> AsyncGenerator[Piece, None]:
    try:
        async for line in answer.aiter_lines():
            data = line.removeprefix("data:").strip()
            if line.startswith("data:") and data != "[DONE]":  # else an empty line, or a comment that keeps the connection
                yield _piece(json.loads(data))
    except (httpx.HTTPError, ValueError) as error:
        raise EngineStoppedError(FAILED, f"{type(error).__name__}: {error}") from error
    finally:
        await answer.aclose()


def _piece(body: dict[str, Any]) -> Piece:
    if "error" in body:
        raise GenerationFailedError(FAILED, f"vLLM: {message_of(json.dumps(body).encode())}")
    choice: dict[str, Any] = next(iter(body.get("choices", [])), {})
    return Piece(tuple(choice.get("token_ids") or ()), _chosen(choice.get("logprobs") or {}), choice.get("finish_reason"))


def _chosen(logprobs: dict[str, Any]) -> tuple[Chosen, ...]:
    """vLLM names tokens `token_id:17` here, and lists the chosen one beside the likeliest."""

    def number(name: str) -> int:
        return int(name.removeprefix("token_id:"))

    found = []
    for token, logprob, others in zip(
        logprobs.get("tokens") or [], logprobs.get("token_logprobs") or [], logprobs.get("top_logprobs") or [], strict=False
    ):
        best = sorted(((number(name), value) for name, value in others.items()), key=lambda each: -each[1])
        found.append(Chosen((number(token), logprob), tuple(best)))
    return tuple(found)


def message_of(content: bytes) -> str:
    """What vLLM says went wrong: {"error": {"message": …}}, {"message": …} in older versions, or plain text."""
    try:
        said = json.loads(content)
        return str(said.get("error", said).get("message", said))[:500]
    except (ValueError, AttributeError):
        return content.decode(errors="replace")[:500]
