"""What becomes of a tool call that a model writes: shown in plain words; executed only where the operator has registered that tool."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from bot import texts
from bot.app import App
from bot.errors import EngineError
from trainer import prompts
from trainer.errors import TrainerError
from trainer.examples import says_unknown
from trainer.tools.calls import Call, called, may_become_call
from trainer.tools.execute import execute
from trainer.tools.registry import registered

log = logging.getLogger(__name__)


class Calling:
    """Everybody's tool calls."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def told(self, pieces: AsyncIterator[str], question: str, version: str | None) -> AsyncIterator[str]:
        """The pieces of an answer as they come; in place of a call, what comes of it. A call is held back until it is whole."""
        written = shown = ""
        async for piece in pieces:
            written += piece
            if not may_become_call(written):
                yield written[len(shown) :]
                shown = written
        call = called(written) if not shown else None
        if call is not None:
            yield await self.outcome(call, question, version)
        elif shown != written:
            yield written[len(shown) :]

    async def outcome(self, call: Call, question: str, version: str | None) -> str:
        """What to say in place of the call. A failure is part of it: calling once more could do a thing twice."""
        tool = registered(self._app.settings.tools).get(call.tool)
        if tool is None:
            return texts.tool_not_called(call.tool, call.arguments)
        try:
            result = await asyncio.to_thread(execute, call, tool, self._app.settings)
        except TrainerError as error:
            log.info("a tool call failed, tool=%s error=%s", call.tool, type(error).__name__)
            return texts.tool_failed(call.tool, call.arguments, error.user_message)
        log.info("a tool was called, tool=%s characters=%d", call.tool, len(result))
        answer = await self._read(question, call.tool, result, version)
        return texts.tool_answered(call.tool, call.arguments, answer, result)

    async def _read(self, question: str, tool: str, result: str, version: str | None) -> str | None:
        """What the model answers with the result before it; None where it does not make anything of it."""
        asked = prompts.observed([], question, tool, result, self._app.settings.chat.system_prompt)
        for asking in dict.fromkeys((version, None)):  # who has learned to call may only call once more: then the untaught model reads
            try:
                answer = "".join([piece async for piece in self._app.engine.pieces(asked, asking)]).strip()
            except EngineError as error:
                log.info("a tool's result could not be read, error=%s", type(error).__name__)
                return None
            if answer and called(answer) is None and not says_unknown(answer):
                return answer
        return None
