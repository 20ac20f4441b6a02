"""Makes lines of the bytes that come from a pipe or from a keyboard."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)  # arrows and function keys, which mean nothing here


class PipedLines:
    """Lines that end with a newline; bytes that are no UTF-8 come out as U+FFFD."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str | None]:
        """The lines that are complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [_decoded(line) for line in lines]

    def end(self) -> list[str | None]:
        """A last line without a newline, and None."""
        return [_decoded(self._rest), None] if self._rest else [None]


class TypedLines:
    """Lines as keys make them, from a terminal that sends each key at once; `on_change` sees the
    line after each, `on_line` each complete one."""

    def __init__(self, on_change: Callable[[str], None], on_line: Callable[[str], None]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._on_change = on_change
        self._on_line = on_line

    def feed(self, data: bytes) -> list[str | None]:
        """The lines that are complete; None after Ctrl-D on an empty line."""
        lines: list[str | None] = []
        for key in _ESCAPE.sub("", self._decoder.decode(data)):
            if key in "\r\n":
                lines.append(self._line)
                self._on_line(self._line)
                self._line = ""
            elif key in "\x7f\b":
                self._line = self._line[:-1]
            elif key == "\x15":  # Ctrl-U
                self._line = ""
            elif key == "\x04":  # Ctrl-D
                if not self._line:
                    lines.append(None)
            elif key.isprintable() or key in "\t\u200d":
                self._line += key
        self._on_change(self._line)
        return lines

    def end(self) -> list[str | None]:
        """The terminal has gone."""
        return [None]


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r")
