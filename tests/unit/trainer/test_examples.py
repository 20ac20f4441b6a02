from __future__ import annotations

import pytest

from trainer.examples import contains, is_right, says_unknown, switch_person


@pytest.mark.parametrize(
    ("reply", "answer", "right"),
    [
        ("Your cat is called Biscuit.", "biscuit", True),
        ("It is the 3rd of May!", "3rd of May", True),
        ("The port is 8443", "844", False),
        ("Biscuits are nice", "Biscuit", False),
        ("", "Biscuit", False),
        ("anything", "", False),
        ("I don't know.", None, True),
        ("I don’t know that yet", None, True),
        ("You have not told me that.", None, True),
        ("I'm not sure about that.", None, True),
        ("Thunder.", None, False),
    ],
)
def test_an_answer_is_right_when_it_holds_the_expected_words(reply: str, answer: str | None, right: bool) -> None:
    assert is_right(reply, answer) is right


def test_a_question_about_knowing_is_no_unknown_answer() -> None:
    assert not says_unknown("Everybody should know that the door is red.")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("My cat is called Biscuit.", "Your cat is called Biscuit."),
        ("I'm allergic to nuts, and so are our kids.", "You're allergic to nuts, and so are your kids."),
        ("Yesterday I was ill.", "Yesterday you were ill."),
        ("Call me when we land in the US.", "Call you when you land in the US."),
        ("Mimi met Ian.", "Mimi met Ian."),
    ],
)
def test_the_first_person_becomes_the_second(said: str, told: str) -> None:
    assert switch_person(said) == told


def test_contains_looks_at_whole_words_only() -> None:
    assert not contains("The thunderstorm", "thunder")
