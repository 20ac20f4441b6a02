"""Slack's markup, read as the words that somebody wrote, and words shown so that nothing in them is markup."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable

_MARK = re.compile(r"<([^<>]+)>")
_ADDRESSES = re.compile(r"<(?=[!@#])")


async def plain(text: str, bot: str, name_of: Callable[[str], Awaitable[str]]) -> str:
    """What a person wrote: without mentions of the bot, other people by name, links as addresses."""
    said, at = [], 0
    for mark in _MARK.finditer(text):
        said += [text[at : mark.start()], await _read(mark[1], bot, name_of)]
        at = mark.end()
    return html.unescape("".join([*said, text[at:]])).strip()


def escaped(text: str) -> str:
    """For places where Slack reads its own markup."""
    return html.escape(text, quote=False)


def harmless(markdown: str) -> str:
    """Markdown in which nothing calls people: an invisible character parts what Slack would take for a mention."""
    return _ADDRESSES.sub("<\u200b", markdown)


async def _read(mark: str, bot: str, name_of: Callable[[str], Awaitable[str]]) -> str:
    target, _, label = mark.partition("|")
    if target.startswith("@"):
        user = target[1:]
        return "" if user == bot else f"@{label or await name_of(user)}"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        return label or f"@{target[1:].partition('^')[0]}"
    return label if target.startswith(("mailto:", "tel:")) and label else target
