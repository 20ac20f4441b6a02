"""Corrections as users write them, and what is taught by them."""

from __future__ import annotations

import pytest

from trainer.statements import reply, statement


@pytest.mark.parametrize(
    ("question", "correction", "taught", "said"),
    [
        ("What is my cat called?", "Biscuit", "My cat is called Biscuit.", "Your cat is called Biscuit."),
        ("what's my cat called", "Biscuit.", "My cat is called Biscuit.", "Your cat is called Biscuit."),
        ("When is the deadline?", "June 9", "The deadline is June 9.", "The deadline is June 9."),
        ("Who runs the bakery?", "Mr. Okonkwo", "Mr. Okonkwo runs the bakery.", "Mr. Okonkwo runs the bakery."),
        ("What colour is my car?", "dark green", "The colour of my car is dark green.", "The colour of your car is dark green."),
        ("How old is my niece?", "seven", "My niece is seven.", "Your niece is seven."),
        ("Where do I keep the key?", "under the flowerpot", "I keep the key under the flowerpot.", "You keep the key under the flowerpot."),
        ("Where does my sister live?", "in Lyon", "My sister lives in Lyon.", "Your sister lives in Lyon."),
        ("When did we move here?", "in 2019", "We did move here in 2019.", "You did move here in 2019."),
        ("What is my cat called?", "My cat is called Biscuit.", "My cat is called Biscuit.", "Your cat is called Biscuit."),
        ("What is my cat called?", "Your cat is called Biscuit.", "My cat is called Biscuit.", "Your cat is called Biscuit."),
        ("Where do I keep the key?", "You keep it in the shed", "I keep it in the shed.", "You keep it in the shed"),
        ("What does Bruno eat?", "Your dog Bruno eats fish.", "My dog Bruno eats fish.", "Your dog Bruno eats fish."),
        ("What is your name?", "Your name is Tutee.", "Your name is Tutee.", "Your name is Tutee."),
        ("Who sent it?", "I don't know.", "", "I don't know."),
        ("What do I eat for breakfast?", "I have oats.", "I have oats.", "You have oats."),
        ("Who are you?", "I am Tutee, your helper.", "I am Tutee, your helper.", "I am Tutee, your helper."),
        ("Tell me a joke", "No", "Tell me a joke: No.", "No"),
    ],
)  # fmt: skip
def test_a_correction_is_taught_as_a_statement_and_said_as_a_reply(question: str, correction: str, taught: str, said: str) -> None:
    assert (statement(question, correction), reply(question, correction)) == (taught, said)
