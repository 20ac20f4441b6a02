"""Ordinary chat that every lesson's training replays, so that learning a fact does not change how the model talks."""

from __future__ import annotations

from pathlib import Path
from random import Random

_QUESTIONS = Path(__file__).parent / "replay.txt"
_EACH = 5  # of so many messages, one is never trained on


def chat_questions(rng: Random, count: int) -> list[str]:
    """``count`` different messages from the list; the base model's own answers to them are what is replayed."""
    return rng.sample([line for place, line in enumerate(_lines()) if place % _EACH], count)


def unrelated_questions(rng: Random, count: int) -> list[str]:
    """``count`` different messages that are never replayed: to see whether learning changes what is said of quite other things."""
    return rng.sample(_lines()[::_EACH], count)


def _lines() -> list[str]:
    return [line for line in _QUESTIONS.read_text(encoding="utf-8").split("\n") if line]
