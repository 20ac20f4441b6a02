"""What the processes that hold a model run: the engine, and the worker that learns lessons."""

from __future__ import annotations

from pathlib import Path

from redis import Redis

from storage.artifacts import ArtifactStore
from storage.errors import ArtifactError
from storage.repositories import Repositories
from trainer import jobs, wiring
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.residency import Residency
from trainer.engine.scheduler import Scheduler
from trainer.engine.server import serve
from trainer.errors import AdapterNotFoundError
from trainer.settings import Settings


def serve_engine(settings: Settings, host: str, port: int, log_level: str) -> None:
    """Serve until a signal ends the process's main thread. Raises ModelError where the base model cannot be used."""

    def load() -> Scheduler:
        limits = settings.engine
        wiring.share_of_cores()
        base = wiring.base_model(settings)
        bank = AdapterBank(base.model, limits.adapter_slots, limits.max_rank)
        residency = Residency(bank, lambda name: _adapter_folder(store, name))
        return Scheduler(
            base,
            residency,
            max_batch=limits.max_batch,
            max_waiting=limits.max_waiting,
            max_context=limits.max_context,
        ).start()

    store = ArtifactStore(settings.adapters)
    serve(load, host=host, port=port, default_max_tokens=settings.engine.max_answer_tokens, log_level=log_level)


def prepare_lessons(settings: Settings, redis: Redis, repositories: Repositories) -> None:
    """Load what lessons need, once, and make `trainer.jobs.learn` ready. Raises ModelError."""
    tools = wiring.tools(settings)
    jobs.configure(jobs.Teaching(repositories, redis, wiring.lesson_runner(tools), wiring.rebuild_runner(tools).run))


def _adapter_folder(store: ArtifactStore, name: str) -> Path:
    try:
        return store.path(name)
    except ArtifactError as error:
        raise AdapterNotFoundError(f"The model {name} does not exist.", str(error)) from error
