"""Our own engine as an arm of the bench: in this process, and in one of its own over HTTP."""

from __future__ import annotations

import multiprocessing
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from storage.artifacts import ArtifactStore
from trainer.bench.client import Client
from trainer.bench.report import Figures, Stopwatch
from trainer.bench.world import BenchError, World
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.generation import Generation, GenerationRequest
from trainer.engine.residency import Residency
from trainer.engine.scheduler import Scheduler
from trainer.engine.server import serve
from trainer.model import BaseModel, load_base
from trainer.settings import EngineSettings


@dataclass
class Tutee:
    """The engine in this process; with `adapters` everyone has one of their own, otherwise nobody has any."""

    world: World
    settings: EngineSettings
    adapters: bool = True

    def __post_init__(self) -> None:
        limits = self.settings
        self._bank = AdapterBank(self.world.base.model, limits.adapter_slots, limits.max_rank) if self.adapters else None
        self._scheduler = engine(self.world.base, self._bank, self.world.store, limits).start()

    def run(self, users: int) -> Figures:
        """All ask at once and wait for their answers."""
        names = self.world.adapters(users) if self.adapters else [None] * users
        return self.ask(names)

    def ask(self, names: list[str] | list[None]) -> Figures:
        """One question for each of these adapters, all at once."""
        new = self.world.new_tokens
        requests = [
            GenerationRequest(ids, name, max_new_tokens=new, ignore_eos=True) for ids, name in zip(self.world.prompts(len(names)), names, strict=True)
        ]
        with Stopwatch() as watch:
            running = [self._scheduler.submit(request) for request in requests]
            for one in running:
                one.text()
        firsts = [one.first_token_seconds or 0.0 for one in running]
        return {**watch.speed(sum(one.completion_tokens for one in running)), "burst_first_token_ms": 1000 * median(firsts)}

    def first_tokens(self, users: int) -> Figures:
        """Milliseconds to the first token of a question asked while the others' answers are being written, evenly spread over them."""
        names = self.world.adapters(users) if self.adapters else [None] * users
        new = self.world.new_tokens
        requests = [
            GenerationRequest(ids, name, max_new_tokens=new, ignore_eos=True)
            for ids, name in zip(self.world.prompts(2 * users), [*names, *names], strict=True)
        ]
        running: list[Generation] = []
        for request in requests:
            running.append(self._scheduler.submit(request))
            spread = running[-1], max(1, new // users)
            while spread[0].completion_tokens < spread[1] and spread[0].finish_reason is None:
                time.sleep(0.0005)
        for one in running:
            one.text()
        return {"first_token_ms": 1000 * median(one.first_token_seconds or 0.0 for one in running[users:])}

    def close(self) -> None:
        """Give the base model back as it was."""
        self._scheduler.close()
        if self._bank is not None:
            self._bank.remove()


class TuteeHttp:
    """The engine in a process of its own, asked over HTTP with streaming, as the bot asks it."""

    def __init__(self, world: World, settings: EngineSettings, base: str, pocket: Path, dtype: torch.dtype) -> None:
        self._world = world
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        spawn = multiprocessing.get_context("spawn")  # a fork of a process in which torch has computed hangs
        arguments = (base, pocket, dtype, world.store.root, settings, port, torch.get_num_threads())
        self._process = spawn.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        self._client = Client(f"http://127.0.0.1:{port}")
        if not self._client.wait(lambda: self._process.is_alive()):
            raise BenchError("The engine's process could not be started.")

    def run(self, users: int) -> Figures:
        """All ask at once and read their answers as they come."""
        return self._client.ask(self._world.adapters(users), self._world.messages(users), self._world.new_tokens)

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()


def engine(base: BaseModel, bank: AdapterBank | None, store: ArtifactStore, limits: EngineSettings) -> Scheduler:
    """An engine on `base`, as it serves with these settings; without a bank, without adapters."""
    residency = Residency(bank, store.path) if bank is not None else None
    return Scheduler(base, residency, max_batch=limits.max_batch, max_waiting=limits.max_waiting, max_context=limits.max_context)


def _serve(base: str, pocket: Path, dtype: torch.dtype, store: Path, settings: EngineSettings, port: int, threads: int) -> None:
    def load() -> Scheduler:
        torch.set_num_threads(threads)
        loaded = load_base(base, pocket_path=pocket, dtype=dtype)
        bank = AdapterBank(loaded.model, settings.adapter_slots, settings.max_rank)
        return engine(loaded, bank, ArtifactStore(store), settings).start()

    serve(load, port=port)
