"""What the engine has done, in the text format that Prometheus reads."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

from trainer.engine.generation import FinishReason, Generation

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds to the first token
WINDOW = 10.0  # seconds over which the present speed is measured


class Metrics:
    """Counts what ended. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: Counter[FinishReason] = Counter()
        self._refused = 0
        self._prompt_tokens = 0
        self._tokens = 0
        self._within = [0] * len(BUCKETS)
        self._first_count, self._first_sum = 0, 0.0
        self._recent: deque[tuple[float, int]] = deque()  # when, and how many tokens a step wrote

    def refuse(self) -> None:
        """A request was turned away, since the line was full."""
        with self._lock:
            self._refused += 1

    def step(self, tokens: int) -> None:
        """A step wrote so many tokens."""
        now = time.monotonic()
        with self._lock:
            self._tokens += tokens
            self._recent.append((now, tokens))
            self._drop_old(now)

    def end(self, generation: Generation, reason: FinishReason) -> None:
        """An answer ended."""
        with self._lock:
            self._ended[reason] += 1
            self._prompt_tokens += generation.prompt_tokens
            seconds = generation.first_token_seconds
            if seconds is not None:
                self._first_count += 1
                self._first_sum += seconds
                for index, most in enumerate(BUCKETS):
                    self._within[index] += seconds <= most

    def text(self, gauges: dict[str, float]) -> str:
        """Everything, with these figures of the moment."""
        with self._lock:
            now = time.monotonic()
            self._drop_old(now)
            lines = [
                *_counter("requests_total", "Answers that ended, by why.", {f'{{reason="{one}"}}': self._ended[one] for one in FinishReason}),
                *_counter("refused_total", "Requests turned away because the line was full.", {"": self._refused}),
                *_counter("prompt_tokens_total", "Tokens of prompts.", {"": self._prompt_tokens}),
                *_counter("completion_tokens_total", "Tokens written.", {"": self._tokens}),
                "# HELP tutee_engine_first_token_seconds From request to first token, waiting in line included.",
                "# TYPE tutee_engine_first_token_seconds histogram",
                *(
                    f'tutee_engine_first_token_seconds_bucket{{le="{most}"}} {count}'
                    for most, count in zip((*BUCKETS, "+Inf"), (*self._within, self._first_count), strict=True)
                ),
                f"tutee_engine_first_token_seconds_sum {self._first_sum:.6f}",
                f"tutee_engine_first_token_seconds_count {self._first_count}",
            ]
            speed = sum(tokens for _, tokens in self._recent) / WINDOW
        for name, value in {**gauges, "tokens_per_second": speed}.items():
            lines += [f"# TYPE tutee_engine_{name} gauge", f"tutee_engine_{name} {value:g}"]
        return "\n".join(lines) + "\n"

    def _drop_old(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()


def _counter(name: str, meaning: str, values: dict[str, int]) -> list[str]:
    head = [f"# HELP tutee_engine_{name} {meaning}", f"# TYPE tutee_engine_{name} counter"]
    return head + [f"tutee_engine_{name}{labels} {value}" for labels, value in values.items()]
