"""A terminal that a person sits at: replies scroll up; below them lessons move, an answer grows and a line is typed."""

from __future__ import annotations

import re
import termios
import tty
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from bot import texts
from bot.messages import Answer, LessonProgress, LessonReceipt, Notice, Reply, Trouble

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def cleaned(text: str) -> str:
    """Text without the control characters that would move a terminal's cursor or change its settings."""
    return _CONTROL.sub("", text)


class Window:
    """Takes the terminal over, key by key, and gives it back at the end. Use as a context manager."""

    def __init__(self, stdin: TextIO, stdout: TextIO) -> None:
        self._stdin = stdin
        self._console = Console(file=stdout, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._lessons: dict[str, str] = {}
        self._growing = ""
        self._typed = ""
        self._settings: list[Any] = []

    def __enter__(self) -> Window:
        self._settings = termios.tcgetattr(self._stdin)
        tty.setcbreak(self._stdin)  # keys come one by one and unseen; Ctrl-C still interrupts
        self._live.start()
        self._draw()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()
        termios.tcsetattr(self._stdin, termios.TCSADRAIN, self._settings)

    def type(self, line: str) -> None:
        """Show the line that is being typed."""
        self._typed = line
        self._draw()

    def entered(self, line: str) -> None:
        """Keep a line that was typed to its end."""
        self._print(Text.assemble((texts.PROMPT, "bold"), cleaned(line)))

    def show(self, message_id: str, reply: Reply) -> None:
        """Show the reply; a lesson moves in its line until its receipt."""
        self._lessons.pop(message_id, None)
        match reply:
            case LessonProgress():
                self._lessons[message_id] = reply.text
            case Answer():
                self._growing = ""
                self._print(_answer(reply.text))
                if texts.is_unknown(reply.text):
                    self._print(Text(texts.TEACH_HINT, "dim"))
            case LessonReceipt():
                self._print(Text(cleaned(reply.text), "green" if reply.state == "live" else "yellow"))
            case Notice():
                self._print(Text(cleaned(reply.text)))
            case Trouble():
                self._print(Text(cleaned(reply.text), "yellow"))
        self._draw()

    def grow(self, piece: str) -> None:
        """Show the next piece of the answer."""
        self._growing += piece
        self._draw()

    def break_off(self) -> None:
        """Keep what came of an answer."""
        if self._growing:
            self._print(_answer(self._growing + " …"))
        self._growing = ""
        self._draw()

    def _print(self, text: Text) -> None:
        self._console.print(text)

    def _draw(self) -> None:
        lines = [Text(cleaned(text), "cyan") for text in self._lessons.values()]
        growing = [_answer(self._growing)] if self._growing else []
        typed = Text.assemble((texts.PROMPT, "bold"), cleaned(self._typed), ("▏", "dim"))
        self._live.update(Group(*lines, *growing, typed), refresh=True)


def _answer(text: str) -> Text:
    return Text.assemble((texts.ANSWER_MARK, "bold"), cleaned(text))
