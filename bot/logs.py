"""How the processes log: a sentence with its fields, as text for people or as JSON for machines."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from pathlib import Path

FORMATS = ("text", "json")
_PLACE = re.compile(r"(?:(\w+)=)?%[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]")


def to_stderr(level: str, kind: str) -> None:
    """Log there from now on."""
    _to(logging.StreamHandler(), level, kind)


def to_file(path: Path, level: str, kind: str) -> None:
    """Log there: where a person is chatting, the terminal is theirs."""
    _to(logging.FileHandler(path, encoding="utf-8"), level, kind)


def _to(handler: logging.Handler, level: str, kind: str) -> None:
    handler.setFormatter(JsonLines() if kind == "json" else Sentences("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class Sentences(logging.Formatter):
    """Errors that explain themselves in a sentence are not followed by a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        _without_traceback(record)
        return super().format(record)


class JsonLines(logging.Formatter):
    """One JSON object per line: `time`, `level`, `logger`, `message`, and what the sentence gives as `name=value` in `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        _without_traceback(record)
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "fields": _fields(record),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    values = record.args if isinstance(record.args, tuple) else ()
    names = [each[1] for each in _PLACE.finditer(str(record.msg).replace("%%", ""))]
    found = zip(names, values, strict=False) if len(names) == len(values) else ()
    return {name: value if isinstance(value, (int, float)) else str(value) for name, value in found if name}


def _without_traceback(record: logging.LogRecord) -> None:
    if record.exc_info and isinstance(getattr(record.exc_info[1], "user_message", None), str):
        record.exc_info, record.exc_text = None, None
