"""An answer that grows: with Slack's own streaming where Slack lets us, else by edits; exact in the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from bot import cards, texts
from bot.messages import Answer
from bot.platforms.base import Undeliverable
from bot.platforms.slack import blocks
from bot.platforms.slack.blocks import Shown
from bot.platforms.slack.calls import Limited, Refused, insist, once
from bot.platforms.slack.places import Place
from bot.platforms.slack.workspaces import Workspace

log = logging.getLogger(__name__)

Upload = Callable[[Shown], Awaitable[None]]


class Growing:
    """One answer in one place, to one person.

    Slack's stream is asked for with `markdown_text`, which its description requires; a stream needs a thread, ends by itself after some
    minutes, and may be started about twenty times a minute in a workspace: whenever it fails, the message is edited as a whole. Bolt's
    own `say_stream` is not used: it keeps words back and cannot go on with a stream that has ended.
    """

    def __init__(self, workspace: Workspace, place: Place, user: str, pauses: Sequence[float]) -> None:
        self._client = workspace.client
        self._tiers = workspace.tiers
        self._place = place
        self._user = user
        self._pauses = pauses
        self._streams = place.thread is not None
        self._streamed = ""
        self._shown = ""
        self._is_exact = True  # as far as we know, what Slack has is what we streamed
        self.ts: str | None = None

    def turn(self) -> float:
        """Take the next turn among the workspace's answers; how many seconds it is away."""
        if self._streams and self.ts is None:
            self._streams = self._tiers.start.is_free
        if not self._streams:
            return self._tiers.edit.turn()
        return self._tiers.start.turn() if self.ts is None else self._tiers.append.turn()

    def wait(self, seconds: float) -> None:
        """Slack wants no steps for so long, of this answer or of others."""
        (self._tiers.append if self._streams else self._tiers.edit).wait(seconds)

    async def step(self, text: str) -> None:
        """Show what there is so far. Raises Undeliverable where that did not work this time."""
        safe, _ = blocks.shortened(text)
        if safe.endswith("<"):  # what comes next decides whether it is harmless
            safe = safe[:-1]
        if not safe.strip() or safe == self._shown:
            return
        if self._streams and self.ts is None:
            await self._start(safe)
        elif self._streams:
            await self._append(safe)
        if not self._streams:
            body, _ = blocks.answer(text, (cards.STOP,))
            await self._put({"text": blocks.notification(text), "blocks": body}, ())
        self._shown = safe

    async def end(self, final: Shown, words: str) -> str:
        """Show the whole message, whose own text is `words`; its time stamp. Raises Undeliverable."""
        if self._streams and self.ts is not None:
            try:
                await self._stop(final, words)
            except Undeliverable as error:
                log.info("a stream had ended, error=%s", error)
                self._is_exact = False
            if self._is_exact:
                return self.ts
        await self._put(final.arguments(), self._pauses)
        return self.ts or ""

    async def _start(self, safe: str) -> None:
        place = self._place
        try:
            answer = await once(lambda: self._client.chat_startStream(
                channel=place.channel, thread_ts=place.thread or "", markdown_text=safe,
                recipient_team_id=place.team, recipient_user_id=self._user,
            ))  # fmt: skip
        except Undeliverable as error:
            log.info("no stream, error=%s", error)
            self._streams = False
            if isinstance(error, Limited):
                self._tiers.start.wait(error.seconds)
        else:
            self.ts, self._streamed = str(answer["ts"]), safe

    async def _append(self, safe: str) -> None:
        more = safe.removeprefix(self._streamed)
        try:
            await once(lambda: self._client.chat_appendStream(channel=self._place.channel, ts=self.ts or "", markdown_text=more))
        except Limited:
            raise
        except Refused as error:
            log.info("a stream has ended, error=%s", error)
            self._streams = False
        except Undeliverable:
            self._is_exact = False  # it may have arrived
            raise
        else:
            self._streamed = safe

    async def _stop(self, final: Shown, words: str) -> None:
        self._is_exact = self._is_exact and words.startswith(self._streamed)
        more = words.removeprefix(self._streamed) if self._is_exact else ""
        below = [each for each in final.blocks if each["type"] != "markdown"]
        arguments: dict[str, Any] = {"channel": self._place.channel, "ts": self.ts or "", "blocks": below}
        if more:
            arguments["markdown_text"] = more
        await insist(lambda: self._client.chat_stopStream(**arguments), self._pauses)

    async def _put(self, arguments: dict[str, Any], pauses: Sequence[float]) -> None:
        place = self._place
        if self.ts is None:
            answer = await insist(lambda: self._client.chat_postMessage(channel=place.channel, thread_ts=place.thread, **arguments), pauses)
            self.ts = str(answer["ts"])
        else:
            await insist(lambda: self._client.chat_update(channel=place.channel, ts=self.ts or "", **arguments), pauses)


async def grow(pieces: AsyncIterator[str | Answer], growing: Growing, upload: Upload, *, every: float) -> str | None:
    """Show the answer as it comes; its message's time stamp, None where nothing came.

    `upload` sends files, `every` is the time in seconds between two steps. What `pieces` raises goes through, after what was shown
    so far has been ended. Raises Undeliverable.
    """
    written, answer = [""], None
    news, ended = asyncio.Event(), asyncio.Event()
    keeping_up = asyncio.create_task(_keep_up(growing, written, news, ended, every))
    try:
        async for piece in pieces:
            if isinstance(piece, Answer):
                answer = piece
            else:
                written[0] += piece
                news.set()
    finally:
        ended.set()
        news.set()
        await asyncio.wait({keeping_up})
        if answer is None and growing.ts is not None:
            broken_off, _ = blocks.shortened(written[0] + texts.BROKEN_OFF)
            body, _ = blocks.answer(broken_off)
            await growing.end(Shown(blocks.notification(broken_off), body), broken_off)
    if answer is None:
        return None
    final = blocks.message(answer)
    words, _ = blocks.shortened(answer.text.lstrip() or texts.SAYS_NOTHING)
    ts = await growing.end(final, words)
    if final.files:
        await upload(final)
    return ts


async def _keep_up(growing: Growing, written: list[str], news: asyncio.Event, ended: asyncio.Event, every: float) -> None:
    """Show what is there, now and then, until the answer has ended."""
    while True:
        await news.wait()
        news.clear()
        if ended.is_set():
            return
        if await _comes(ended, growing.turn()):
            return
        try:
            await growing.step(written[0].lstrip())
        except Undeliverable as error:
            log.info("a step of an answer was not shown, error=%s", error)
            if isinstance(error, Limited):
                growing.wait(error.seconds)
        await _comes(ended, every)


async def _comes(ended: asyncio.Event, seconds: float) -> bool:
    """Whether the end comes within that time."""
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)
    return ended.is_set()
