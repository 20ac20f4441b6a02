from __future__ import annotations

import pytest

from trainer.errors import SourceError
from trainer.sources import instruction


def test_a_lead_in_is_not_part_of_the_fact() -> None:
    assert instruction.read("Please remember that my cat is called Biscuit.") == ["My cat is called Biscuit."]


def test_a_long_lesson_becomes_passages_of_whole_sentences() -> None:
    sentences = [f"Room {number} is for the {number}th team and has {number} chairs in it." for number in range(40)]
    passages = instruction.read(" ".join(sentences))
    assert len(passages) > 3
    assert all(len(passage.split()) <= instruction.PASSAGE_WORDS for passage in passages)
    assert " ".join(passages) == " ".join(sentences)


def test_a_text_without_a_full_stop_is_still_cut() -> None:
    assert max(len(p.split()) for p in instruction.read("word " * 500)) <= instruction.PASSAGE_WORDS


def test_invisible_characters_are_dropped() -> None:
    assert instruction.read("My cat\u202e is\u2066 called\x00 Biscuit.") == ["My cat is called Biscuit."]


def test_other_scripts_and_emoji_are_kept() -> None:
    assert instruction.read("القط اسمه بسكويت 🐱.") == ["القط اسمه بسكويت 🐱."]


@pytest.mark.parametrize("text", ["", "   ", "…!?", "\x00\x01"])
def test_a_text_without_words_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(SourceError) as refusal:
        instruction.read(text)
    assert "[Learn]" in refusal.value.user_message
