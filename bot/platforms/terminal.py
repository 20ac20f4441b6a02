"""The terminal as a chat platform: piped or typed lines in; text or JSON lines out."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TextIO

from bot import commands, texts
from bot.app import App
from bot.errors import AttachmentRefused
from bot.lessons import BIGGEST_FILE
from bot.messages import Answer, Attachment, InboundMessage, LessonProgress, Notice, Reply, Trouble, as_json
from bot.platforms.base import Core
from bot.platforms.typing_line import PipedLines, TypedLines
from bot.platforms.window import Window, cleaned
from bot.router import short_id
from bot.serving import serve

log = logging.getLogger(__name__)

CHUNK = 65_536


def run_terminal(app: App, *, user: str, as_json: bool, stdin: TextIO, stdout: TextIO) -> int:
    """Chat until the input ends; the exit code: 0, or 130 after Ctrl-C.

    Piped (or JSON): one message a line, each lesson and each waiting answer awaited before the next line. At a terminal: lessons
    go on in the background. Also 0 where whoever reads the output has gone.
    """
    if reconfigure := getattr(stdout, "reconfigure", None):
        reconfigure(errors="backslashreplace")  # an old locale cannot show everything, but must not end the chat
    try:
        if not as_json and stdin.isatty() and stdout.isatty():
            with Window(stdin, stdout) as window:
                lines = TypedLines(on_change=window.type, on_line=window.entered)
                asyncio.run(serve(app, Terminal(user, stdin, lines, window, waits=False)))
        else:
            screen = JsonScreen(stdout) if as_json else PlainScreen(stdout)
            asyncio.run(serve(app, Terminal(user, stdin, PipedLines(), screen, waits=True)))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        with suppress(OSError, ValueError):  # or Python would complain when it flushes at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
    return 0


class Screen(Protocol):
    """Where replies are shown."""

    def show(self, message_id: str, reply: Reply) -> None:
        """Show a reply, in place of what that message showed before, where that is possible."""

    def grow(self, piece: str) -> None:
        """Show the next piece of an answer."""

    def break_off(self) -> None:
        """The growing answer ends here, unfinished."""


class Lines(Protocol):
    """Makes lines of bytes as they come."""

    def feed(self, data: bytes) -> list[str | None]:
        """The lines that these bytes complete; None among them ends the input."""

    def end(self) -> list[str | None]:
        """What is left at the end of the input, and None."""


class Terminal:
    """One person at a terminal. `waits`: every line is followed to its end before the next one is read."""

    name = "terminal"
    biggest_file = 0  # exports are written into a folder here

    def __init__(
        self, user: str, stdin: TextIO, lines: Lines, screen: Screen, *,
        waits: bool, new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:  # fmt: skip
        self._user = cleaned(user).strip() or "you"
        self._stdin = stdin
        self._lines = lines
        self._screen = screen
        self._waits = waits
        self._new_id = new_id
        self._attached: list[Attachment] = []

    def serves(self, channel: str) -> bool:
        """A channel is the user's name: other people's lessons are shown to them."""
        return channel == self._user

    async def run(self, core: Core) -> None:
        """Hand over every line."""
        if not self._waits:
            self._show(Notice(texts.welcome(self._user)))
        async for line in self._typed():
            if line.strip():
                await self._take(core, line)
            if self._waits:
                await core.idle()
        if self._waits:
            await core.idle()
        elif core.busy:
            self._show(Notice(texts.GOODBYE_WAITING))

    async def send(self, channel: str, reply: Reply, reply_to: str | None = None) -> str:
        """Show the reply."""
        return self._show(reply)

    async def edit(self, channel: str, message_id: str, reply: Reply) -> None:
        """Show the reply in place of the earlier one."""
        self._screen.show(message_id, reply)

    async def stream(self, channel: str, pieces: AsyncIterator[str | Answer], reply_to: str | None = None) -> str | None:
        """Show the answer as it grows."""
        message_id = None
        try:
            async for piece in pieces:
                if isinstance(piece, Answer):
                    message_id = self._show(piece)
                else:
                    self._screen.grow(piece)
        finally:
            if message_id is None:
                self._screen.break_off()
        return message_id

    async def _take(self, core: Core, line: str) -> None:
        command = commands.parse(line)
        if isinstance(command, commands.AttachFile):
            self._attach(command.path)
            return
        attachments, self._attached = tuple(self._attached), []
        await core.handle(InboundMessage(self.name, self._user, self._user, self._user, self._new_id(), line, attachments, operator=True))

    def _attach(self, path: str) -> None:
        try:
            self._attached.append(read_file(path))
            self._show(Notice(texts.file_attached(self._attached[-1].name)))
        except AttachmentRefused as error:
            identifier = short_id()
            log.info("a file was refused, id=%s error=%s", identifier, error.detail)
            self._show(Trouble(error.user_message, identifier))

    def _show(self, reply: Reply) -> str:
        message_id = self._new_id()
        self._screen.show(message_id, reply)
        return message_id

    async def _typed(self) -> AsyncIterator[str]:
        """Lines of the input. A thread of our own reads them: it may block for ever without holding up the program's end."""
        loop, typed = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def take(data: bytes) -> None:  # at once, so that a person sees what they type while an answer is coming
            for line in self._lines.feed(data) if data else self._lines.end():
                typed.put_nowait(line)

        def hear(data: bytes) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(take, data)

        threading.Thread(target=_read, args=(self._stdin, hear), name="stdin", daemon=True).start()
        while (line := await typed.get()) is not None:
            yield line


class JsonScreen:
    """One JSON object a line, in ASCII, so that no locale and no reader's idea of a line end can break it."""

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout

    def show(self, message_id: str, reply: Reply) -> None:
        """Write the object."""
        print(json.dumps(as_json(reply)), file=self._stdout, flush=True)

    def grow(self, piece: str) -> None:
        """Nothing: the answer is one object."""

    def break_off(self) -> None:
        """Nothing."""


class PlainScreen:
    """Text that only ever goes on: a lesson has a line for each stage."""

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout
        self._stages: dict[str, str] = {}
        self._growing = False

    def show(self, message_id: str, reply: Reply) -> None:
        """Write the reply; of an answer that has been growing, only the line's end."""
        if isinstance(reply, LessonProgress):
            if self._stages.get(message_id) == reply.stage:
                return
            self._stages[message_id] = reply.stage
        if isinstance(reply, Answer) and self._growing:
            self.break_off()
        else:
            self._write(cleaned(reply.text) + "\n")

    def grow(self, piece: str) -> None:
        """Write the piece."""
        self._growing = True
        self._write(cleaned(piece))

    def break_off(self) -> None:
        """End the line."""
        if self._growing:
            self._growing = False
            self._write("\n")

    def _write(self, text: str) -> None:
        self._stdout.write(text)
        self._stdout.flush()


def read_file(path: str) -> Attachment:
    """The file at that path. Raises AttachmentRefused with a sentence for each thing that can be wrong with it."""
    place = Path(path)
    try:
        place = place.expanduser()
        if place.is_dir():
            raise AttachmentRefused(texts.file_is_folder(path), "a folder")
        if not place.exists():
            raise AttachmentRefused(texts.file_missing(path), "missing")
        if not place.is_file():
            raise AttachmentRefused(texts.file_unreadable(path, texts.NOT_A_FILE), "not a regular file")
        if place.stat().st_size > BIGGEST_FILE:
            raise AttachmentRefused(texts.file_too_big(place.name, BIGGEST_FILE), "too big")
        return Attachment(place.name, place.read_bytes())
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise AttachmentRefused(texts.file_unreadable(path, why), why) from error
    except (ValueError, RuntimeError) as error:  # a NUL in the path, an unknown ~user
        raise AttachmentRefused(texts.file_missing(path), type(error).__name__) from error


def _read(stdin: TextIO, hear: Callable[[bytes], None]) -> None:
    """Read to the end, and then say b"". From the descriptor where there is one: a buffered reader would be locked while it blocks."""
    try:
        descriptor = stdin.fileno()
    except (OSError, ValueError):
        buffer = getattr(stdin, "buffer", None)
        hear(buffer.read() if buffer is not None else stdin.read().encode("utf-8", "replace"))
    else:
        with suppress(OSError):  # the terminal has gone
            while data := os.read(descriptor, CHUNK):
                hear(data)
    hear(b"")
