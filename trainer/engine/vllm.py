"""`tutee engine` in front of a vLLM server: the same HTTP as our own engine, adapters loaded into vLLM at run time and unloaded politely.

One such process stands beside every vLLM, on the same host, because vLLM reads adapters from its own disk and each replica has to be told
by itself. What vLLM 0.32 does badly is kept from it here:

- An adapter that comes back under a name and a folder that it has had is served wrongly: every load is from a folder of its own.
- An adapter that it has pushed out of memory, whose files are gone by then, ends the server for everyone: what is loaded lies in folders
  of ours until it is unloaded, whatever is deleted elsewhere, and no more of them are loaded than it has room for (--max-cpu-loras).
- Its resolver follows `../` in names: it is not used, and only names that we give out are passed on.
- Loading in place reads the disk at every step: it is not used; versions never change.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from storage.artifacts import NAME, Artifacts
from storage.errors import ArtifactError, ArtifactUnavailableError
from storage.stores import open_artifacts
from trainer.engine.guard import Guard, require_key
from trainer.errors import AdapterError, AdapterNotFoundError, EngineBusyError, EngineError, EngineStoppedError, TrainerError
from trainer.settings import Settings

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 120.0  # longest wait for the next piece of an answer
LOAD_SECONDS = 60.0
LOOK_SECONDS = 2.0  # between two looks at a vLLM that does not answer
RETRY_AFTER_SECONDS = "2"
STOPPED = "The model is being loaded. Please ask again in a moment."


def serve_vllm(settings: Settings, base_model: str, host: str, port: int, log_level: str) -> None:
    """Serve until a signal ends the process; `base_model` is the name that bots ask for."""
    assert settings.engine.vllm_url is not None, "or our own engine is asked for"
    require_key(host, settings.engine.api_key)
    store = open_artifacts(settings.artifacts, settings.data)
    folder = settings.data / "vllm-adapters"
    app = create_app(store, folder, vllm_url=settings.engine.vllm_url, base_model=base_model, slots=settings.engine.adapter_slots)
    if settings.engine.api_key:
        app.add_middleware(Guard, api_key=settings.engine.api_key)
    uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level=log_level, access_log=False, timeout_graceful_shutdown=10)).run()


def create_app(store: Artifacts, folder: Path, *, vllm_url: str, base_model: str, slots: int) -> FastAPI:
    """The routes of our own engine. `folder` is for the files that vLLM reads, and emptied at the start; `slots` as --max-cpu-loras.

    `serve_vllm` adds the key, where one is set. vLLM's own port has none: keep it private."""
    gateway = Gateway(store, folder, vllm_url, base_model, slots)
    app = FastAPI(title="Tutee engine", lifespan=gateway.lifespan, openapi_url=None)
    app.add_api_route("/v1/chat/completions", gateway.chat, methods=["POST"], response_model=None)
    app.add_api_route("/v1/models", gateway.models, methods=["GET"])
    app.add_api_route("/v1/unload_lora_adapter", gateway.unload, methods=["POST"], response_model=None)
    app.add_api_route("/health", gateway.health, methods=["GET"], response_model=None)
    app.exception_handler(TrainerError)(_refused)
    return app


@dataclass(slots=True)
class _Loaded:
    """An adapter that vLLM has, and the folder that it read."""

    folder: Path
    in_use: int = 0
    leaving: bool = False


class Gateway:
    """Which adapters one vLLM has: loaded at first use, the least recently used one leaves when there are `slots` of them."""

    def __init__(self, store: Artifacts, folder: Path, vllm_url: str, base_model: str, slots: int) -> None:
        self._store = store
        self._folder = folder
        self._url = vllm_url.rstrip("/").removesuffix("/v1")
        self._base_model = base_model
        self._slots = slots
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()  # least recently used first
        self._changing = asyncio.Lock()  # one load or unload at a time
        self._ending: set[asyncio.Task[None]] = set()
        self._upstream_base: str | None = None  # vLLM's own name for the base model; None until it has answered
        self._client = httpx.AsyncClient(base_url=self._url, timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS))

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(shutil.rmtree, self._folder, True)
        await asyncio.to_thread(self._folder.mkdir, parents=True)
        await asyncio.to_thread(self._folder.chmod, 0o755)  # vLLM may run as another user
        watching = asyncio.create_task(self._begin_when_it_answers())
        yield
        watching.cancel()
        await self._client.aclose()

    async def chat(self, request: Request) -> JSONResponse | StreamingResponse:
        try:
            body = json.loads(await request.body())
            model = body["model"]
        except (ValueError, KeyError, TypeError):
            return _error(400, "The request is not JSON with a model.", "invalid_request_error")
        if model == self._base_model:
            return await self._forward(body, None)
        if not isinstance(model, str) or not NAME.fullmatch(model):
            raise AdapterNotFoundError(f"The model {str(model)[:80]!r} does not exist.")
        return await self._forward(body, model)

    async def models(self) -> dict[str, Any]:
        names = [self._base_model, *self._loaded]
        return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "tutee"} for name in names]}

    async def unload(self, request: Request) -> JSONResponse:
        """Our engine's route. 409 while an answer is being written with the adapter: from then on no new one begins, and it leaves with the last."""
        name = json.loads(await request.body()).get("lora_name", "")
        async with self._changing:
            found = self._loaded.get(name)
            if found is not None and found.in_use:
                found.leaving = True
                return _error(409, f"{name} is being used. It leaves when its answers have ended.", "conflict_error")
            if found is not None:
                await self._let_go(name)
        return JSONResponse({"status": "ok"})

    async def health(self) -> JSONResponse:
        try:
            answers = (await self._client.get("/health", timeout=CONNECT_SECONDS)).is_success
        except httpx.HTTPError:
            answers = False
        if not answers or self._upstream_base is None:
            return JSONResponse({"status": "loading"}, status_code=503)
        running = sum(each.in_use for each in self._loaded.values())
        return JSONResponse({"status": "ready", "model": self._base_model, "resident": list(self._loaded), "running": running, "waiting": 0})

    async def _forward(self, body: dict[str, Any], name: str | None) -> JSONResponse | StreamingResponse:
        for again in (False, True):
            used = await self._acquire(name) if name is not None else None
            try:
                answer = await self._asked({**body, "model": name or self._upstream_base})
            except BaseException:
                await self._release(name, used)
                raise
            if answer.is_success:
                return StreamingResponse(self._passed_on(answer, name, used), media_type=answer.headers.get("content-type"))
            content = await answer.aread()
            await answer.aclose()
            await self._release(name, used)
            if answer.status_code == 404 and name is not None and not again:
                await self._look_again()  # vLLM was started afresh and knows nothing of what was loaded
                continue
            return await self._refusal(answer.status_code, content)
        raise AssertionError("the second try returns")

    async def _asked(self, body: dict[str, Any]) -> httpx.Response:
        if body["model"] is None:
            raise EngineStoppedError(STOPPED)
        try:
            return await self._client.send(self._client.build_request("POST", "/v1/chat/completions", json=body), stream=True)
        except httpx.HTTPError as error:
            raise EngineStoppedError(STOPPED, type(error).__name__) from error

    async def _passed_on(self, answer: httpx.Response, name: str | None, used: _Loaded | None) -> AsyncIterator[bytes]:
        try:
            async for piece in answer.aiter_bytes():
                yield piece
        except httpx.HTTPError as error:  # it broke off: the client sees an answer without its end
            log.warning("an answer broke off, model=%s error=%s", name, type(error).__name__)
        finally:
            # In a task of its own: where the client has left, nothing can be awaited here any more.
            ending = asyncio.create_task(self._end(answer, name, used))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _end(self, answer: httpx.Response, name: str | None, used: _Loaded | None) -> None:
        try:
            await answer.aclose()
        finally:
            await self._release(name, used)

    async def _refusal(self, status: int, content: bytes) -> JSONResponse:
        message = _message(content)
        if status == 400 and "maximum context length" in message:
            return _error(400, message, "invalid_request_error", "context_length_exceeded", "messages")
        if status >= 500 and not await self._is_well():
            raise EngineStoppedError(STOPPED, f"HTTP {status}")
        return _error(status, message, "invalid_request_error" if status < 500 else "server_error")

    async def _is_well(self) -> bool:
        with suppress(httpx.HTTPError):
            return (await self._client.get("/health", timeout=CONNECT_SECONDS)).is_success
        return False

    async def _acquire(self, name: str) -> _Loaded:
        """Have vLLM load the adapter, where it has not, and keep it until `_release`."""
        # Fetching takes long the first time: others go on meanwhile.
        source = await asyncio.to_thread(self._path_of, name) if name not in self._loaded else None
        async with self._changing:
            found = self._loaded.get(name)
            if found is None:
                if self._upstream_base is None:
                    raise EngineStoppedError(STOPPED)
                await self._make_room()
                if source is None:  # it was there a moment ago
                    source = await asyncio.to_thread(self._path_of, name)
                found = await self._load(name, source)
            elif found.leaving:
                raise AdapterNotFoundError(f"The model {name} is being removed.")
            self._loaded.move_to_end(name)
            found.in_use += 1
            return found

    async def _release(self, name: str | None, used: _Loaded | None) -> None:
        if name is None or used is None:
            return
        used.in_use -= 1
        if used.leaving and not used.in_use:
            async with self._changing:
                if self._loaded.get(name) is used:
                    await self._let_go(name)

    def _path_of(self, name: str) -> Path:
        try:
            return self._store.path(name)
        except ArtifactUnavailableError as error:
            raise EngineBusyError(error.user_message, str(error)) from error
        except ArtifactError as error:
            raise AdapterNotFoundError(f"The model {name} does not exist.", str(error)) from error

    async def _make_room(self) -> None:
        while len(self._loaded) >= self._slots:
            idle = next((name for name, each in self._loaded.items() if not each.in_use), None)
            if idle is None:
                raise EngineBusyError("All places for models are in use. Please ask again in a moment.")
            await self._let_go(idle)

    async def _load(self, name: str, source: Path) -> _Loaded:
        folder = self._folder / f"{name}-{uuid.uuid4().hex[:12]}"
        try:
            await asyncio.to_thread(shutil.copytree, source, folder)
            answer = await self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
            if answer.status_code == 400 and "already been loaded" in answer.text:  # by one before us; from where, nobody knows
                await self._post("/v1/unload_lora_adapter", {"lora_name": name})
                answer = await self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
            if not answer.is_success:
                raise AdapterError(f"The model {name} cannot be used.", f"vLLM: HTTP {answer.status_code}, {_message(answer.content)}")
        except FileNotFoundError as error:  # deleted since it was found
            raise AdapterNotFoundError(f"The model {name} does not exist.", str(error)) from error
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, True)
            raise
        self._loaded[name] = _Loaded(folder)
        return self._loaded[name]

    async def _let_go(self, name: str) -> None:
        """Unload, and only then delete the files: in the other order vLLM may look for them once more, and end."""
        answer = await self._post("/v1/unload_lora_adapter", {"lora_name": name})
        if answer.is_success or answer.status_code == 404:  # else it still has it: the files stay, and it is tried again
            found = self._loaded.pop(name)
            await asyncio.to_thread(shutil.rmtree, found.folder, True)
        else:
            raise EngineBusyError("A model could not be unloaded. Please ask again in a moment.", f"vLLM: HTTP {answer.status_code}")

    async def _post(self, path: str, body: dict[str, str]) -> httpx.Response:
        try:
            return await self._client.post(path, json=body, timeout=LOAD_SECONDS)
        except httpx.HTTPError as error:
            raise EngineStoppedError(STOPPED, type(error).__name__) from error

    async def _look_again(self) -> None:
        """Forget what vLLM no longer has."""
        async with self._changing:
            known = await self._known()
            for name, each in list(self._loaded.items()):
                if name not in known:
                    del self._loaded[name]
                    await asyncio.to_thread(shutil.rmtree, each.folder, True)

    async def _begin_when_it_answers(self) -> None:
        """What it has of one before us goes: nobody knows which files those were."""
        while self._upstream_base is None:
            try:
                async with self._changing:
                    for name in await self._known():
                        await self._post("/v1/unload_lora_adapter", {"lora_name": name})
                    self._upstream_base = await self._base_of_vllm()
            except (EngineError, KeyError, TypeError, ValueError, StopIteration) as error:
                log.info("vLLM does not answer yet, url=%s error=%s", self._url, error)
                await asyncio.sleep(LOOK_SECONDS)

    async def _known(self) -> set[str]:
        return {each["id"] for each in await self._listed() if each.get("parent")}

    async def _base_of_vllm(self) -> str:
        return next(str(each["id"]) for each in await self._listed() if not each.get("parent"))

    async def _listed(self) -> list[dict[str, Any]]:
        try:
            answer = await self._client.get("/v1/models", timeout=CONNECT_SECONDS)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise EngineStoppedError(STOPPED, type(error).__name__) from error
        return list(answer.json()["data"])


def _message(content: bytes) -> str:
    """What vLLM says went wrong: {"error": {"message": …}}, {"message": …} in older versions, or plain text."""
    try:
        said = json.loads(content)
        return str(said.get("error", said).get("message", said))[:500]
    except (ValueError, AttributeError):
        return content.decode(errors="replace")[:500]


def _error(status: int, message: str, kind: str, code: str | None = None, param: str | None = None) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": code}}, status_code=status)


async def _refused(_: Request, error: TrainerError) -> JSONResponse:
    if isinstance(error, AdapterNotFoundError):
        return _error(404, error.user_message, "invalid_request_error", "model_not_found", "model")
    if isinstance(error, (EngineBusyError, EngineStoppedError)):
        refusal = _error(503, error.user_message, "server_error", "busy")
        refusal.headers["Retry-After"] = RETRY_AFTER_SECONDS
        return refusal
    log.error("an answer failed, error=%s", error)
    return _error(500, error.user_message, "server_error")
