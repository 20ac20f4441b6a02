"""Has a file read by a process of its own, so that no file can hurt the worker: it is stopped, and the worker goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from trainer.errors import UnreadableError
from trainer.settings import SourceSettings
from trainer.sources.parsing.blocks import Limits, Parsed

_ROOT = Path(__file__).resolve().parents[3]
ANSWER_BYTES = 64_000_000
PATIENCE = 4.0  # a busy machine takes this many times the processor time at most; a machine with nothing else to do takes it once


def parse(content: bytes, name: str, settings: SourceSettings, media_type: str = "", file_name: str | None = None) -> Parsed:
    """The text of a file that is called ``name`` in sentences, and ``file_name`` (None: the same) where its ending tells something.

    Raises UnreadableError with a sentence for each thing that can be wrong with it.
    """
    if not content:
        raise UnreadableError(f"{name} is empty.")
    if len(content) > settings.max_bytes:
        raise UnreadableError(f"{name} has {len(content) / 1e6:,.0f} MB, and I read files of up to {settings.max_bytes / 1e6:,.0f} MB.")
    limits = Limits(pages=settings.max_pages)
    order = {
        "name": file_name or name, "media_type": media_type, "seconds": settings.parse_seconds, "megabytes": settings.parse_memory,
        "answer_bytes": ANSWER_BYTES, **asdict(limits),
    }  # fmt: skip
    with tempfile.TemporaryFile() as answer:
        code = _run(json.dumps(order).encode() + b"\n" + content, answer.fileno(), settings.parse_seconds * PATIENCE)
        answer.seek(0)
        return _told(code, answer.read(ANSWER_BYTES), name)


def _run(said: bytes, answer: int, seconds: float) -> int | None:
    """The exit status; None where time ran out. The child sees nothing of our environment: secrets are in it."""
    environment = {"PATH": os.defpath, "PYTHONPATH": str(_ROOT), "LANG": "C.UTF-8", "HOME": tempfile.gettempdir(), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "trainer.sources.parsing.child"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=answer, stderr=subprocess.DEVNULL, cwd=tempfile.gettempdir(), env=environment, start_new_session=True
    ) as child:
        try:
            child.communicate(said, timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            return None
        except BaseException:  # the lesson is stopped: nothing of it goes on
            child.kill()
            raise
    return child.returncode


def _told(code: int | None, answer: bytes, name: str) -> Parsed:
    if code is None or code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise UnreadableError(f"{name} takes too long to read, so I stopped. Please send a shorter or simpler file.", f"status {code}")
    if code == -signal.SIGXFSZ:
        raise UnreadableError(f"{name} holds more text than I can take at once.", f"status {code}")
    try:
        said = json.loads(answer)
    except ValueError as error:
        raise UnreadableError(f"{name} is built in a way that I cannot read: it may be damaged.", f"status {code}") from error
    if "refused" in said:
        raise UnreadableError(said["refused"].replace("{name}", name), "refused by the parser")
    return Parsed.from_json(said["parsed"])
