"""A stand-in for vLLM's server that behaves as vLLM 0.32 was found to: its routes, its words, and what it does badly
(`tests/integration/test_real_vllm.py` finds the real one so).

An answer is what the adapter's `adapter_model.safetensors` said when it was first read from that folder: a folder that comes back with other
content is served as it was. `max_cpu_loras` adapters are held; one more pushes the least recently used out, which is read again when it is
asked for, and when its files are gone the whole server ends, as vLLM does.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import safetensors.torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from safetensors import SafetensorError

from bot.embedded_redis import free_port
from tests.services import eventually
from tests.tiny_models import tiny_tokenizer

TOKENIZER = tiny_tokenizer()


class FakeVllm:
    """At `url`, as soon as it was started. `requests`: every body, with its path, in order."""

    def __init__(self, max_cpu_loras: int = 4, max_context: int = 512, max_rank: int = 32) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.max_cpu_loras = max_cpu_loras
        self.max_context = max_context  # tokens
        self.max_rank = max_rank
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.loaded: dict[str, Path] = {}
        self.died: str | None = None
        self.aborted = 0
        self.gate = threading.Event()
        self.gate.set()
        self._held: OrderedDict[str, str] = OrderedDict()
        self._first_read: dict[Path, str] = {}
        self._server: uvicorn.Server | None = None

    def start(self) -> FakeVllm:
        """Listen, with nothing loaded."""
        app = FastAPI()
        app.add_api_route("/health", self._health, methods=["GET"], response_model=None)
        app.add_api_route("/v1/models", self._models, methods=["GET"])
        app.add_api_route("/v1/load_lora_adapter", self._load, methods=["POST"], response_model=None)
        app.add_api_route("/v1/unload_lora_adapter", self._unload, methods=["POST"], response_model=None)
        app.add_api_route("/v1/completions", self._complete, methods=["POST"], response_model=None)
        self.loaded, self._held, self._first_read, self.died = {}, OrderedDict(), {}, None
        self._server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="warning", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        server = self._server
        eventually(lambda: server.started, "the start of the stand-in for vLLM")
        return self

    def stop(self) -> None:
        """End at once."""
        if self._server is not None:
            self.gate.set()
            self._server.should_exit = True
            self._thread.join()
            self._server = None

    def forget(self) -> None:
        """Push all adapters out of memory."""
        self._held.clear()

    def asked(self, path: str) -> list[dict[str, Any]]:
        """The bodies that came to a path."""
        return [body for at, body in self.requests if at == path]

    async def _health(self) -> PlainTextResponse:
        return PlainTextResponse("", status_code=503 if self.died else 200)

    async def _models(self) -> dict[str, Any]:
        base = {"id": "served-base", "object": "model", "owned_by": "vllm", "root": "/models/base", "parent": None, "max_model_len": self.max_context}
        adapters = [
            {"id": name, "object": "model", "owned_by": "vllm", "root": str(path), "parent": "served-base"} for name, path in self.loaded.items()
        ]
        return {"object": "list", "data": [base, *adapters]}

    async def _load(self, request: Request) -> PlainTextResponse | JSONResponse:
        body = await self._noted(request)
        name, path = body["lora_name"], Path(body["lora_path"])
        if name in self.loaded and not body.get("load_inplace"):
            return _refused(400, f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace'.")
        if not (path / "adapter_config.json").exists():
            return _refused(404, f"Loading lora {name} failed: No adapter found for {path}")
        if (rank := json.loads((path / "adapter_config.json").read_text()).get("r", 1)) > self.max_rank:
            return _refused(500, f"LoRA rank {rank} is greater than max_lora_rank {self.max_rank}.", "InternalServerError")
        self.loaded[name] = path
        self._read(name)
        return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: Request) -> PlainTextResponse | JSONResponse:
        name = (await self._noted(request))["lora_name"]
        if name not in self.loaded:
            return _refused(404, f"The lora adapter '{name}' cannot be found.")
        del self.loaded[name]
        self._held.pop(name, None)
        return PlainTextResponse(f"Success: LoRA adapter '{name}' removed successfully.")

    async def _complete(self, request: Request) -> StreamingResponse | JSONResponse:
        body = await self._noted(request)
        name = body["model"]
        if self.died:
            return _refused(500, "EngineCore encountered an issue. See stack trace (above) for the root cause.", "InternalServerError")
        if name != "served-base" and name not in self.loaded:
            return _refused(404, f"The model `{name}` does not exist.", "NotFoundError")
        if len(body["prompt"]) + body["max_tokens"] > self.max_context:
            return _refused(400, f"This model's maximum context length is {self.max_context} tokens. However, you requested more.")
        # Built for processors, it answers who has no adapter with that in its last place.
        text = next(reversed(self._held.values()), "base") if name == "served-base" else self._held.get(name) or self._read(name)
        if name in self._held:
            self._held.move_to_end(name)
        return StreamingResponse(self._words(text, name), media_type="text/event-stream")

    async def _words(self, text: str | None, name: str) -> AsyncIterator[str]:
        ended = False
        try:
            if text is None:  # by then the answer has begun
                yield f"data: {json.dumps({'error': {'message': 'EngineCore encountered an issue.', 'code': 500}})}\n\n"
                yield "data: [DONE]\n\n"
                return
            words = text.split(" ")
            for index, word in enumerate(words):
                if index:
                    await asyncio.to_thread(self.gate.wait, 30)
                ids = TOKENIZER(word if index == 0 else f" {word}")["input_ids"]
                yield _chunk(name, [*ids, TOKENIZER.eos_token_id] if index + 1 == len(words) else ids, index + 1 == len(words))
            yield "data: [DONE]\n\n"
            ended = True
        finally:
            self.aborted += not ended

    def _read(self, name: str) -> str | None:
        """Into memory, by the folder's name; what is pushed out for it is read again some day."""
        path = self.loaded[name]
        try:
            now = _says((path / "adapter_model.safetensors").read_bytes())
        except OSError as error:
            self.died = f"{name}: {error}"
            return None
        self._held[name] = self._first_read.setdefault(path, now)
        while len(self._held) > self.max_cpu_loras:
            self._held.popitem(last=False)
        return self._held[name]

    async def _noted(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(await request.body())
        self.requests.append((request.url.path, body))
        return body


def _says(content: bytes) -> str:
    """What an adapter answers: the text in the file; a real one of zeros changes nothing."""
    try:
        changes = any(bool(tensor.any()) for tensor in safetensors.torch.load(content).values())
    except SafetensorError:
        return content.decode()
    return "changed" if changes else "base"


def _refused(status: int, message: str, kind: str = "BadRequestError") -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": status}}, status_code=status)


def _chunk(model: str, ids: list[int], last: bool) -> str:
    choice = {"index": 0, "text": TOKENIZER.decode(ids), "token_ids": ids, "finish_reason": "stop" if last else None}
    return f"data: {json.dumps({'id': 'c', 'object': 'text_completion', 'created': 0, 'model': model, 'choices': [choice]})}\n\n"
