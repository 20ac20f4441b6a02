"""The engine's process. It loads nothing that only lessons need, and so starts in half the time."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from storage.artifacts import Artifacts
from storage.errors import ArtifactError, ArtifactUnavailableError
from storage.stores import open_artifacts
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.residency import Residency
from trainer.engine.scheduler import Scheduler
from trainer.engine.server import serve
from trainer.errors import AdapterNotFoundError, EngineBusyError
from trainer.loading import base_model
from trainer.settings import Settings

log = logging.getLogger(__name__)

TIDY_SECONDS = 60.0


def serve_engine(settings: Settings, host: str, port: int, log_level: str) -> None:
    """Serve until a signal ends the process's main thread. Raises ModelError where the base model cannot be used."""

    limits = settings.engine

    def load() -> Scheduler:
        base = base_model(settings)
        bank = AdapterBank(base.model, limits.adapter_slots, limits.max_rank)
        residency = Residency(bank, lambda name: _adapter_folder(store, name))
        return Scheduler(
            base,
            residency,
            max_batch=limits.max_batch,
            max_waiting=limits.max_waiting,
            max_context=limits.max_context,
        ).start()

    store = open_artifacts(settings.artifacts, settings.data)
    threading.Thread(target=_tidy_now_and_then, args=(store,), name="tidy", daemon=True).start()
    serve(load, host=host, port=port, default_max_tokens=limits.max_answer_tokens, log_level=log_level, api_key=limits.api_key)


def _tidy_now_and_then(store: Artifacts) -> None:
    while True:
        try:
            store.tidy()
        except ArtifactError as error:
            log.warning("copies of adapters could not be tidied up, error=%s", error)
        time.sleep(TIDY_SECONDS)


def _adapter_folder(store: Artifacts, name: str) -> Path:
    try:
        return store.path(name)
    except ArtifactUnavailableError as error:
        raise EngineBusyError(error.user_message, str(error)) from error
    except ArtifactError as error:
        raise AdapterNotFoundError(f"The model {name} does not exist.", str(error)) from error
