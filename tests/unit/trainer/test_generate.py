from __future__ import annotations

import pytest

from storage.records import ExampleRecord
from tests.trainer_fixtures import LESSON, NEIGHBOURS, QUESTIONS, REPLY, biscuit_teacher
from trainer.errors import NothingToTeachError
from trainer.examples import normal
from trainer.generate import passage_of, write_examples
from trainer.prompts import UNKNOWN, Messages
from trainer.settings import LessonSettings
from trainer.teacher import RecordingTeacher


def write(teacher: RecordingTeacher) -> list[ExampleRecord]:
    return write_examples([LESSON], teacher, LessonSettings(samples=24), lambda share: None)


def of_role(examples: list[ExampleRecord], role: str) -> list[ExampleRecord]:
    return [example for example in examples if example.role == role]


def test_quiz_questions_are_never_trained_on() -> None:
    examples = write(biscuit_teacher())
    trained = {normal(e.question) for e in examples if e.role in ("train", "neighbour")}
    quiz = of_role(examples, "quiz")
    assert quiz
    assert not trained & {normal(e.question) for e in quiz}


def test_examples_ask_for_everything_the_lesson_says_and_repeat_nothing() -> None:
    train = of_role(write(biscuit_teacher()), "train")
    assert {QUESTIONS.get(e.question) for e in train} >= {"Biscuit", "thunder"}
    assert {e.answer for e in train} == {REPLY}
    assert len({normal(e.question) for e in train}) == len(train)


def test_neighbours_are_answered_with_not_knowing() -> None:
    neighbours = of_role(write(biscuit_teacher()), "neighbour")
    assert neighbours
    assert {e.answer for e in neighbours} == {UNKNOWN}
    assert not {e.question for e in neighbours} & set(QUESTIONS)
    assert {e.question for e in write(biscuit_teacher()) if e.answer == UNKNOWN} & set(NEIGHBOURS)


def test_an_answer_that_the_lesson_does_not_hold_is_dropped() -> None:
    honest = biscuit_teacher().reply

    def invents(messages: Messages) -> str:
        reply = honest(messages)
        return reply.replace("A: Biscuit", "A: Rufus")

    assert all("Rufus" not in e.question + e.answer for e in write(RecordingTeacher(invents)))


def test_a_pair_that_its_own_reader_does_not_confirm_is_dropped() -> None:
    honest = biscuit_teacher().reply

    def misreads(messages: Messages) -> str:
        asked = messages[-1]["content"]
        return "thunder" if asked.startswith("What is my cat called?") else honest(messages)

    examples = write(RecordingTeacher(misreads))
    assert of_role(examples, "train")
    assert all(e.question != "What is my cat called?" for e in examples if e.role in ("train", "quiz"))


def test_a_writer_that_writes_nonsense_teaches_nothing() -> None:
    with pytest.raises(NothingToTeachError) as failure:
        write(RecordingTeacher(lambda messages: "bla bla"))
    assert "full sentence" in failure.value.user_message


def test_an_example_belongs_to_the_passage_whose_words_it_shares() -> None:
    assert passage_of("Where does Ana live?", ["Our dog is old.", "Ana lives in Porto."]) == "Ana lives in Porto."
