"""Asks any server that speaks OpenAI's chat completions, many users at once, streamed: ours, vLLM's and llama.cpp's in the same way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from statistics import median

import aiohttp

from trainer.bench.report import Figures

START_SECONDS = 300.0
LOOK_SECONDS = 0.1


class Client:
    """`url` is the server's root."""

    def __init__(self, url: str) -> None:
        self._url = url

    def wait(self, alive: Callable[[], bool]) -> bool:
        """Until the server is ready; False where it ended, or was not ready in time."""
        return asyncio.run(self._wait(alive))

    def ask(self, models: Sequence[str], messages: Sequence[list[dict[str, str]]], new_tokens: int) -> Figures:
        """Ask each model its question, all at once, and read every answer to its end, which comes after `new_tokens` tokens."""
        return asyncio.run(self._ask(models, messages, new_tokens))

    async def _wait(self, alive: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + START_SECONDS
        async with aiohttp.ClientSession() as session:
            while alive() and time.monotonic() < deadline:
                try:
                    async with session.get(f"{self._url}/health") as response:
                        if response.status == 200:
                            return True
                except aiohttp.ClientError:
                    pass  # the port is not open yet
                await asyncio.sleep(LOOK_SECONDS)
        return False

    async def _ask(self, models: Sequence[str], messages: Sequence[list[dict[str, str]]], new_tokens: int) -> Figures:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
            started = time.perf_counter()
            firsts = await asyncio.gather(
                *(self._read(session, model, one, new_tokens, started) for model, one in zip(models, messages, strict=True))
            )
            seconds = time.perf_counter() - started
        return {"tokens_per_second": new_tokens * len(models) / seconds, "burst_first_token_ms": 1000 * median(firsts)}

    async def _read(self, session: aiohttp.ClientSession, model: str, messages: list[dict[str, str]], new_tokens: int, started: float) -> float:
        """Seconds from `started` to the first piece of text."""
        body = {"model": model, "messages": messages, "max_tokens": new_tokens, "temperature": 0, "stream": True, "ignore_eos": True}
        first = 0.0
        async with session.post(f"{self._url}/v1/chat/completions", json=body) as response:
            response.raise_for_status()
            async for line in response.content:
                if not first and b'"content":"' in line and b'"content":""' not in line:
                    first = time.perf_counter() - started
        return first
