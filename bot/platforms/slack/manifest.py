"""What the app's manifest says of it."""

from __future__ import annotations

import json

from trainer.configuration import CONFIGS


def scopes() -> list[str]:
    """What the app asks a workspace for."""
    manifest = json.loads((CONFIGS / "slack-manifest.json").read_text(encoding="utf-8"))
    asked: list[str] = manifest["oauth_config"]["scopes"]["bot"]
    return asked
