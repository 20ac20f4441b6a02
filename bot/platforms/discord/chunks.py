"""Splits long text into messages that each read well: at paragraphs, lines or words, with code fences closed and opened again."""

from __future__ import annotations

LIMIT = 2000  # characters of one message, as Discord counts them
FENCE = "```"
LONGEST_OPENING = 40  # characters of a fence's first line that are repeated; a longer one is no language's name
BREAKS = ("\n\n", "\n", ". ", " ")


def split(text: str, limit: int = LIMIT) -> list[str]:
    """Parts of at most `limit` characters (at least 100), in order; white space where they were cut is left out.

    Where a text goes on growing, all parts but the last stay as they are.
    """
    parts, opening = [], ""
    while len(opening) + len(text) > limit:
        room = limit - len(opening) - len(FENCE) - 1
        cut = _cut(text[:room])
        part = text[:cut].rstrip()
        after = _open_fence(opening + part)
        if part.strip():
            parts.append(opening + part + (f"\n{FENCE}" if after else ""))
            opening = after
        text = text[cut:].lstrip("\n") if opening else text[cut:].lstrip()
    if text.strip() or not parts:
        parts.append(opening + text)
    return parts


def _cut(window: str) -> int:
    """Where to cut: after the last good break in the second half of the window."""
    for mark in BREAKS:
        found = window.rfind(mark, len(window) // 2)
        if found > 0:
            return found + len(mark)
    return len(window)


def _open_fence(text: str) -> str:
    """The line that opened the code fence which is open at the end of the text, with its line end; "" where none is."""
    opening = ""
    for line in text.split("\n"):
        if line.lstrip().startswith(FENCE):
            line = line.strip()
            opening = "" if opening else f"{line if len(line) <= LONGEST_OPENING else FENCE}\n"
    return opening
