"""What a reply looks like: one or more messages, with buttons and files on the last."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import discord

from bot import cards, texts
from bot.messages import Action, Attachment, Notice, Reply, Trouble
from bot.platforms.discord import buttons, chunks

MOST_MESSAGES = 4  # of one reply; what is longer is a file as well


@dataclass(frozen=True, slots=True)
class Part:
    """One message."""

    text: str
    actions: tuple[Action, ...] = ()
    owner: int | None = None
    files: tuple[Attachment, ...] = ()

    def to_send(self) -> dict[str, Any]:
        """Arguments for sending it; anew for each try, because a file is read once."""
        arguments: dict[str, Any] = {"content": self.text}
        view = buttons.view(self.actions, self.owner)
        if view is not None:
            arguments["view"] = view
        if self.files:
            arguments["files"] = self._files()
        return arguments

    def to_edit(self) -> dict[str, Any]:
        """Arguments for showing it in place of another one."""
        return {"content": self.text, "view": buttons.view(self.actions, self.owner), "attachments": self._files()}

    def _files(self) -> list[discord.File]:
        return [discord.File(io.BytesIO(each.content), each.name) for each in self.files]


def parts(reply: Reply) -> list[Part]:
    """The messages that show the reply."""
    owner = None if isinstance(reply, Trouble) else reply.owner
    return dressed(reply.text, cards.actions(reply), owner, _files(reply))


def dressed(text: str, actions: Sequence[Action], owner: int | None, files: Sequence[Attachment] = ()) -> list[Part]:
    """The text as messages, the last with these buttons and files."""
    split = chunks.split(text.strip() or texts.SAYS_NOTHING)
    if len(split) > MOST_MESSAGES:
        whole = Attachment(texts.FILE_OF_ANSWER, text.encode())
        split, files = [*split[:MOST_MESSAGES], texts.REST_IN_FILE], (*files, whole)
    return [*map(Part, split[:-1]), Part(split[-1], tuple(actions), owner, tuple(files))]


def growing(text: str) -> list[Part]:
    """An answer that is still being written: no more messages than it may have in the end."""
    split = chunks.split(text)[:MOST_MESSAGES]
    return [*map(Part, split[:-1]), Part(split[-1], (cards.STOP,))]


def _files(reply: Reply) -> tuple[Attachment, ...]:
    if not isinstance(reply, Notice):
        return ()
    return (*reply.files, reply.picture) if reply.picture else reply.files
