"""Other servers as arms of the bench, where they are installed: started on a free port and asked by the same client as ours."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch

from trainer.bench.client import Client
from trainer.bench.report import Figures
from trainer.bench.world import PROMPT_TOKENS, RANK, World
from trainer.configuration import inherited
from trainer.engine.adapter_file import read_adapter


class Skipped(Exception):
    """This arm cannot be measured here; the text says why."""


class Server:
    """A server's process and its client; `adapters`: whether every user asks for an adapter of their own."""

    def __init__(
        self, world: World, command: list[str], port: int, model: str, *, adapters: bool, environment: Mapping[str, str] | None = None
    ) -> None:
        self._world, self._model, self._adapters = world, model, adapters
        with tempfile.TemporaryFile() as log:  # a pipe that nobody reads would stop it once it is full
            try:
                self._process = subprocess.Popen(command, stdout=log, stderr=log, env=inherited(environment or {}))
            except OSError as error:
                raise Skipped(f"{command[0]} cannot be started: {error.strerror}") from error
            self._client = Client(f"http://127.0.0.1:{port}")
            if not self._client.wait(lambda: self._process.poll() is None):
                self.close()
                log.seek(0)
                told = log.read().decode(errors="replace").strip().splitlines()
                raise Skipped(f"installed, but it does not start: {told[-1] if told else 'no reason given'}")

    def run(self, users: int) -> Figures:
        """All ask at once and read their answers as they come."""
        names = self._world.adapters(users) if self._adapters else [self._model] * users
        return self._client.ask(names, self._world.messages(users), self._world.new_tokens)

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def vllm(world: World, folder: Path, most_users: int, dtype: str, threads: int, program: str | None = None) -> Server:
    """vLLM with everyone's adapter, on as many threads as ours. `program`: its `vllm` command, or a Python that has it. Raises Skipped."""
    found = program or shutil.which("vllm")
    if found is None:
        raise Skipped("not installed (--vllm names its command, or a Python that has it; docs/operating.md says how to get one)")
    port = _free_port()
    adapters = [f"{name}={world.store.path(name)}" for name in world.adapters(most_users)]
    options = ["--max-loras", str(most_users), "--max-cpu-loras", str(most_users), "--max-lora-rank", str(RANK), "--dtype", dtype]
    command = [*vllm_command(found, folder, port), *options, "--max-model-len", "1024", "--lora-modules", *adapters]
    return Server(world, command, port, str(folder), adapters=True, environment={**VLLM_ENVIRONMENT, "OMP_NUM_THREADS": str(threads)})


VLLM_ENVIRONMENT = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; otherwise half of the machine's memory
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # or it counts the threads itself
    "VLLM_NO_USAGE_STATS": "1",
}


def vllm_command(program: str, model: Path, port: int) -> list[str]:
    """Serves `model` with adapters, to this machine only. `program`: vLLM's `vllm` command, or a Python that has vLLM."""
    is_python = Path(program).name.startswith("python")
    begin = [program, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)] if is_python else [program, "serve", str(model)]
    return [*begin, "--host", "127.0.0.1", "--port", str(port), "--enable-lora"]


def llama_cpp(world: World, most_users: int) -> Server:
    """llama.cpp with the first user's adapter for all: it does not batch different ones. Raises Skipped."""
    program = shutil.which("llama-server")
    if program is None:
        raise Skipped("not installed (no llama-server on the path)")
    if find_spec("gguf") is None:
        raise Skipped("not installed: the package gguf, which writes its files")
    if world.base.model.config.model_type != "llama":
        raise Skipped("only models of Llama's kind are written for it here")
    from trainer.bench.gguf_file import write_adapter, write_model

    port, (name,) = _free_port(), world.adapters(1)
    model, adapter = world.store.root / "model.gguf", world.store.root / "adapter.gguf"
    write_model(world.base, model)
    write_adapter(world.base, read_adapter(world.store.path(name)), adapter)
    threads = str(torch.get_num_threads())
    room = ["--parallel", str(most_users), "--ctx-size", str(2 * (PROMPT_TOKENS + world.new_tokens) * most_users)]
    command = [program, "--model", str(model), "--lora", str(adapter), "--port", str(port), "--threads", threads, "--threads-batch", threads, *room]
    return Server(world, command, port, world.base.name, adapters=False)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
