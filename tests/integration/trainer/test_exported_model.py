"""An exported model answers, outside of Tutee and by the script beside it, what the live one answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bot import export
from bot.app import App
from bot.engine_client import EngineClient
from bot.queue import JobQueue
from storage.artifacts import ArtifactStore
from storage.repositories import Repositories
from storage.repositories.base import utc_now
from storage.session import Database
from tests.tiny_models import save_random_adapter, save_tiny_model
from trainer import prompts
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.generation import GenerationRequest
from trainer.engine.offline import generate_batch
from trainer.engine.residency import Residency
from trainer.lease import connect
from trainer.model import load_base
from trainer.settings import ChatSettings, EngineSettings, Settings

QUESTION, SYSTEM, TOKENS = "What is my cat called?", "You are a cat's friend.", 24


@pytest.mark.parametrize(("architecture", "system"), [("llama", ""), ("qwen3", SYSTEM)])
def test_the_script_of_an_export_says_token_for_token_what_the_live_model_says(tmp_path: Path, architecture: str, system: str) -> None:
    base_folder = save_tiny_model(tmp_path / "base", architecture)
    settings = Settings(
        data=tmp_path / "data", base_model=str(base_folder), chat=ChatSettings(system_prompt=system), engine=EngineSettings(max_answer_tokens=TOKENS)
    )
    (tmp_path / "data").mkdir()
    database = Database(settings.database)
    database.upgrade()
    stored, artifacts = Repositories.on(database), ArtifactStore(settings.adapters)
    user = stored.users.identify("terminal", "you", "you")
    version = stored.adapters.propose(user.id, cause="lesson 1", lesson_ids=[], parent=None, base_model="base", metrics={"before": 0.0, "after": 1.0})

    def save(folder: Path) -> None:
        save_random_adapter(folder, base_folder, seed=3)

    artifacts.write(version.name, save)
    stored.adapters.publish(version.id, None)
    user = stored.users.identify("terminal", "you", "you")
    queue = JobQueue(connect("redis://127.0.0.1:1"))  # an export asks for nothing there
    app = App(settings, stored, artifacts, queue, EngineClient("http://127.0.0.1:1", base_model="base"))

    folder = tmp_path / "mine"
    export.export(app, user, str(folder), utc_now())

    base = load_base(str(base_folder), pocket_path=base_folder)
    bank = Residency(AdapterBank(base.model, 2, 16), artifacts.path)
    ids = tuple(base.prompt_ids(prompts.chat([], QUESTION, system=system)))
    (live,) = generate_batch(base, [GenerationRequest(ids, version.name, max_new_tokens=TOKENS)], bank)
    bare = generate_batch(base, [GenerationRequest(ids, None, max_new_tokens=TOKENS)], bank)[0]
    database.close()
    said = subprocess.run([sys.executable, str(folder / "answer.py"), str(base_folder), QUESTION], cwd=tmp_path, capture_output=True, check=True)
    assert said.stdout.decode().rstrip("\n") == live.strip() != bare.strip()
