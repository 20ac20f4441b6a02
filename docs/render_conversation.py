"""Draws docs/conversation.svg from a real conversation: run by `make docs`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bot.texts import WAITING

OUT = Path(__file__).parent / "conversation.svg"
FIRST = ["Hello!", "What is my cat's name?", "[Learn] My cat is called Biscuit and she is afraid of thunder.", "/new", "What is my cat's name?"]
AFTER_RESTART = ["/new", "What scares Biscuit?", "How old is my cat?"]


def main() -> None:
    """Hold the conversation, in two sittings, and draw it."""
    console = Console(record=True, width=96, file=sys.stderr)
    with tempfile.TemporaryDirectory() as data:
        console.print("[dim]$ make run[/dim]")
        draw(console, FIRST, talk(data, FIRST))
        console.print("[dim]$ make run   # the next day[/dim]")
        draw(console, AFTER_RESTART, talk(data, AFTER_RESTART))
    drawn = console.export_svg(title="Tutee")
    OUT.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL), encoding="utf-8")  # a reader's own fonts, no requests


def talk(data: str, lines: list[str]) -> list[dict[str, str]]:
    """The events of a piped chat."""
    command = [sys.executable, "-m", "bot.cli", "chat", "--json", "--data", data]
    done = subprocess.run(command, input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def draw(console: Console, lines: list[str], events: list[dict[str, str]]) -> None:
    """What was said by turns; of a lesson, the last line of its progress and the receipt."""
    told = [event for event in events if event["type"] in ("answer", "receipt", "notice", "error")]
    replies = [event for event in told if event["text"] != WAITING]  # said while the engine still starts
    for line, reply in zip(lines, replies, strict=True):
        console.print(f"you › {line}", style="bold cyan", markup=False, highlight=False)
        if reply["type"] == "receipt":
            console.print("[green]Model updating… ████████████████████ [100%][/green]", highlight=False)
        for number, text in enumerate(reply["text"].splitlines()):
            console.print(("tutee › " if number == 0 else "") + text.strip(), markup=False, highlight=False)


if __name__ == "__main__":
    main()
