"""Everything that can be configured: a YAML file, then the environment, then the command line. Secrets only from the environment."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import platformdirs
import yaml

from trainer.errors import TrainerError

CONFIGS = Path(__file__).resolve().parent.parent / "configs"


class SettingsError(TrainerError):
    """The configuration cannot be used; ``user_message`` says which key and what to write instead."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The model server. ``url`` of an existing OpenAI-compatible server; None starts our own on ``host``:``port`` (0: any free port)."""

    url: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    max_batch: int = 16
    max_waiting: int = 256
    max_context: int = 1024
    adapter_slots: int = 32
    max_answer_tokens: int = 160
    max_rank: int = 32
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """``system_prompt`` opens every conversation (the pocket model needs none); ``history`` exchanges of it stay in the prompt."""

    system_prompt: str = ""
    history: int = 0


@dataclass(frozen=True, slots=True)
class LessonSettings:
    """Limits and the recipe of a lesson; ``docs/learning.md`` explains the numbers."""

    max_characters: int = 20_000
    samples: int = 48
    questions: int = 36
    neighbours: int = 6
    rank: int = 16
    rate: float | None = None
    max_epochs: int = 8
    distill_weight: float = 0.5
    replay_lessons: int = 40
    pass_mark: float = 0.6
    keep_mark: float = 0.8
    seed: int = 17


@dataclass(frozen=True, slots=True)
class ModerationSettings:
    """``backends``: local, openai (OPENAI_API_KEY); text passes when all pass. ``threshold``: score 0…1 from which the local one refuses."""

    backends: tuple[str, ...] = ("local",)
    threshold: float = 0.5
    openai_url: str = "https://api.openai.com/v1"
    openai_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. ``database_url`` None: SQLite in ``data``. ``redis_url`` None: an own Redis server, its files in ``data``."""

    data: Path
    base_model: str = "pocket"
    database_url: str | None = None
    redis_url: str | None = None
    engine: EngineSettings = EngineSettings()
    chat: ChatSettings = ChatSettings()
    lesson: LessonSettings = LessonSettings()
    moderation: ModerationSettings = ModerationSettings()

    @property
    def database(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data / 'tutee.db'}"

    @property
    def adapters(self) -> Path:
        """The folder of adapter files."""
        return self.data / "adapters"


_ENVIRONMENT = {
    "TUTEE_DATA": ("data",),
    "TUTEE_BASE_MODEL": ("base_model",),
    "DATABASE_URL": ("database_url",),
    "REDIS_URL": ("redis_url",),
    "TUTEE_ENGINE_URL": ("engine", "url"),
    "TUTEE_ENGINE_API_KEY": ("engine", "api_key"),
    "OPENAI_API_KEY": ("moderation", "openai_key"),
}


def load(config: Path | None, environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings of ``config`` (None: ``configs/embedded.yaml``), overridden by the environment and then by ``overrides``.

    Raises SettingsError for a file that is missing or unreadable, an unknown key (naming the nearest known one) or a wrong value.
    """
    values = _read(config or CONFIGS / "embedded.yaml")
    for section in ("engine", "moderation"):
        if values.get(section, {}) is None:
            values[section] = {}
        for key in ("api_key", "openai_key"):
            if isinstance(values.get(section), dict) and key in values[section]:
                raise SettingsError(f"'{section}.{key}' is a secret: put it into the environment, not into the configuration file.")
    for name, path in _ENVIRONMENT.items():
        value = (os.environ if environment is None else environment).get(name)
        if value:
            target = values if len(path) == 1 else values.setdefault(path[0], {})
            target[path[-1]] = value
    values.update({key: value for key, value in overrides.items() if value is not None})
    values.setdefault("data", platformdirs.user_data_dir("tutee", appauthor=False))
    settings: Settings = _build(Settings, values, "")
    _check(settings)
    return settings


def as_environment(settings: Settings) -> dict[str, str]:
    """Environment variables that give a child process these settings' places: data, database, Redis, engine, base model."""
    found = {
        "TUTEE_DATA": str(settings.data), "TUTEE_BASE_MODEL": settings.base_model, "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url, "TUTEE_ENGINE_URL": settings.engine.url,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value}


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise SettingsError(f"The configuration file {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"The configuration file {path} is not valid YAML: {error}.") from error
    if not isinstance(values, dict):
        raise SettingsError(f"The configuration file {path} must hold keys and values.")
    return values


def _build(kind: type[Any], values: Mapping[str, Any], prefix: str) -> Any:
    hints = get_type_hints(kind)
    built = {}
    for key, value in values.items():
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, 1)
            hint = f" Did you mean '{prefix}{near[0]}'?" if near else f" Known keys: {', '.join(sorted(hints))}."
            raise SettingsError(f"Unknown configuration key '{prefix}{key}'.{hint}")
        built[key] = _value(hints[key], value, f"{prefix}{key}")
    return kind(**built)


def _value(wanted: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(wanted):
        if not isinstance(value, Mapping):
            raise SettingsError(f"Configuration key '{key}' must hold keys of its own.")
        return _build(wanted, value, f"{key}.")  # type: ignore[arg-type]  # is_dataclass narrows to instance or type; hints hold types
    if value is None and wanted in (int, float, str, Path):
        raise SettingsError(f"Configuration key '{key}' needs a value.")
    try:
        if wanted == float | None:
            return None if value is None else float(value)
        if wanted is Path:
            return Path(value).expanduser().resolve()
        if wanted == tuple[str, ...]:
            return tuple(str(item) for item in ([value] if isinstance(value, str) else value))
        if wanted in (int, float):
            return wanted(value)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"Configuration key '{key}' has the value {value!r}, which is not {_name(wanted)}.") from error
    return value if value is None else str(value)


def _check(settings: Settings) -> None:
    """Raises SettingsError for a number that could not work, or that would switch a safeguard off."""
    lesson, engine = settings.lesson, settings.engine
    shares = {"lesson.distill_weight": lesson.distill_weight, "lesson.pass_mark": lesson.pass_mark, "lesson.keep_mark": lesson.keep_mark}
    counts = {
        "lesson.max_characters": lesson.max_characters, "lesson.samples": lesson.samples, "lesson.questions": lesson.questions,
        "lesson.rank": lesson.rank, "lesson.max_epochs": lesson.max_epochs, "engine.max_batch": engine.max_batch,
        "engine.max_waiting": engine.max_waiting, "engine.max_context": engine.max_context, "engine.adapter_slots": engine.adapter_slots,
        "engine.max_answer_tokens": engine.max_answer_tokens, "engine.max_rank": engine.max_rank,
    }  # fmt: skip
    wrong = [f"'{key}' must be from 0 to 1" for key, value in shares.items() if not 0 <= value <= 1]
    wrong += [f"'{key}' must be at least 1" for key, value in counts.items() if value < 1]
    if not 0 < settings.moderation.threshold <= 1:
        wrong.append("'moderation.threshold' must be above 0 and at most 1")
    if lesson.rate is not None and not 0 < lesson.rate < 1:
        wrong.append("'lesson.rate' must be above 0 and below 1, or null")
    if lesson.rank > engine.max_rank:
        wrong.append("'lesson.rank' must not be above 'engine.max_rank', or no answer could use the adapters")
    if wrong:
        raise SettingsError(f"The configuration cannot work: {'; '.join(wrong)}.")


def _name(wanted: Any) -> str:
    return {int: "a whole number", float: "a number", float | None: "a number", Path: "a folder"}.get(wanted, "a list of words")
