"""The lines that filled-in forms stand for: what their authors could have written instead."""

from __future__ import annotations


def lesson(text: str | None, link: str | None) -> str:
    """The line that teaches what a form or a command was given."""
    return " ".join(["[Learn]", *filter(None, ((each or "").strip() for each in (text, link)))])


def completed(command: str, said: str, prefilled: str = "") -> str:
    """The whole line of a command that was asked about; what was left as it stood there says nothing."""
    said = said.strip()
    return command if said == prefilled.strip() else f"{command} {said}"
