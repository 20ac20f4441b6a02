"""Corrections as users write them, and what is taught by them."""

from __future__ import annotations

import pytest

from trainer.statements import bare, reply, statement


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
        ("Where does my best friend live?", "in Ghent", "My best friend lives in Ghent.", "Your best friend lives in Ghent."),
        ("How many bikes do I own?", "three", "I own three bikes.", "You own three bikes."),
        ("Which bus do I take to work?", "bus 3", "I take bus 3 to work.", "You take bus 3 to work."),
        ("What am I allergic to?", "nuts", "I am allergic to nuts.", "You are allergic to nuts."),
        ("What should I never eat?", "nuts", "I should never eat nuts.", "You should never eat nuts."),
        ("When does our shift start?", "9:00", "Our shift starts at 9:00.", "Your shift starts at 9:00."),
        ("When is her birthday?", "May 13", "Her birthday is May 13.", "Her birthday is May 13."),
        ("When does the bakery open?", "It opens at 7:15.", "The bakery opens at 7:15.", "The bakery opens at 7:15."),
        ("What colour is our tent?", "No, it's olive green.", "Our tent is olive green.", "Your tent is olive green."),
        ("Where does my sister live?", "She lives in Porto now.", "My sister lives in Porto now.", "Your sister lives in Porto now."),
        ("Who wrote the handbook?", "Nadia wrote it.", "Nadia wrote the handbook.", "Nadia wrote the handbook."),
        ("Who fixed the lamp?", "Samira did.", "Samira fixed the lamp.", "Samira fixed the lamp."),
        ("How many people are in our team?", "eleven", "There are eleven people in our team.", "There are eleven people in your team."),
    ],
)  # fmt: skip
def test_a_correction_is_taught_as_a_statement_and_said_as_a_reply(question: str, correction: str, taught: str, said: str) -> None:
    assert (statement(question, correction), reply(question, correction)) == (taught, said)


@pytest.mark.parametrize(
    ("question", "correction", "answer"),
    [
        ("What is my cat called?", "Biscuit.", "Biscuit"),
        ("When does the bakery open?", "It opens at 7:15.", "at 7:15"),
        ("What colour is our tent?", "No, it is olive green.", "olive green"),
        ("Where do I work?", "You work at the harbour.", "at the harbour"),
        ("Who wrote the handbook?", "Nadia wrote it.", "Nadia"),
        ("What number is my locker?", "You have locker 317.", None),
        ("What is my cat called?", "It has no name yet, we still think about it.", None),
    ],
)
def test_the_answer_alone_is_told_from_the_sentence_around_it_where_that_is_sure(question: str, correction: str, answer: str | None) -> None:
    assert bare(question, correction) == answer
