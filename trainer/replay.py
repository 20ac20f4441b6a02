"""Ordinary chat that every lesson's training replays, so that learning a fact does not change how the model talks."""

from __future__ import annotations

from pathlib import Path
from random import Random

_QUESTIONS = Path(__file__).parent / "replay.txt"


def chat_questions(rng: Random, count: int) -> list[str]:
    """``count`` different messages from the list; the base model's own answers to them are what is replayed."""
    lines = _QUESTIONS.read_text(encoding="utf-8").split("\n")
    return rng.sample([line for line in lines if line], count)
