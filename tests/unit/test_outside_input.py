"""Whatever comes from outside (messages, events, buttons, files, adapters) is read or refused: nothing crashes, runs or leaves its place."""

from __future__ import annotations

import json
import pickle
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot import commands
from bot.platforms.discord import places as discord_places
from bot.platforms.discord.buttons import Button
from bot.platforms.slack import blocks
from bot.platforms.slack import places as slack_places
from storage.artifacts import ArtifactStore
from storage.errors import ArtifactNameError
from tests.tiny_models import save_random_adapter, save_tiny_model
from trainer.contracts import decode
from trainer.engine.adapter_file import UNDERSTOOD, read_adapter
from trainer.errors import TrainerError
from trainer.sources.intent import intent_of
from trainer.sources.parsing.blocks import Limits, Parsed, Refused
from trainer.sources.parsing.child import parse
from trainer.sources.secret import secrets_in

quickly = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
words = st.text(max_size=200) | st.text(alphabet="/[]#👍👎vlearn 0123456789²٣,.:;\n\x00\ud800'\"", max_size=60)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@quickly
@given(words)
@example("[Learn]")
@example("/react 👎🏽\ufe0f")
def test_every_message_is_read_as_something(text: str) -> None:
    assert isinstance(commands.parse(text), commands.Command)
    intent_of(text, [text])
    secrets_in(text)


@quickly
@given(st.sampled_from(sorted(commands._COMMANDS)), words)
def test_every_argument_of_every_command_is_read_as_something(name: str, argument: str) -> None:
    assert isinstance(commands.parse(f"{name} {argument}"), commands.Command)


@quickly
@given(words, st.binary(max_size=60))
def test_ids_of_buttons_and_places_are_ours_or_none(text: str, data: bytes) -> None:
    for given_text in (text, data.decode("utf-8", "replace"), f"tutee:{text}", f"1:{text}", f"channel:{text}", f"T1:{text}"):
        command, _, owner = blocks.pressed(given_text)
        assert isinstance(command, str) and (owner is None or owner >= 0)
        slack = slack_places.read(given_text)
        assert slack is None or str(slack) == given_text
        if discord_places.is_place(given_text):
            int(given_text.partition(":")[2])
        pressed = re.fullmatch(Button.__discord_ui_compiled_template__, given_text)
        assert pressed is None or pressed["owner"] == "" or int(pressed["owner"]) >= 0


@quickly
@given(values)
@example([])
@example("kind")
@example({"kind": []})
@example({"kind": "Finished"})
def test_an_event_that_is_none_is_said_to_be_none(value: Any) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):  # which readers of the stream leave out
        decode(json.dumps(value))


@quickly
@given(
    st.sampled_from(["a.txt", "a.md", "a.csv", "a.html", "a", "../../a.txt"]),
    st.binary(max_size=400) | words.map(lambda t: t.encode("utf-8", "replace")),
)
@example("a.csv", b'"' * 100)
@example("a.md", b"[" * 300)
@example("a.html", b"<table>" * 60)
@example("a.html", b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><p>&x; and some words to read.</p>")
def test_a_documents_text_is_read_or_refused(name: str, content: bytes) -> None:
    try:
        parsed = parse(content, name, "", Limits())
    except Refused:
        return
    assert isinstance(parsed, Parsed)
    assert not any("root:" in block.text for block in parsed.blocks)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good one, to be spoilt."""
    folder = tmp_path_factory.mktemp("adapters")
    return save_random_adapter(folder / "good", save_tiny_model(folder / "base"), seed=1)


def spoilt(adapter: Path, name: str, spoil: Callable[[bytes], bytes]) -> Path:
    folder = adapter.parent / "spoilt"
    folder.mkdir(exist_ok=True)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        content = (adapter / file).read_bytes()
        (folder / file).write_bytes(spoil(content) if file == name else content)
    return folder


def read_or_refused(folder: Path) -> None:
    with suppress(TrainerError):  # which has a sentence for the user
        assert read_adapter(folder)


@quickly
@given(
    st.dictionaries(
        st.sampled_from(sorted(UNDERSTOOD)) | st.text(max_size=10), values | st.dictionaries(words, st.integers(), max_size=2), max_size=4
    )
)
@example({"alpha_pattern": {"(": 1}})
@example({"rank_pattern": {"(.*.*)*x": 1}})
@example({"alpha_pattern": {".*.*.*.*.*.*.*.*.*.*.*.*x": 1}})
@example({"r": 0})
@example({"lora_alpha": "nan"})
def test_an_adapters_configuration_is_understood_or_refused(adapter: Path, changes: dict[str, Any]) -> None:
    read_or_refused(spoilt(adapter, "adapter_config.json", lambda good: json.dumps({**json.loads(good), **changes}).encode()))


@quickly
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 60))
@example(b"\xff" * 8, 0, 8)
@example(b"\x00" * 8, 0, 8)
def test_an_adapters_weights_are_read_or_refused(adapter: Path, noise: bytes, at: int, cut: int) -> None:
    read_or_refused(spoilt(adapter, "adapter_model.safetensors", lambda good: good[:at] + noise + good[at + cut :]))


def test_nothing_in_an_adapters_folder_is_executed(adapter: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    folder = spoilt(adapter, "", bytes)
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Evil()))
    (folder / "evil_module.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    config = json.loads((folder / "adapter_config.json").read_text())
    config |= {"auto_mapping": {"base_model_class": "Evil", "parent_library": "evil_module"}, "base_model_name_or_path": "../../../etc"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    assert read_adapter(folder)
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(TrainerError):
        read_adapter(folder)
    assert not (tmp_path / "executed").exists() and "evil_module" not in sys.modules


@quickly
@given(words | st.sampled_from(["../x", "/etc/passwd", "user-1-v1/../../x", ".lock", "user-1-v1\n", "ＵSER-1-v1"]))
def test_no_name_leads_out_of_the_store(tmp_path: Path, name: str) -> None:
    store = ArtifactStore(tmp_path / "adapters")
    try:
        folder = store._folder(name)
    except ArtifactNameError:
        return
    assert folder.parent == store.root and re.fullmatch(r"[a-z0-9][a-z0-9-]*", folder.name)
