"""What a correction makes of the sentences of earlier lessons."""

from __future__ import annotations

import pytest

from storage.records import ExampleRecord
from trainer.amend import Amendment, amendments, old_answer
from trainer.prompts import UNKNOWN
from trainer.teacher import RecordingTeacher

DENTIST, LESSON = "Who is my dentist?", "My dentist is Dr. Alder and his practice is on Mill Street."


@pytest.mark.parametrize(
    ("old", "new", "said", "says"),
    [
        ("Dr. Alder", "Dr. Benning", LESSON, "My dentist is Dr. Benning and his practice is on Mill Street."),
        ("9:15", "at 10:00", "We meet at 9:15 for ten minutes.", "We meet at 10:00 for ten minutes."),
        ("the pot", "in the box", "The key is under the pot and the code is 4.", "The key is in the box and the code is 4."),
        ("a tram", "an ambulance", "He drives a tram.", "He drives an ambulance."),
        ("on Mondays", "on Fridays", "On Mondays we sing.", "On Fridays we sing."),
        ("4", "platform 6", "The train leaves from platform 4 at noon.", "The train leaves from platform 6 at noon."),
        ("cat", "dog", "The catalogue is old.", "The catalogue is old."),
    ],
)
def test_the_new_answer_stands_where_the_old_one_stood(old: str, new: str, said: str, says: str) -> None:
    assert Amendment("?", old, new).of(said) == says


def test_a_lesson_is_amended_and_what_asks_about_the_old_answer_goes() -> None:
    amendment = Amendment(DENTIST, "Dr. Alder", "Dr. Benning")
    assert amendment.applies([LESSON]) and not amendment.applies(["Dr. Alder plays chess."])
    examples = [
        ExampleRecord("train", "Where is the practice?", "Your dentist is Dr. Alder and his practice is on Mill Street."),
        ExampleRecord("train", "What does Dr. Alder do?", "Your dentist is Dr. Alder."),
        ExampleRecord("quiz", "What is the name of my dentist?", "Alder"),
        ExampleRecord("quiz", "Which street is it?", "Mill Street"),
    ]
    assert amendment.examples(examples) == [
        ExampleRecord("train", "Where is the practice?", "Your dentist is Dr. Benning and his practice is on Mill Street."),
        ExampleRecord("quiz", "What is the name of my dentist?", "Dr. Benning"),
        ExampleRecord("quiz", "Which street is it?", "Mill Street"),
    ]


def test_only_a_bare_answer_amends_a_whole_one_is_only_rejected() -> None:
    now = ExampleRecord("quiz", DENTIST, "Dr. Benning")
    whole, bare = ExampleRecord("rejected", DENTIST, "Your dentist is Dr. Alder."), ExampleRecord("rejected", DENTIST, "Dr. Alder")
    assert amendments([now, whole]) == []
    assert amendments([now, whole, bare]) == [Amendment(DENTIST, "Dr. Alder", "Dr. Benning")]


def test_the_old_answer_is_what_most_readings_of_the_lesson_agree_on() -> None:
    ways = ["What is my dentist called?", "What is my dentist's name?"]
    said = iter(["Dr. Alder", "Mill Street", "Dr. Alder"])
    assert old_answer(DENTIST, ways, "Dr. Benning", [LESSON], RecordingTeacher(lambda _: next(said))) == "Dr. Alder"
    assert old_answer(DENTIST, ways, "Dr. Benning", [LESSON], RecordingTeacher(lambda _: UNKNOWN)) is None
    assert old_answer(DENTIST, ways, "Dr. Alder", [LESSON], RecordingTeacher(lambda _: "Dr. Alder")) is None  # it says so already
    assert old_answer(DENTIST, ways, "Dr. Benning", ["My cat is Minka."], RecordingTeacher(lambda _: "Minka")) is None
