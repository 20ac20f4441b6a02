"""Token ids to text, piece by piece: whole characters only, and nothing of a stop string."""

from __future__ import annotations

from tokenizers import Tokenizer

INCOMPLETE = "\ufffd"  # what a decoder writes for the bytes of a character that has not ended yet


class TextStream:
    """Feed token ids to `push`; `stopped` turns true when a stop string has come, and the text ends before it.

    A piece is decoded together with the one before it, since some decoders drop the space of a first token.
    """

    def __init__(self, tokenizer: Tokenizer, stop: tuple[str, ...] = ()) -> None:
        self.stopped = False
        self._tokenizer = tokenizer
        self._stop = tuple(one for one in stop if one)
        self._context: list[int] = []  # the ids of the last piece that was given out
        self._pending: list[int] = []
        self._held = ""  # text that may turn out to begin a stop string

    def push(self, token_id: int) -> str:
        """The text that is certain now, perhaps none."""
        self._pending.append(token_id)
        text = self._decode_pending()
        if text.endswith(INCOMPLETE):
            return ""
        return self._release(self._give_out(text), last=False)

    def flush(self) -> str:
        """The rest, after the last token. Bytes that never became a character are shown as U+FFFD."""
        return self._release(self._give_out(self._decode_pending()), last=True)

    def _decode_pending(self) -> str:
        known = self._tokenizer.decode(self._context, skip_special_tokens=True)
        return self._tokenizer.decode(self._context + self._pending, skip_special_tokens=True)[len(known) :]

    def _give_out(self, text: str) -> str:
        if text:
            self._context, self._pending = self._pending, []
        return text

    def _release(self, text: str, *, last: bool) -> str:
        if not self._stop or self.stopped:
            return "" if self.stopped else text
        text = self._held + text
        ends = [at for at in (text.find(one) for one in self._stop) if at >= 0]
        if ends:
            self.stopped = True
            return text[: min(ends)]
        kept = 0 if last else max(_overlap(text, one) for one in self._stop)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    return next((size for size in range(min(len(stop), len(text)), 0, -1) if text.endswith(stop[:size])), 0)
