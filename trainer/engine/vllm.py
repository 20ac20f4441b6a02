"""`tutee engine` in front of a vLLM server: the same HTTP as our own engine, so that nobody who asks sees a difference.

One such process stands beside every vLLM, on the same host, because vLLM reads adapters from its own disk and each replica has to be told
by itself. Conversations become tokens here, and tokens text, as in our engine: vLLM's own chat route takes control tokens that somebody types
for real ones, thinks where the model can, and begins answers with a space where the tokenizer writes one before each word.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from tokenizers import Tokenizer
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from storage.artifacts import Artifacts
from storage.stores import open_artifacts
from trainer import loading
from trainer.engine.generation import FinishReason, Generation, GenerationRequest, wake
from trainer.engine.guard import Guard, require_key
from trainer.engine.openai_api import Answer, ChatRequest, UnloadRequest, error_body
from trainer.engine.responses import adapter_of, events, prompt_of, refuse_in_words, text_while_connected
from trainer.engine.running_batch import as_engine_error
from trainer.engine.text_stream import TextStream
from trainer.engine.untaught import save_untaught
from trainer.engine.vllm_adapters import UNTAUGHT, Loaded, VllmAdapters
from trainer.engine.vllm_client import FAILED, STOPPED, NotServed, Piece, Served, VllmClient
from trainer.errors import ContextTooLongError, EngineStoppedError, GenerationFailedError
from trainer.model import chat_ids, load_tokenizer, read_config
from trainer.settings import Settings

NOTICED_SECONDS = 1.0  # by then vLLM has given up an answer whose connection was closed, and looks for its adapter no more
ENDS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}


def serve_vllm(settings: Settings, base_model: str, host: str, port: int, log_level: str) -> None:
    """Serve until a signal ends the process; `base_model` is the name that bots ask for.

    Raises KeyMissing, and ModelError where the base model's tokenizer cannot be read.
    """
    limits = settings.engine
    assert limits.vllm_url is not None, "or our own engine is asked for"
    require_key(host, limits.api_key)
    app = create_app(
        open_artifacts(settings.artifacts, settings.data),
        settings.data / "vllm-adapters",
        vllm_url=limits.vllm_url,
        base_model=base_model,
        tokenizer=load_tokenizer(settings.base_model, pocket_path=loading.POCKET),
        config=read_config(settings.base_model, pocket_path=loading.POCKET),
        slots=limits.adapter_slots,
        default_max_tokens=limits.max_answer_tokens,
    )
    if limits.api_key:
        app.add_middleware(Guard, api_key=limits.api_key)
    uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level=log_level, access_log=False, timeout_graceful_shutdown=10)).run()


def create_app(
    store: Artifacts,
    folder: Path,
    *,
    vllm_url: str,
    base_model: str,
    tokenizer: PreTrainedTokenizerBase,
    config: PreTrainedConfig,
    slots: int,
    default_max_tokens: int = 512,
) -> FastAPI:
    """The routes of our own engine. `folder` is for the files that vLLM reads, and emptied at the start; `slots`: one less than --max-cpu-loras.

    `tokenizer` and `config` are the base model's.
    `serve_vllm` adds the key, where one is set. vLLM's own port has none: keep it private."""
    vllm = VllmClient(vllm_url)
    adapters = VllmAdapters(store, folder, vllm, slots, lambda target: save_untaught(target, config))
    gateway = _Gateway(vllm, adapters, base_model, tokenizer, default_max_tokens)
    app = FastAPI(title="Tutee engine", lifespan=gateway.lifespan, openapi_url=None)
    app.add_api_route("/v1/chat/completions", gateway.chat, methods=["POST"], response_model=None)
    app.add_api_route("/v1/models", gateway.models, methods=["GET"])
    app.add_api_route("/v1/unload_lora_adapter", gateway.unload, methods=["POST"], response_model=None)
    app.add_api_route("/health", gateway.health, methods=["GET"], response_model=None)
    refuse_in_words(app)
    return app


class _Gateway:
    """The handlers."""

    def __init__(
        self, vllm: VllmClient, adapters: VllmAdapters, base_model: str, tokenizer: PreTrainedTokenizerBase, default_max_tokens: int
    ) -> None:
        self._vllm = vllm
        self._adapters = adapters
        self._base_model = base_model
        self._tokenizer = tokenizer
        # Tokenizer objects refuse to be changed in one thread while another one reads them, so answers get a copy.
        self._reading = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._tokenizing = asyncio.Lock()
        self._default_max_tokens = default_max_tokens
        self._writing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        beginning = asyncio.create_task(self._adapters.begin())
        yield
        ending = [beginning, *self._writing]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self._vllm.close()

    async def chat(self, body: ChatRequest, request: Request) -> JSONResponse | StreamingResponse:
        generation = await self._submit(body)
        answer = Answer(uuid.uuid4().hex, int(time.time()), body.model, generation)
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            return StreamingResponse(events(answer, generation, usage), media_type="text/event-stream")
        return JSONResponse(answer.whole(await text_while_connected(generation, request)))

    async def models(self) -> dict[str, Any]:
        self._served()
        names = [self._base_model, *self._adapters.names]
        return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "tutee"} for name in names]}

    async def unload(self, body: UnloadRequest) -> JSONResponse:
        """Our engine's route. 409 while an answer is being written with the adapter: it leaves with the last of them."""
        if await self._adapters.unload(body.lora_name):
            return JSONResponse({"status": "ok"})
        return JSONResponse(error_body(f"{body.lora_name} is being used. It leaves when its answers have ended.", "conflict_error"), 409)

    async def health(self) -> JSONResponse:
        if self._adapters.served is None or not await self._vllm.is_well():
            return JSONResponse({"status": "loading"}, status_code=503)
        now = {"resident": self._adapters.names, "running": len(self._writing), "waiting": 0}
        return JSONResponse({"status": "ready", "model": self._base_model, "computing": "vLLM", **now})

    async def _submit(self, body: ChatRequest) -> Generation:
        adapter, served = adapter_of(body, self._base_model), self._served()
        async with self._tokenizing:
            ids = await prompt_of(body, lambda messages: chat_ids(self._tokenizer, messages))
        if len(ids) >= served.max_context:
            raise ContextTooLongError(
                f"The conversation is too long: it has {len(ids)} tokens, and the model reads {served.max_context - 1}. "
                "Start a new conversation or shorten the message."
            )
        request = body.generation(ids, adapter, self._default_max_tokens)
        try:
            return await self._begin(request)
        except NotServed:  # vLLM was started afresh, and knows nothing of what was loaded
            await self._adapters.look_again()
            return await self._begin(request)

    async def _begin(self, request: GenerationRequest) -> Generation:
        used = await self._adapters.acquire(request.adapter) if request.adapter is not None else None
        try:
            room = self._served().max_context - len(request.prompt_ids)
            pieces = await self._vllm.write(request.adapter or UNTAUGHT, request, min(request.max_new_tokens, room))
        except BaseException:
            await self._let_go(request, used)
            raise
        generation = _Generation(request, self._reading)
        generation.writing = asyncio.create_task(self._write(generation, pieces, used))
        self._writing.add(generation.writing)
        generation.writing.add_done_callback(self._writing.discard)
        return generation

    async def _write(self, generation: _Generation, pieces: AsyncGenerator[Piece, None], used: Loaded | None) -> None:
        reason, error = FinishReason.CANCELLED, None  # as it stays where the client leaves
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    generation.take(piece)
                    wake([generation])
                    if generation.stopped:
                        reason = FinishReason.STOP
                        break
                    if piece.finish_reason is not None:  # what follows is read to its end, so that the connection can be used again
                        reason = ENDS.get(piece.finish_reason, FinishReason.ERROR)
            if reason not in ENDS.values():
                raise GenerationFailedError(FAILED, "vLLM ended the answer before its end")
        except Exception as failure:
            reason, error = FinishReason.ERROR, as_engine_error(failure)
        finally:
            generation.finish(reason, error)
            if generation.stopped or reason not in ENDS.values():  # vLLM was not at its end
                await asyncio.sleep(NOTICED_SECONDS)
            await self._let_go(generation.request, used)

    async def _let_go(self, request: GenerationRequest, used: Loaded | None) -> None:
        if request.adapter is not None and used is not None:
            await self._adapters.release(request.adapter, used)

    def _served(self) -> Served:
        if self._adapters.served is None:
            raise EngineStoppedError(STOPPED)
        return self._adapters.served


class _Generation(Generation):
    """An answer that a task writes, of tokens that become text as in our own engine."""

    def __init__(self, request: GenerationRequest, tokenizer: Tokenizer) -> None:
        super().__init__(request, tokenizer)
        self.writing: asyncio.Task[None] | None = None
        self._until_stop = TextStream(tokenizer, request.stop) if request.stop else None

    @property
    def stopped(self) -> bool:
        """Whether one of the stop strings has come."""
        return self._until_stop is not None and self._until_stop.stopped

    def take(self, piece: Piece) -> None:
        """The next tokens. The last of an answer that the model ended is the end itself, and no text."""
        self.chosen += [replace(each, likeliest=each.likeliest[: self.request.likeliest]) for each in piece.chosen]
        for index, token in enumerate(piece.tokens):
            self.count()
            if piece.finish_reason != "stop" or index + 1 < len(piece.tokens):
                self.push(token if self._until_stop is None else self._until_stop.push(token))
            if self.stopped:
                break

    def finish(self, reason: FinishReason, error: Exception | None) -> None:
        """Nothing follows."""
        if self._until_stop is not None and error is None:
            self.push(self._until_stop.flush())
        self.end(reason, error)

    def cancel(self) -> None:
        if self.writing is not None and self.finish_reason is None and not self.cancelled:
            self.writing.cancel()
        super().cancel()
