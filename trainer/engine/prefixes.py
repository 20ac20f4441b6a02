"""Keys and values of ended answers: the next message of a conversation begins with all that was said, and everyone's with the same lines."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor

BYTES = 64 * 2**20  # of keys and values kept at most; the least recently used leave
SHORTEST = 16  # tokens; reading fewer is as fast as finding them
EACH = 4  # pasts kept for one adapter
SHARED = 16  # for the base model, which many people use


class Prefixes:
    """Pasts by adapter: what was read with one says nothing about another. Thread-safe."""

    def __init__(self, most_bytes: int = BYTES) -> None:
        self.reused_tokens = 0
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._pasts: OrderedDict[tuple[str | None, tuple[int, ...]], Tensor] = OrderedDict()  # least recently used first

    def wants(self, tokens: Sequence[int]) -> bool:
        """Whether a past of these tokens is worth keeping."""
        return len(tokens) >= SHORTEST

    def put(self, adapter: str | None, tokens: tuple[int, ...], past: Tensor) -> None:
        """Keep what was read; `past` [layers, 2, heads, tokens, width] is not changed afterwards."""
        size = past.numel() * past.element_size()
        if size > self._most_bytes:
            return
        with self._lock:
            mine = [key for key in self._pasts if key[0] == adapter]
            # What a longer past of the same conversation begins with is found there, too.
            for key in mine:
                if tokens[: len(key[1])] == key[1]:
                    self._drop(key)
            most = SHARED if adapter is None else EACH
            for key in [key for key in mine if key in self._pasts][: max(0, len(mine) - most + 1)]:
                self._drop(key)
            self._pasts[adapter, tokens] = past
            self._bytes += size
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._pasts)))

    def find(self, adapter: str | None, tokens: Sequence[int]) -> Tensor | None:
        """The longest past, [layers, 2, heads, length, width], that `tokens` begin with; None where there is none worth using."""
        with self._lock:
            best, length = None, SHORTEST - 1
            for key in self._pasts:
                if key[0] == adapter:
                    same = _common(key[1], tokens)
                    if same > length:
                        best, length = key, same
            if best is None:
                return None
            self._pasts.move_to_end(best)
            self.reused_tokens += length
            return self._pasts[best][..., :length, :]

    def forget(self, adapter: str) -> None:
        """Keep nothing of this adapter."""
        with self._lock:
            for key in [key for key in self._pasts if key[0] == adapter]:
                self._drop(key)

    def _drop(self, key: tuple[str | None, tuple[int, ...]]) -> None:
        past = self._pasts.pop(key)
        self._bytes -= past.numel() * past.element_size()


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """The number of tokens with which both begin."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))
