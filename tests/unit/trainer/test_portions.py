"""What of a document's examples is trained on: a share for every passage, plain questions first, no garbled copies."""

from __future__ import annotations

from random import Random

from storage.records import ExampleRecord
from trainer.generate import passage_of
from trainer.portions import asked, mended, plainness, shared_out

TICKET, DOME, COMET = "A ticket costs eight euros.", "The dome is made of copper.", "In 1923 Edith Marlowe discovered the comet Marlowe-Finch here."
PASSAGES = [TICKET, DOME, COMET]


def train(question: str, answer: str) -> ExampleRecord:
    return ExampleRecord("train", question, answer)


def test_every_passage_has_its_share_and_the_plainest_forms_do_not_fill_it() -> None:
    flood = [train(f"Tell me about {word}.", TICKET) for word in ("ticket", "costs", "eight", "euros")]
    plain = [train("How much does a ticket cost?", TICKET), train("What is the dome made of?", DOME), train("Who discovered the comet?", COMET)]
    chosen = shared_out([*flood, *plain], PASSAGES, 4, Random(1))
    assert {example.question for example in plain} <= {example.question for example in chosen}
    assert len(shared_out([*flood, *plain], PASSAGES, 100, Random(1))) == 5  # two of the flood


def test_questions_that_a_person_would_ask_come_first() -> None:
    assert [plainness(q) for q in ("How much does a ticket cost?", "Who founded the observatory?", "What is the cat called?")] == [2, 2, 2]
    assert [plainness(q) for q in ("What is bus 41 gate?", "Who village?", "Which copper 2014?")] == [1, 1, 1]
    assert [plainness(q) for q in ("Tell me about euros.", "What have I taught you about Mrs?", "Where is the director of the director?")] == [
        0,
        0,
        0,
    ]
    quiz = [ExampleRecord("quiz", question, "eight") for question in ("Tell me about eight.", "How many ticket?", "How much does the ticket cost?")]
    assert [each.question for each in asked(quiz, 2, Random(3))] == ["How much does the ticket cost?", "How many ticket?"]


def test_a_copy_with_a_piece_missing_gives_way_to_its_passage() -> None:
    assert mended(train("What do you know about Marlowe?", "In 1923 Edith Marlowe-Finch here."), PASSAGES).answer == COMET
    for honest in (COMET, "Edith Marlowe discovered the comet Marlowe-Finch.", "It was found by Edith Marlowe.", "I don't know."):
        assert mended(train("Who discovered the comet?", honest), PASSAGES).answer == honest


def test_the_passage_is_chosen_by_what_it_is_about_and_not_by_its_small_words() -> None:
    others = ["He is the director of the team of the house in the park.", "The dome, made in Ghent, has copper on it."]
    assert passage_of("What is the dome of the house made of?", others) == others[1]
    assert passage_of("What does it cost?", ["The dog is old.", "It costs eight euros."]) == "It costs eight euros."
