"""For all tests: nothing of the developer's own configuration or chats, one thread for the models."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run beside each other and beside processes they start
os.environ.setdefault("HF_HUB_OFFLINE", "1")
for name in (
    "TUTEE_DATA",
    "TUTEE_BASE_MODEL",
    "TUTEE_ENGINE_URL",
    "TUTEE_ENGINE_API_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "OPENAI_API_KEY",
    "DISCORD_TOKEN",
):
    os.environ.pop(name, None)
