"""A model as moderator, behind any endpoint that speaks OpenAI's chat completions: a guard model, or a language model asked to judge.

It sees what classifiers miss, bias above all. A guard model (Llama Guard's form of answer) gets the text alone, because the categories stand
in its own template; any other model is told what to look for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, cast

import openai
from openai.types.chat import ChatCompletionMessageParam

from trainer import prompts
from trainer.errors import ModeratorUnavailableError
from trainer.moderation.protocol import Verdict, in_pieces, worst
from trainer.moderation.remote import asking

Kind = Literal["judge", "guard"]

PIECE = 4_000
"""Characters of a text judged at once: a model overlooks a sentence in a long text."""

SIDE_BY_SIDE = 8
"""Requests at once; a server such as vLLM answers them in one batch."""

RETRIES = 1
"""Tries again inside one call; beyond that the lesson waits and its job tries again later."""

ANSWER_TOKENS = 40
TRIES = 2
"""Times that a text is asked about when the model answers something else than a verdict."""

HAZARDS = {
    "S1": "illicit/violent", "S2": "illicit", "S3": "sexual", "S4": "sexual/minors", "S5": "harassment", "S6": "illicit", "S7": "privacy",
    "S8": "illicit", "S9": "illicit/violent", "S10": "hate", "S11": "self-harm", "S12": "sexual", "S13": "illicit", "S14": "illicit",
}  # fmt: skip
"""Llama Guard's hazards (MLCommons' taxonomy) as the categories of OpenAI's endpoint; privacy has none there."""

_VERDICT = re.compile(r"\W*(?P<verdict>unsafe|safe)\b[\s.:,-]*(?P<categories>[^\n]*)", re.I)
_UNAVAILABLE = "The model that judges lessons did not answer, so nothing was learned yet. It will be tried again."
_REFUSED = (
    "The model that judges lessons refused the request; check moderation.judge_url, judge_model and TUTEE_JUDGE_API_KEY. Nothing was learned yet."
)
_UNREADABLE = "The model that judges lessons gave no verdict, so nothing was learned yet. It will be tried again."


class JudgeModerator:
    """A text is flagged when the model calls it, or any piece of it, unsafe. ``timeout`` is in seconds, for one request."""

    def __init__(self, base_url: str, model: str, kind: Kind = "judge", api_key: str | None = None, timeout: float = 60.0) -> None:
        # A server of one's own may want no key, but the package wants one.
        self._client = openai.OpenAI(api_key=api_key or "none", base_url=base_url, timeout=timeout, max_retries=RETRIES)
        self._model, self._kind = model, kind

    def check(self, texts: Sequence[str]) -> list[Verdict]:
        """As Moderator.check; an empty text passes unasked."""
        asked = in_pieces(texts, PIECE)
        parts: list[list[Verdict]] = [[] for _ in texts]
        with ThreadPoolExecutor(max(1, min(SIDE_BY_SIDE, len(asked)))) as pool:
            for (index, _), verdict in zip(asked, pool.map(lambda piece: self._judged(piece[1]), asked), strict=True):
                parts[index].append(verdict)
        return [worst(verdicts) for verdicts in parts]

    def _judged(self, text: str) -> Verdict:
        asked = [{"role": "user", "content": text}] if self._kind == "guard" else prompts.judge(text)
        messages = cast(list[ChatCompletionMessageParam], asked)  # the package's own form of the same dictionaries
        for turn in range(TRIES):
            verdict = verdict_of(self._ask(messages, turn))
            if verdict is not None:
                return verdict
        raise ModeratorUnavailableError(_UNREADABLE, "an answer without safe or unsafe")

    def _ask(self, messages: list[ChatCompletionMessageParam], turn: int) -> str:
        with asking(unavailable=_UNAVAILABLE, refused=_REFUSED):
            answer = self._client.chat.completions.create(
                model=self._model, messages=messages, max_tokens=ANSWER_TOKENS, temperature=0.0 if turn == 0 else 0.5, seed=turn
            )
            return answer.choices[0].message.content or ""


def verdict_of(answer: str) -> Verdict | None:
    """The verdict that an answer begins with: "safe", or "unsafe" and the categories; None where it begins with something else."""
    found = _VERDICT.match(re.sub(r"^\s*<think>.*?</think>", "", answer, flags=re.S))
    if found is None:
        return None
    if found["verdict"].lower() == "safe":
        return Verdict(False)
    named = [part.strip(" .'\"*`()[]").lower() for part in re.split(r"[,;\s]+", found["categories"])]
    categories = tuple(dict.fromkeys(HAZARDS.get(name.upper(), name) for name in named if HAZARDS.get(name.upper()) or name in prompts.JUDGED))
    return Verdict(True, categories or ("unspecified",), dict.fromkeys(categories or ("unspecified",), 1.0))
