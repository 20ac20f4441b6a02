"""What a reply looks like: one or more messages, with buttons and files on the last; or, of a list of cards, one message of its own kind."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import discord

from bot import cards, texts
from bot.messages import Action, Attachment, Card, LessonProgress, Notice, Reply, Trouble
from bot.platforms.discord import buttons, chunks, layouts

MOST_MESSAGES = 4  # of one reply; what is longer is a file as well


@dataclass(frozen=True, slots=True)
class Part:
    """One message. With `cards`, `picture` is one of the files."""

    text: str
    actions: tuple[Action, ...] = ()
    owner: int | None = None
    files: tuple[Attachment, ...] = ()
    cards: tuple[Card, ...] = ()
    picture: Attachment | None = None

    def to_send(self) -> dict[str, Any]:
        """Arguments for sending it; anew for each try, because a file is read once."""
        if self.cards:
            return {"view": self._layout(), "files": self._files()}
        arguments: dict[str, Any] = {"content": self.text}
        view = buttons.view(self.actions, self.owner)
        if view is not None:
            arguments["view"] = view
        if self.files:
            arguments["files"] = self._files()
        return arguments

    def to_edit(self) -> dict[str, Any]:
        """Arguments for showing it in place of another one, of which Discord takes cards only in place of cards, or of nothing yet."""
        if self.cards:
            return {"view": self._layout(), "attachments": self._files()}
        return {"content": self.text, "view": buttons.view(self.actions, self.owner), "attachments": self._files()}

    def _layout(self) -> discord.ui.LayoutView:
        return layouts.layout(self.text, self.picture, self.cards, self.actions, self.owner)

    def _files(self) -> list[discord.File]:
        return [discord.File(io.BytesIO(each.content), each.name) for each in self.files]


def parts(reply: Reply) -> list[Part]:
    """The messages that show the reply."""
    owner = None if isinstance(reply, Trouble) else reply.owner
    if isinstance(reply, Notice) and reply.cards:
        headline, _, _ = reply.text.partition("\n")  # the rest is what the cards say
        return [Part(headline, reply.actions, owner, _files(reply), reply.cards, reply.picture)]
    text = f"{reply.text}\n{texts.bar(reply.percent)}" if isinstance(reply, LessonProgress) else reply.text
    return dressed(text, cards.actions(reply), owner, _files(reply))


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
