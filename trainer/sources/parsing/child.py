"""The process that reads one file: limits itself first, takes the file on standard input and answers in JSON on standard output."""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import replace
from typing import Any

from trainer.sources.parsing.blocks import FileKind, Limits, Parsed, Refused
from trainer.sources.parsing.kinds import kind_of
from trainer.sources.parsing.languages import language_of


def main() -> None:
    """One file."""
    order = json.loads(sys.stdin.buffer.readline())
    _limit(float(order["seconds"]), int(order["megabytes"]), int(order["answer_bytes"]))
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libraries print warnings
    try:
        parsed = parse(sys.stdin.buffer.read(), order["name"], order["media_type"], Limits(order["pages"], order["characters"]))
        said: dict[str, Any] = {"parsed": parsed.as_json()}
    except Refused as refused:
        said = {"refused": str(refused)}
    except (MemoryError, RecursionError):
        said = {"refused": "{name} unpacks to more than I can hold, so I did not read it."}
    json.dump(said, answer)
    answer.flush()
    os._exit(0)  # taking libraries down after a memory error may hang


def parse(content: bytes, name: str, media_type: str, limits: Limits) -> Parsed:
    """The file's text. Raises Refused."""
    kind = kind_of(content, name, media_type)
    parsed = _read(kind, content, limits)
    if not any(character.isalnum() for block in parsed.blocks for character in block.text):
        raise Refused("{name} holds no text that I can read.")
    return replace(parsed, language=language_of(block.text for block in parsed.blocks[:300]))


def _read(kind: FileKind, content: bytes, limits: Limits) -> Parsed:
    # Each library is loaded only where it is needed: the one for PDF alone takes a second.
    match kind:
        case "pdf":
            sys.modules["pymupdf.layout"] = None  # type: ignore[assignment]  # a neural network that it would load and that we do not use
            from trainer.sources.parsing.pdf import read_pdf

            return read_pdf(content, limits)
        case "word":
            from trainer.sources.parsing.word import read_word

            return read_word(content, limits)
        case "html":
            from trainer.sources.parsing.web_page import read_html

            return read_html(content, limits)
        case _:
            from trainer.sources.parsing import plain

            return {"markdown": plain.read_markdown, "csv": plain.read_csv, "text": plain.read_text}[kind](content, limits)


def _limit(seconds: float, megabytes: int, answer_bytes: int) -> None:
    """What the operating system enforces from here on, whatever the file does."""
    for what, most in (
        (resource.RLIMIT_AS, megabytes << 20),
        (resource.RLIMIT_CPU, max(1, round(seconds))),
        (resource.RLIMIT_FSIZE, answer_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
