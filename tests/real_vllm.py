"""The real vLLM, where TUTEE_VLLM names its command or a Python that has it, with our gateway before it; adapters in our own files' format."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import httpx
import torch
import uvicorn
from torch import nn

from bot.embedded_redis import free_port
from bot.engine_client import EngineClient
from storage.artifacts import ArtifactStore
from tests.services import eventually
from trainer.bench.servers import VLLM_ENVIRONMENT, vllm_command
from trainer.engine.vllm import create_app
from trainer.engine.vllm_adapters import UNTAUGHT
from trainer.lora import LoraStack
from trainer.model import BaseModel
from trainer.prompts import Messages

PROGRAM = os.environ.get("TUTEE_VLLM")
START_SECONDS = 600.0  # a busy machine imports it for minutes
RANK = 8


class RealVllm:
    """vLLM with `slots` places for adapters, and one for that which changes nothing, in a process of its own."""

    def __init__(self, model: Path, log: Path, slots: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.slots = slots
        self._model = model
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin; `until_ready` waits."""
        assert PROGRAM is not None, "or the tests are skipped"
        places = str(self.slots + 1)
        options = ["--max-loras", places, "--max-cpu-loras", places, "--max-lora-rank", str(RANK), "--dtype", "float32"]
        # Eager: compiling takes longer than all of the tests.
        command = [*vllm_command(PROGRAM, self._model, self.port), *options, "--max-model-len", "512", "--enforce-eager"]
        environment = {**os.environ, **VLLM_ENVIRONMENT, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    def until_ready(self) -> None:
        def answers() -> bool:
            assert self.lives(), f"vLLM ended: {self._log.read_text()[-2000:]}"
            try:
                return httpx.get(f"{self.url}/health").is_success
            except httpx.HTTPError:
                return False

        eventually(answers, "the start of vLLM", START_SECONDS)

    def lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """All of its processes, at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def load(self, name: str, folder: Path) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/load_lora_adapter", json={"lora_name": name, "lora_path": str(folder)}, timeout=60)

    def unload(self, name: str) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/unload_lora_adapter", json={"lora_name": name}, timeout=60)

    def write(self, model: str, ids: Sequence[int], tokens: int = 32, *, ignore_eos: bool = False) -> httpx.Response:
        """Greedily, past its layer of routes for chat."""
        body = {"model": model, "prompt": list(ids), "max_tokens": tokens, "temperature": 0, "return_token_ids": True, "ignore_eos": ignore_eos}
        return httpx.post(f"{self.url}/v1/completions", json=body, timeout=60)

    def writing(self) -> int:
        """Answers that it is at now, by its own figures."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        [line] = [each for each in lines if each.startswith("vllm:num_requests_running{")]
        return int(float(line.rpartition(" ")[2]))

    def has(self) -> set[str]:
        """The adapters that it knows, but for that which changes nothing."""
        cards = httpx.get(f"{self.url}/v1/models").json()["data"]
        return {card["id"] for card in cards if card["parent"]} - {UNTAUGHT}


class Gateway:
    """`tutee engine` before a vLLM."""

    def __init__(self, vllm: RealVllm, store: ArtifactStore, folder: Path, base: BaseModel) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        config = base.model.config
        app = create_app(store, folder, vllm_url=vllm.url, base_model=base.name, tokenizer=base.tokenizer, config=config, slots=vllm.slots)
        self._server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="warning", timeout_graceful_shutdown=1))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        eventually(self.is_ready, "the gateway", START_SECONDS)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.HTTPError:
            return False

    def health(self) -> dict[str, object]:
        found: dict[str, object] = httpx.get(f"{self.url}/health").json()
        return found

    def unload(self, name: str) -> int:
        return httpx.post(f"{self.url}/v1/unload_lora_adapter", json={"lora_name": name}, timeout=60).status_code

    def copies(self) -> set[str]:
        return {path.name.rpartition("-")[0] for path in self.folder.iterdir()} - {UNTAUGHT}

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


def ask(url: str, base: BaseModel, asked: Sequence[tuple[str | None, str]], tokens: int = 32) -> list[str]:
    """What a bot reads that asks `url` (one or several) each of these (version, question), all at once."""

    async def one(client: EngineClient, version: str | None, question: str) -> str:
        messages: Messages = [{"role": "user", "content": question}]
        return "".join([piece async for piece in client.pieces(messages, version)])

    async def all_of_them() -> list[str]:
        client = EngineClient(url, base_model=base.name, max_tokens=tokens)
        try:
            return list(await asyncio.gather(*(one(client, version, question) for version, question in asked)))
        finally:
            await client.close()

    return asyncio.run(all_of_them())


def save_adapter(store: ArtifactStore, name: str, base: BaseModel, seed: int, rank: int = RANK) -> Path:
    """An adapter as a lesson writes it, of random numbers that change every answer."""
    lora = LoraStack(base.model).add(rank, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, b in lora.master:
            nn.init.normal_(b, std=0.4, generator=generator)
    return store.write(name, lambda folder: lora.save(folder, None))
