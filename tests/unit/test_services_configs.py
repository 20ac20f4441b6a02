"""The configuration files that come along: complete, valid, and each key explained."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from trainer.configuration import CONFIGS, load
from trainer.settings import Settings, SettingsError

FILES = sorted(CONFIGS.glob("*.yaml"))
SECRETS = {
    "engine.api_key", "metrics.key", "moderation.openai_key", "moderation.judge_key", "discord.token", "slack.token", "slack.app_token",
    "slack.signing_secret", "slack.client_secret", "slack.encryption_key",
}  # fmt: skip


def keys(kind: type[Any], prefix: str = "") -> set[str]:
    found = set()
    for name, hint in get_type_hints(kind).items():
        found |= keys(hint, f"{prefix}{name}.") if dataclasses.is_dataclass(hint) else {prefix + name}  # type: ignore[arg-type]  # hints are types here
    return found


def written(values: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in values.items():
        found |= written(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return found


def test_there_is_one_for_each_way_to_install() -> None:
    assert [file.stem for file in FILES] == ["cluster", "embedded", "gpu"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_key_is_there_and_no_secret(file: Path) -> None:
    found = written(yaml.safe_load(file.read_text()))
    assert found | {"data"} == keys(Settings) - SECRETS
    assert load(file, {}).engine.max_rank >= load(file, {}).lesson.rank


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_key_is_explained(file: Path) -> None:
    lines = file.read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if ":" in line and not line.lstrip().startswith("#") and not line.endswith(":"):
            assert before.lstrip().startswith("#"), f"{line} has no comment"


def test_embedded_is_what_the_code_does_without_a_file() -> None:
    assert load(CONFIGS / "embedded.yaml", {}, data="/x") == Settings(data=Path("/x"))


def test_a_process_hears_all_shards_of_discord_or_those_that_are_named(tmp_path: Path) -> None:
    file = tmp_path / "tutee.yaml"

    def heard(written: str, environment: dict[str, str] | None = None) -> list[int]:
        file.write_text(f"discord: {{{written}}}")
        return load(file, environment or {}, data="/x").discord.heard

    assert heard("") == [0]
    assert heard("shards: 3") == [0, 1, 2]
    assert heard("shards: 3, shard_ids: [1]") == [1]
    assert heard("shards: 3", {"DISCORD_SHARD_IDS": "0,2"}) == [0, 2]
    for wrong in ("shards: 3, shard_ids: [3]", "shards: 0", "shard_ids: [first]"):
        with pytest.raises(SettingsError, match="shard"):
            heard(wrong)
