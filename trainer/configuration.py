"""Reads the configuration: a YAML file, then the environment, then the command line. Secrets only from the environment."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import platformdirs
import yaml

from trainer.settings import AUTO, Settings, SettingsError
from trainer.tools.registry import problems

CONFIGS = Path(__file__).resolve().parent.parent / "configs"

_ENVIRONMENT = {
    "TUTEE_DATA": ("data",),
    "TUTEE_BASE_MODEL": ("base_model",),
    "DATABASE_URL": ("database_url",),
    "REDIS_URL": ("redis_url",),
    "TUTEE_ARTIFACTS_URL": ("artifacts", "url"),
    "AWS_ENDPOINT_URL": ("artifacts", "endpoint"),
    "TUTEE_ENGINE_URL": ("engine", "url"),
    "TUTEE_VLLM_URL": ("engine", "vllm_url"),
    "TUTEE_ENGINE_API_KEY": ("engine", "api_key"),
    "OPENAI_API_KEY": ("moderation", "openai_key"),
    "TUTEE_JUDGE_API_KEY": ("moderation", "judge_key"),
    "TUTEE_METRICS_KEY": ("metrics", "key"),
    "DISCORD_TOKEN": ("discord", "token"),
    "DISCORD_SHARD_IDS": ("discord", "shard_ids"),
    "SLACK_BOT_TOKEN": ("slack", "token"),
    "SLACK_APP_TOKEN": ("slack", "app_token"),
    "SLACK_SIGNING_SECRET": ("slack", "signing_secret"),
    "SLACK_CLIENT_ID": ("slack", "client_id"),
    "SLACK_CLIENT_SECRET": ("slack", "client_secret"),
    "SLACK_ENCRYPTION_KEY": ("slack", "encryption_key"),
}


def load(config: Path | None, environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings of ``config`` (None: ``configs/embedded.yaml``), overridden by the environment and then by ``overrides``.

    Raises SettingsError for a file that is missing or unreadable, an unknown key (naming the nearest known one) or a wrong value.
    """
    values = _read(config or CONFIGS / "embedded.yaml")
    for section in ("artifacts", "engine", "moderation", "metrics", "discord", "slack"):
        if values.get(section, {}) is None:
            values[section] = {}
        for key in ("api_key", "key", "openai_key", "judge_key", "token", "app_token", "signing_secret", "client_secret", "encryption_key"):
            if isinstance(values.get(section), dict) and key in values[section]:
                raise SettingsError(f"'{section}.{key}' is a secret: put it into the environment, not into the configuration file.")
    said = os.environ if environment is None else environment
    for name, path in _ENVIRONMENT.items():
        value = said.get(name)
        if value:
            target = values if len(path) == 1 else values.setdefault(path[0], {})
            target[path[-1]] = value
    values.update({key: value for key, value in overrides.items() if value is not None})
    values.setdefault("data", platformdirs.user_data_dir("tutee", appauthor=False))
    settings: Settings = _build(Settings, values, "")
    threads = said.get("OMP_NUM_THREADS", "")  # what torch goes by, too
    if settings.compute.threads == AUTO and threads.isdecimal() and int(threads):
        settings = dataclasses.replace(settings, compute=dataclasses.replace(settings.compute, threads=threads))
    _check(settings)
    return settings


def as_environment(settings: Settings) -> dict[str, str]:
    """The environment of a child process: ours, with these settings' places (data, database, Redis, engine, base model)."""
    found = {
        "TUTEE_DATA": str(settings.data), "TUTEE_BASE_MODEL": settings.base_model, "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url, "TUTEE_ENGINE_URL": settings.engine.url,
        "TUTEE_ARTIFACTS_URL": settings.artifacts.url, "AWS_ENDPOINT_URL": settings.artifacts.endpoint,
    }  # fmt: skip
    return inherited({name: value for name, value in found.items() if value})


def inherited(changes: Mapping[str, str | None]) -> dict[str, str]:
    """Our environment, as a child process gets it, with these ``changes``; None takes a name away."""
    return {name: value for name, value in {**os.environ, **changes}.items() if value is not None}


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
    if wanted is bool:
        if not isinstance(value, bool):
            raise SettingsError(f"Configuration key '{key}' has the value {value!r}, which is not true or false.")
        return value
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
        "lesson.rank": lesson.rank, "lesson.max_epochs": lesson.max_epochs, "lesson.together": lesson.together, "engine.max_batch": engine.max_batch,
        "engine.max_waiting": engine.max_waiting, "engine.max_context": engine.max_context, "engine.adapter_slots": engine.adapter_slots,
        "engine.max_answer_tokens": engine.max_answer_tokens, "engine.max_rank": engine.max_rank,
    }  # fmt: skip
    sources = settings.sources
    counts |= {
        "sources.max_bytes": sources.max_bytes, "sources.max_pages": sources.max_pages, "sources.max_parts": sources.max_parts,
        "sources.part_examples": sources.part_examples, "sources.passage_words": sources.passage_words,
        "sources.search_results": sources.search_results, "sources.web_days": sources.web_days,
    }  # fmt: skip
    wrong = [f"'{key}' must be from 0 to 1" for key, value in shares.items() if not 0 <= value <= 1]
    wrong += [f"'{key}' must be at least 1" for key, value in counts.items() if value < 1]
    if not 0 < settings.moderation.threshold <= 1:
        wrong.append("'moderation.threshold' must be above 0 and at most 1")
    if settings.moderation.judge_kind not in ("judge", "guard"):
        wrong.append("'moderation.judge_kind' must be judge or guard")
    if settings.compute.dtype not in (AUTO, "float32", "bfloat16"):
        wrong.append("'compute.dtype' must be auto, float32 or bfloat16")
    if settings.compute.threads != AUTO and not (settings.compute.threads.isdecimal() and int(settings.compute.threads)):
        wrong.append("'compute.threads' must be auto, or a whole number of at least 1")
    if settings.feedback.wait_seconds < 0:
        wrong.append("'feedback.wait_seconds' must not be below 0")
    if settings.retention.message_days < 0:
        wrong.append("'retention.message_days' must not be below 0; 0 keeps messages until their user deletes them")
    if not -1 <= lesson.rebuild_hour < 24:
        wrong.append("'lesson.rebuild_hour' must be an hour from 0 to 23, or -1 for never")
    if lesson.rate is not None and not 0 < lesson.rate < 1:
        wrong.append("'lesson.rate' must be above 0 and below 1, or null")
    if sources.parse_seconds <= 0 or sources.fetch_seconds <= 0:
        wrong.append("'sources.parse_seconds' and 'sources.fetch_seconds' must be above 0")
    if sources.parse_memory < 700:
        wrong.append("'sources.parse_memory' must be at least 700, or no file could be opened")
    if sources.search not in ("ddgs", "searxng"):
        wrong.append("'sources.search' must be ddgs or searxng")
    if sources.search == "searxng" and not sources.searxng_url:
        wrong.append("'sources.search' searxng needs 'sources.searxng_url'")
    limits, discord = settings.limits, settings.discord
    if min(dataclasses.astuple(limits)) < 0:
        wrong.append("'limits' must not be negative; 0 is no limit")
    for key in ("servers", "channels", "roles", "owners"):
        if not all(each.isdecimal() for each in getattr(discord, key)):
            wrong.append(f"'discord.{key}' must be ids, which are numbers (developer mode, Copy ID)")
    if not all(each.strip().isdecimal() for ids in discord.shard_ids for each in ids.split(",")) or max(discord.heard, default=0) >= discord.shards:
        wrong.append("'discord.shard_ids' must be numbers below 'discord.shards', which is at least 1")
    for key, first in {"workspaces": "TE", "channels": "CG", "owners": "UW"}.items():
        if not all(each[:1] in tuple(first) and each.isalnum() for each in getattr(settings.slack, key)):
            wrong.append(f"'slack.{key}' must be ids, which begin with {' or '.join(first)} (Slack: copy the id, not the name)")
    if not 0 <= settings.slack.port < 65536:
        wrong.append("'slack.port' must be a port number, or 0 for Socket Mode")
    if not 0 <= settings.slack.install_port < 65536:
        wrong.append("'slack.install_port' must be a port number, or 0 for none")
    if settings.slack.public_url is not None and not settings.slack.public_url.startswith("https://"):
        wrong.append("'slack.public_url' must begin with https://, which Slack asks for")
    if engine.url is not None and not all(each.strip().startswith(("http://", "https://")) for each in engine.url.split(",")):
        wrong.append("'engine.url' must be an address that begins with http:// or https://, or several with commas between them")
    if settings.artifacts.url is not None and not settings.artifacts.url.startswith("s3://"):
        wrong.append("'artifacts.url' must begin with s3://, or be null for a folder")
    if not 0 <= settings.metrics.port < 65536:
        wrong.append("'metrics.port' must be a port number, or 0 for none")
    if settings.metrics.port and settings.metrics.host not in ("127.0.0.1", "::1", "localhost") and not settings.metrics.key:
        wrong.append("'metrics.host' is open to others, so TUTEE_METRICS_KEY must be set")
    if settings.artifacts.cache_bytes < 1:
        wrong.append("'artifacts.cache_bytes' must be at least 1")
    if lesson.rank > engine.max_rank:
        wrong.append("'lesson.rank' must not be above 'engine.max_rank', or no answer could use the adapters")
    wrong += problems(settings.tools)
    if wrong:
        raise SettingsError(f"The configuration cannot work: {'; '.join(wrong)}.")


def _name(wanted: Any) -> str:
    return {int: "a whole number", float: "a number", float | None: "a number", Path: "a folder"}.get(wanted, "a list of words")
