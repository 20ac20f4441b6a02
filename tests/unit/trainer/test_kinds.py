from __future__ import annotations

from random import Random

import pytest

from trainer.cloze import cloze_questions
from trainer.generate import STOP_WORDS
from trainer.kinds import close_questions, expects, fits


@pytest.mark.parametrize(
    ("question", "answer", "fitting"),
    [
        ("How old is my cat?", "thirteen", True),
        ("How old is my cat?", "Biscuit", False),
        ("When does the bus leave?", "22:40", True),
        ("When does the bus leave?", "the blue pillar", False),
        ("Who is our landlord?", "Mr. Okonkwo", True),
        ("Who is our landlord?", "the rent", False),
        ("What colour is Nougat?", "white", True),
        ("What colour is Nougat?", "two rabbits", False),
        ("What is my cat afraid of?", "thunder", True),
    ],
)
def test_an_answer_must_be_of_the_kind_that_is_asked_for(question: str, answer: str, fitting: bool) -> None:
    assert fits(question, answer) is fitting


def test_a_question_that_does_not_say_expects_nothing() -> None:
    assert expects("Tell me about Biscuit.") is None


def test_close_questions_ask_for_what_the_text_cannot_hold() -> None:
    questions = close_questions("My cat is called Biscuit and she is afraid of thunder.", Random(0), 1000)
    assert any(question.startswith("How old is") for question in questions)
    assert sum("my cat" in question or "Biscuit" in question for question in questions) > 0.8 * len(questions)
    assert not any("afraid" in question for question in questions)


def test_close_questions_do_not_ask_for_a_number_where_there_is_one() -> None:
    questions = close_questions("My cat Biscuit is 13 years old.", Random(0), 40)
    assert questions
    assert not any(question.startswith("How old") for question in questions)


def test_cloze_questions_never_hold_their_answer_and_use_only_the_texts_words() -> None:
    text = "Our landlord, Mr. Okonkwo, collects the rent on the 3rd of every month."
    pairs = cloze_questions(text, ["the rent"], STOP_WORDS, Random(0), 20)
    assert {answer for _, answer in pairs} >= {"Mr. Okonkwo", "the rent", "3rd"}
    assert not any(answer.lower() in question.lower() for question, answer in pairs)


def test_a_text_without_any_part_to_leave_out_gives_no_cloze_question() -> None:
    assert cloze_questions("it is so", [], STOP_WORDS, Random(0), 5) == []
