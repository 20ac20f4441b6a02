"""For all tests: nothing of the developer's own configuration or chats, one thread for the models, signals as they are at a terminal."""

from __future__ import annotations

import os
import signal

pytest_plugins = ("tests.bot_fixtures", "tests.buckets", "tests.storage_fixtures")  # the fixtures that several folders use

# Whatever runs the tests may ignore these, as a shell does for what it runs in the background; what the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run beside each other and beside processes they start
os.environ.setdefault("HF_HUB_OFFLINE", "1")
for name in (
    "TUTEE_DATA", "TUTEE_BASE_MODEL", "TUTEE_ENGINE_URL", "TUTEE_ENGINE_API_KEY", "TUTEE_JUDGE_API_KEY", "DATABASE_URL", "REDIS_URL",
    "OPENAI_API_KEY", "DISCORD_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_CLIENT_ID",
    "SLACK_CLIENT_SECRET", "SLACK_ENCRYPTION_KEY", "TUTEE_ARTIFACTS_URL", "TUTEE_VLLM_URL", "TUTEE_METRICS_KEY", "AWS_ENDPOINT_URL",
):  # fmt: skip
    os.environ.pop(name, None)
