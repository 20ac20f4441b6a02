"""Log lines for machines."""

from __future__ import annotations

import json
import logging
import sys

from bot.logs import JsonLines, Sentences
from trainer.errors import TrainerError


def line(message: str, *arguments: object, error: Exception | None = None) -> dict[str, object]:
    info = None
    if error is not None:
        try:
            raise error
        except Exception:
            info = sys.exc_info()
    record = logging.LogRecord("bot.sweeper", logging.WARNING, "x.py", 1, message, arguments, info)
    text = JsonLines().format(record)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


def test_a_sentence_keeps_its_fields_whatever_is_in_them() -> None:
    said = line("an engine does not answer, url=%s reason=%s seconds=%.1f count=%d", "http://a", 'HTTP 503, "busy" key=x\n', 2.04, 3)
    assert said["message"] == 'an engine does not answer, url=http://a reason=HTTP 503, "busy" key=x\n seconds=2.0 count=3'
    assert said["fields"] == {"url": "http://a", "reason": 'HTTP 503, "busy" key=x\n', "seconds": 2.04, "count": 3}
    assert (said["level"], said["logger"]) == ("warning", "bot.sweeper")


def test_placeholders_without_a_name_do_not_shift_the_others() -> None:
    assert line("could not %s, error=%s, at 100%%", "queue a lesson", "refused")["fields"] == {"error": "refused"}
    assert line("plain")["fields"] == {}


def test_only_what_is_unexpected_has_a_traceback() -> None:
    assert "ValueError: no" in str(line("it failed", error=ValueError("no"))["traceback"])
    assert "traceback" not in line("it failed", error=TrainerError("Please try again."))
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "it failed", (), (TrainerError, TrainerError("Try again."), None))
    assert Sentences().format(record) == "it failed"
