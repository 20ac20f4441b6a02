"""Which texts may be taught: the moderators, and the one that the settings ask for. Nothing passes when a moderator cannot be asked."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.moderation.local import LocalModerator
from trainer.moderation.protocol import Moderator, RecordingModerator, Verdict, worst
from trainer.settings import ModerationSettings, SettingsError

BACKENDS = ("local", "openai", "judge")

__all__ = [
    "BACKENDS",
    "AllOf",
    "LocalModerator",
    "Moderator",
    "RecordingModerator",
    "Verdict",
    "build",
]


def build(settings: ModerationSettings) -> Moderator:
    """The moderator of the settings; OpenAI's is added where its key is set.

    Raises SettingsError for a backend that does not exist, for none at all, for ``openai`` without OPENAI_API_KEY and for ``judge`` without
    an address and a model.
    """
    wanted = dict.fromkeys((*settings.backends, *(("openai",) if settings.openai_key else ())))
    unknown = [name for name in wanted if name not in BACKENDS]
    if unknown or not wanted:
        named = f"Unknown moderation backend '{unknown[0]}'" if unknown else "No moderation backend is set"
        raise SettingsError(f"{named}: set 'moderation.backends' to some of {', '.join(BACKENDS)}.")
    moderators = [_backend(name, settings) for name in wanted]
    return moderators[0] if len(moderators) == 1 else AllOf(moderators)


class AllOf:
    """A text passes when every moderator passes it; all are asked, and one that cannot be asked lets nothing pass."""

    def __init__(self, moderators: Sequence[Moderator]) -> None:
        if not moderators:
            raise ValueError("nothing passes unmoderated: name at least one moderator")
        self._moderators = tuple(moderators)

    def check(self, texts: Sequence[str]) -> list[Verdict]:
        """As Moderator.check."""
        asked = [moderator.check(texts) for moderator in self._moderators]
        return [worst(verdicts) for verdicts in zip(*asked, strict=True)]


def _backend(name: str, settings: ModerationSettings) -> Moderator:
    """What asks a server is loaded only where one is asked: OpenAI's package takes a second and a half of every start."""
    if name == "local":
        return LocalModerator(settings.threshold)
    if name == "judge":
        if not settings.judge_url or not settings.judge_model:
            raise SettingsError("Moderation backend 'judge' needs 'moderation.judge_url' and 'moderation.judge_model'.")
        from trainer.moderation.judge import JudgeModerator

        return JudgeModerator(settings.judge_url, settings.judge_model, settings.judge_kind, settings.judge_key)
    if not settings.openai_key:
        raise SettingsError("Moderation backend 'openai' needs OPENAI_API_KEY in the environment.")
    from trainer.moderation.openai import OpenAIModerator

    return OpenAIModerator(settings.openai_key, settings.openai_url)
