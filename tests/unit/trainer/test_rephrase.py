"""Other ways to ask a question, told by its form alone."""

from __future__ import annotations

import pytest

from trainer.rephrase import other_ways


@pytest.mark.parametrize(
    ("question", "answer", "ways"),
    [
        ("What is my cat called?", "Biscuit", ["What is the name of my cat?", "Which cat do I have?"]),
        ("Who is our landlord?", "Mr. Okonkwo", ["What is our landlord's name?", "Do you know who our landlord is?"]),
        ("Where is the ladder?", "in the shed", ["Where can I find the ladder?", "In which place is the ladder?"]),
        ("When does the shop open?", "at 9:30", ["At what time does the shop open?", "Tell me when the shop opens."]),
        ("When does the choir meet?", "on Mondays", ["On which day does the choir meet?"]),
        ("How old is my niece?", "seven", ["What is my niece's age?"]),
        ("How much does the ferry cost?", "45 pounds", ["What is the price of the ferry?"]),
        ("What colour is the door?", "red", ["Which colour does the door have?"]),
        ("What is the club's motto?", "Onwards", ["What is the motto of the club?"]),
        ("Which bus do I take to work?", "bus 3", ["What bus do I take to work?"]),
        ("Which gate does it leave from?", "C9", ["From which gate does it leave?"]),
        ("What is the box made of?", "oak", ["Do you know what the box is made of?"]),
        ("Who wrote the handbook?", "Nadia", ["Which person wrote the handbook?"]),
        ("How many people are in our team?", "eleven", ["What is the number of people in our team?"]),
    ],
)
def test_a_question_is_asked_in_other_words(question: str, answer: str, ways: list[str]) -> None:
    found = other_ways(question, answer)
    assert set(ways) <= set(found), found
    assert question not in found and len(found) == len(set(found))


@pytest.mark.parametrize("text", ["Hello!", "Tell me a joke.", "Is it raining?", "", "What?"])
def test_what_has_another_form_is_left_alone(text: str) -> None:
    assert other_ways(text, "x") == []
