"""Everything that can be configured, with its defaults. `configuration.py` reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from storage.stores import ArtifactSettings
from trainer.errors import TrainerError
from trainer.tools.registry import ToolSettings

AUTO = "auto"


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
