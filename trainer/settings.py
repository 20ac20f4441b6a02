"""Everything that can be configured: a YAML file, then the environment, then the command line. Secrets only from the environment."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_type_hints

import platformdirs
import yaml

from storage.stores import ArtifactSettings
from trainer.errors import TrainerError
from trainer.tools.registry import ToolSettings, problems

AUTO = "auto"
CONFIGS = Path(__file__).resolve().parent.parent / "configs"


class SettingsError(TrainerError):
    """The configuration cannot be used; ``user_message`` says which key and what to write instead."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The model server. ``url`` of an existing OpenAI-compatible server, or of several, with commas between them; None starts our own on
    ``host``:``port`` (0: any free port), which writes the answers itself, or has the vLLM at ``vllm_url`` on the same host do so."""

    url: str | None = None
    vllm_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    max_batch: int = 64
    max_waiting: int = 256
    max_context: int = 1024
    adapter_slots: int = 64
    max_answer_tokens: int = 160
    max_rank: int = 32
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """What the processes that hold a model compute it with: ``dtype`` float32 or bfloat16, and ``threads``; AUTO: what is fastest here."""

    dtype: str = AUTO
    threads: str = AUTO


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """``system_prompt`` opens every conversation (the pocket model needs none); ``history`` exchanges of it stay in the prompt."""

    system_prompt: str = ""
    history: int = 0


@dataclass(frozen=True, slots=True)
class LessonSettings:
    """Limits and the recipe of a lesson; ``docs/learning.md`` explains the numbers. ``recite``: None, where the base model is small."""

    max_characters: int = 20_000
    samples: int = 48
    questions: int = 56
    neighbours: int = 14
    rank: int = 16
    rate: float | None = None
    max_epochs: int = 8
    distill_weight: float = 0.5
    recite: bool | None = None
    replay_lessons: int = 40
    together: int = 16
    pass_mark: float = 0.6
    keep_mark: float = 0.8
    rebuild_hour: int = -1
    seed: int = 17


@dataclass(frozen=True, slots=True)
class ModerationSettings:
    """``backends``: local, openai (OPENAI_API_KEY), judge (a model that speaks OpenAI's chat completions); text passes when all pass.

    ``threshold``: score 0…1 from which the local one refuses. ``judge_kind``: judge (a model that is told what to look for) or guard (one
    that was trained for it, such as Llama Guard).
    """

    backends: tuple[str, ...] = ("local",)
    threshold: float = 0.5
    openai_url: str = "https://api.openai.com/v1"
    openai_key: str | None = field(default=None, repr=False)
    judge_url: str | None = None
    judge_model: str | None = None
    judge_kind: Literal["judge", "guard"] = "judge"
    judge_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What documents, links and web pages may cost, and where they may come from.

    ``allow``: hosts and networks that may be read though they are not public. ``trusted``: domains whose pages are learned without asking.
    Sizes are in bytes, times in seconds, memory in megabytes.
    """

    max_bytes: int = 20_000_000
    max_pages: int = 2_000
    max_parts: int = 150
    part_examples: int = 72
    passage_words: int = 12
    parse_seconds: float = 8.0
    parse_memory: int = 1_500
    fetch_seconds: float = 20.0
    max_redirects: int = 5
    user_agent: str = "Tutee/0.1 (reads pages that its user asks it to learn)"
    allow: tuple[str, ...] = ()
    search: str = "ddgs"
    searxng_url: str | None = None
    search_results: int = 6
    trusted: tuple[str, ...] = ()
    web_days: int = 30


@dataclass(frozen=True, slots=True)
class FeedbackSettings:
    """``wait_seconds``: how long a correction waits for more of them, and can be taken back, before it is learned."""

    wait_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """``message_days``: how long messages and their answers are kept; 0: until their user deletes them."""

    message_days: int = 0


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What one person may ask for in 24 hours; 0: as much as they like. The operator is not limited. Bytes are those of files and words."""

    messages_per_day: int = 0
    lessons_per_day: int = 0
    training_minutes_per_day: int = 0
    bytes_per_day: int = 0


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where bots and workers say how they are (/health, /ready, /metrics); ``port`` 0: nowhere. On another host than this one's own
    address, /metrics asks for ``key``."""

    host: str = "127.0.0.1"
    port: int = 0
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """Where and whom the bot serves on Discord. Ids are numbers as text; an empty list allows all.

    ``terms_acknowledged``: the operator has read what Discord's terms ask of them. ``owners`` may use /admin. Of ``shards`` parts of all
    servers, this process hears those named in ``shard_ids``, or all.
    """

    terms_acknowledged: bool = False
    message_content: bool = False
    direct_messages: bool = True
    servers: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    shards: int = 1
    shard_ids: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)

    @property
    def heard(self) -> list[int]:
        """The numbers of the shards that this process hears."""
        return [int(each) for ids in self.shard_ids for each in ids.split(",")] or list(range(self.shards))


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Where and whom the bot serves on Slack. Ids are as Slack shows them; an empty list allows all.

    ``terms_acknowledged``: the operator has read what Slack's terms ask of them. ``owners`` may use /admin. ``port`` 0: Socket Mode;
    else Slack's signed requests come to ``host``:``port``. One workspace: ``token``. Several: ``client_id``, ``client_secret`` and
    ``encryption_key`` (the newest first, where there are more than one, with commas between them), and each workspace installs the app
    itself at ``public_url``, which leads to ``host``:``port``, or in Socket Mode to ``install_port``.
    """

    terms_acknowledged: bool = False
    direct_messages: bool = True
    workspaces: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0
    install_port: int = 0
    public_url: str | None = None
    client_id: str | None = None
    token: str | None = field(default=None, repr=False)
    app_token: str | None = field(default=None, repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)
    encryption_key: str | None = field(default=None, repr=False)

    @property
    def is_configured(self) -> bool:
        """Whether anything of it is meant to be used."""
        return bool(self.token or self.app_token or self.client_id)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. ``database_url`` None: SQLite in ``data``. ``redis_url`` None: an own Redis server, its files in ``data``."""

    data: Path
    base_model: str = "pocket"
    database_url: str | None = None
    redis_url: str | None = None
    artifacts: ArtifactSettings = field(default_factory=ArtifactSettings)
    engine: EngineSettings = EngineSettings()
    compute: ComputeSettings = ComputeSettings()
    chat: ChatSettings = ChatSettings()
    lesson: LessonSettings = LessonSettings()
    moderation: ModerationSettings = ModerationSettings()
    sources: SourceSettings = SourceSettings()
    tools: ToolSettings = field(default_factory=ToolSettings)
    feedback: FeedbackSettings = FeedbackSettings()
    retention: RetentionSettings = RetentionSettings()
    limits: LimitSettings = LimitSettings()
    metrics: MetricsSettings = MetricsSettings()
    discord: DiscordSettings = DiscordSettings()
    slack: SlackSettings = SlackSettings()

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
    """The environment of a child process: ours, with these settings' places (data, database, Redis, engine, base model)."""
    found = {
        "TUTEE_DATA": str(settings.data), "TUTEE_BASE_MODEL": settings.base_model, "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url, "TUTEE_ENGINE_URL": settings.engine.url,
        "TUTEE_ARTIFACTS_URL": settings.artifacts.url, "AWS_ENDPOINT_URL": settings.artifacts.endpoint,
    }  # fmt: skip
    return {**os.environ, **{name: value for name, value in found.items() if value}}


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
