"""Other servers as arms of the bench, where they are installed: started on a free port and asked by the same client as ours."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from trainer.bench.client import Client
from trainer.bench.report import Figures
from trainer.bench.world import RANK, World


class Skipped(Exception):
    """This arm cannot be measured here; the text says why."""


class Server:
    """A server's process and its client; `adapters`: whether every user asks for an adapter of their own."""

    def __init__(self, world: World, command: list[str], port: int, model: str, *, adapters: bool) -> None:
        self._world, self._model, self._adapters = world, model, adapters
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._client = Client(f"http://127.0.0.1:{port}")
        if not self._client.wait(lambda: self._process.poll() is None):
            self.close()
            told = (self._process.stderr.read() if self._process.stderr else b"").decode(errors="replace").strip().splitlines()
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


def vllm(world: World, folder: Path, most_users: int, dtype: str) -> Server:
    """vLLM with everyone's adapter. Raises Skipped."""
    if find_spec("vllm") is None:
        raise Skipped("not installed")
    port = _free_port()
    adapters = [f"{name}={world.store.path(name)}" for name in world.adapters(most_users)]
    options = ["--enable-lora", "--max-loras", str(most_users), "--max-cpu-loras", str(most_users), "--max-lora-rank", str(RANK), "--dtype", dtype]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--port", str(port)]
    return Server(world, [*command, *options, "--max-model-len", "1024", "--lora-modules", *adapters], port, str(folder), adapters=True)


def llama_cpp(world: World, folder: Path, most_users: int) -> Server:
    """llama.cpp's server on the model's GGUF file, which lies in its folder. It does not batch different adapters: nobody has one."""
    program = shutil.which("llama-server")
    if program is None:
        raise Skipped("not installed")
    weights = sorted(folder.glob("*.gguf"))
    if not weights:
        raise Skipped(f"no GGUF file of the model in {folder} (llama.cpp's convert_hf_to_gguf.py makes one)")
    port = _free_port()
    command = [program, "--model", str(weights[0]), "--port", str(port), "--parallel", str(most_users), "--ctx-size", str(512 * most_users)]
    return Server(world, command, port, world.base.name, adapters=False)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
