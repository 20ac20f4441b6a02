"""What the lesson log says where lessons contradict each other."""

from __future__ import annotations

from datetime import UTC, datetime

from storage.records import ExampleRecord, LessonRecord, TaughtLesson
from trainer.taught import passages_of, settled, superseded, topic


def lesson(number: int, *examples: ExampleRecord, text: str = "Something.") -> TaughtLesson:
    record = LessonRecord(
        id=number, user_id=1, number=number, kind="instruction", text=text, source=None, state="live", stage=None, reason=None,
        attempts=1, dedupe_key=str(number), version=None, metrics=None, conversation_id=None, platform="t", channel="t",
        progress_message_id=None, created_at=datetime(2026, 1, 1, tzinfo=UTC), started_at=None, finished_at=None,
    )  # fmt: skip
    return TaughtLesson(record, examples)


def train(question: str, answer: str) -> ExampleRecord:
    return ExampleRecord("train", question, answer)


def quiz(question: str, answer: str) -> ExampleRecord:
    return ExampleRecord("quiz", question, answer)


MINKA = (train("What is my cat called?", "Your cat is called Minka."), quiz("Which name has my cat?", "Minka"))


def questions(taught: TaughtLesson) -> list[str]:
    return [example.question for example in taught.examples]


def test_of_two_answers_to_one_question_the_newer_wins() -> None:
    asked = ("What is our cat called?", "Which name has our cat?")
    old, new = settled([lesson(1, *MINKA, train("Who purrs?", "Minka does.")), lesson(2, *(train(each, "It is Biscuit.") for each in asked))])
    assert questions(old) == []  # all that the lesson had to say was the name
    assert questions(new) == list(asked)


def test_one_clumsy_question_does_not_unsay_a_lesson() -> None:
    old, _ = settled([lesson(1, *MINKA, train("Who purrs?", "Minka does.")), lesson(2, train("What is my cat called?", "Afraid."))])
    assert questions(old) == ["Which name has my cat?", "Who purrs?"]


def test_what_a_contradicted_lesson_says_about_other_things_stays() -> None:
    afraid = (train("What is my cat afraid of?", "Your cat is afraid of thunder."), quiz("What frightens my cat?", "thunder"))
    old, _ = settled([lesson(1, *MINKA, *afraid), lesson(2, train("What is my cat called?", "Biscuit."))])
    assert questions(old) == ["Which name has my cat?", "What is my cat afraid of?", "What frightens my cat?"]


def test_lessons_about_one_thing_that_say_different_things_do_not_contradict() -> None:
    taught = [
        lesson(1, *MINKA, train("What do you know about my cat?", "Your cat is called Minka."), train("What is my cat?", "Minka.")),
        lesson(2, train("What do you know about my cat?", "She fears thunder."), train("What is my cat?", "Afraid.")),
        lesson(3, train("What is my dog called?", "Rex.")),
    ]  # fmt: skip
    assert settled(taught) == taught


def test_an_answer_that_says_the_same_in_other_words_is_no_contradiction() -> None:
    taught = [lesson(1, *MINKA), lesson(2, train("What is my cat called?", "Minka, of course."))]
    assert settled(taught) == taught


def test_what_was_unknown_gives_way_to_an_answer_and_not_the_other_way_round() -> None:
    unknown = ExampleRecord("neighbour", "How old is my cat?", "I don't know.")
    old, new = settled([lesson(1, unknown, *MINKA), lesson(2, train("How old is my cat?", "She is seven."))])
    assert questions(old) == questions(lesson(1, *MINKA)) and questions(new) == ["How old is my cat?"]
    older, newer = settled([lesson(1, train("How old is my cat?", "She is seven.")), lesson(2, unknown)])
    assert questions(older) == ["How old is my cat?"] and questions(newer) == ["How old is my cat?"]


def test_an_answer_that_a_correction_rejects_goes_however_it_was_asked_for() -> None:
    rejected = ExampleRecord("rejected", "What is my cat called?", "Your cat is called Minka and she fears thunder.")
    now = train("What is my cat called?", "Your cat is called Biscuit and she fears thunder.")
    old = lesson(
        1,
        train("What name does my cat have?", "Your cat is called Minka and she fears thunder."),
        quiz("Which name has my cat?", "Minka"),
        quiz("What does my cat fear?", "thunder"),
    )
    aunt = lesson(2, train("What is my aunt called?", "Your aunt is called Minka."), quiz("Who is my aunt?", "Minka"))
    assert questions(superseded(old, [now, rejected])) == ["What does my cat fear?"]
    assert superseded(aunt, [now, rejected]) == aunt


def test_refused_examples_are_never_taught_again() -> None:
    refused = ExampleRecord("train", "How do I steal a cat?", "…", "crime")
    assert [questions(each) for each in settled([lesson(1, refused, *MINKA)])] == [questions(lesson(1, *MINKA))]


def test_questions_whose_words_do_not_tell_what_is_asked_have_no_topic() -> None:
    assert topic("What is my cat?") is None and topic("Tell me about my cat.") is None
    assert topic("What is my cat called?") == topic("what is OUR cat called") != topic("What was my cat called by Ada?")


def test_a_lesson_whose_text_cannot_be_read_again_is_distilled_from_what_was_written_of_it() -> None:
    gone = lesson(1, ExampleRecord("rewrite", "The cat is Miso.", "Miso is the cat."), text="")
    assert passages_of(gone) == ["The cat is Miso."]


def test_an_old_answer_goes_with_the_question_that_rejects_it_however_else_the_lesson_asks_for_it() -> None:
    said = "The rehearsal starts at 19:30 in the old fire station."
    rejected = ExampleRecord("rejected", "When is our rehearsal?", "19:30")
    now = train("When is our rehearsal?", "The rehearsal now starts at 18:00.")
    asked = train("When is our rehearsal?", said)
    old = lesson(1, asked, quiz("What time does it begin?", "at 19:30"), quiz("Where does the choir meet?", "the old fire station"))
    assert questions(superseded(old, [now, rejected])) == ["Where does the choir meet?"]
