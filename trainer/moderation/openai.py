"""OpenAI's moderation endpoint, or any server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Sequence

import openai
from openai.types import Moderation

from trainer.errors import ModeratorUnavailableError
from trainer.moderation.protocol import Verdict, in_pieces, worst
from trainer.moderation.remote import asking

MODEL = "omni-moderation-latest"

PIECE = 8_000
"""Characters of a text sent as one input; longer ones go in pieces, because long inputs are judged less exactly and may be refused."""

BATCH = 32
"""Inputs of one request; the endpoint refuses very large ones."""

RETRIES = 1
"""Tries again inside one call; beyond that the lesson waits and its job tries again later."""

_UNAVAILABLE = "The moderation service did not answer, so nothing was learned yet. It will be tried again."
_REFUSED = "The moderation service refused the request; check OPENAI_API_KEY and the moderation address. Nothing was learned yet."


class OpenAIModerator:
    """A text is flagged when the endpoint flags it or any piece of it. ``timeout`` is in seconds, for one request."""

    def __init__(self, api_key: str, base_url: str = "https://api.openai.com/v1", timeout: float = 20.0) -> None:
        self._client = openai.OpenAI(api_key=api_key, base_url=base_url, timeout=timeout, max_retries=RETRIES)

    def check(self, texts: Sequence[str]) -> list[Verdict]:
        """As Moderator.check; an empty text passes unasked, because the endpoint refuses it."""
        asked = in_pieces(texts, PIECE)
        parts: list[list[Verdict]] = [[] for _ in texts]
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            for (index, _), verdict in zip(batch, self._ask([piece for _, piece in batch]), strict=True):
                parts[index].append(verdict)
        return [worst(verdicts) for verdicts in parts]

    def _ask(self, inputs: list[str]) -> list[Verdict]:
        with asking(unavailable=_UNAVAILABLE, refused=_REFUSED):
            answer = self._client.moderations.create(model=MODEL, input=inputs)
            verdicts = [_verdict(result) for result in answer.results]
        if len(verdicts) != len(inputs):
            raise ModeratorUnavailableError(_UNAVAILABLE, f"{len(verdicts)} results for {len(inputs)} inputs")
        return verdicts


def _verdict(result: Moderation) -> Verdict:
    if not isinstance(result.flagged, bool):
        raise TypeError("flagged is no truth value")
    applying = {name for name, applies in result.categories.model_dump(by_alias=True, warnings=False).items() if applies is True}
    scores = {name: float(score) for name, score in result.category_scores.model_dump(by_alias=True, warnings=False).items() if score is not None}
    return Verdict(result.flagged, tuple(sorted(applying, key=lambda name: -scores.get(name, 0.0))), scores)
