"""Whose turn it is in the engine, and what it tells about itself."""

from __future__ import annotations

import re

from tests.tiny_models import tiny_tokenizer
from trainer.engine.generation import FinishReason, Generation, GenerationRequest
from trainer.engine.line import Line
from trainer.engine.metrics import Metrics

TOKENIZER = tiny_tokenizer().backend_tokenizer


def asked(adapter: str | None) -> Generation:
    return Generation(GenerationRequest((1, 2, 3), adapter), TOKENIZER)


def taken(line: Line) -> list[Generation]:
    order = []
    while len(line):
        order.append(line.first())
        line.remove(order[-1])
    return order


def test_users_take_turns_whatever_one_of_them_asks() -> None:
    line = Line()
    many, one, untaught, another = [asked("a") for _ in range(3)], asked("b"), asked(None), asked(None)
    for generation in (*many, one, untaught, another):
        line.append(generation)
    assert taken(line) == [many[0], one, untaught, another, many[1], many[2]]


def test_who_gives_up_waiting_loses_no_turn() -> None:
    line = Line()
    first, second, other = asked("a"), asked("a"), asked("b")
    for generation in (first, second, other):
        line.append(generation)
    line.remove(second)
    assert len(line) == 2 and taken(line) == [first, other]


def test_metrics_tell_first_tokens_speed_and_refusals() -> None:
    metrics = Metrics()
    generation = asked("a")
    generation.count()
    metrics.step(1)
    metrics.end(generation, FinishReason.STOP)
    metrics.refuse()
    text = metrics.text({"running": 2})
    assert 'tutee_engine_requests_total{reason="stop"} 1' in text and "tutee_engine_refused_total 1" in text
    assert "tutee_engine_first_token_seconds_count 1" in text and "tutee_engine_prompt_tokens_total 3" in text
    assert "tutee_engine_running 2" in text and "tutee_engine_tokens_per_second 0.1" in text
    assert all(re.fullmatch(r"# (HELP|TYPE) .+|[a-z_]+(\{[a-z]+=\"[^\"]+\"\})? [0-9.e+-]+", line) for line in text.splitlines())
