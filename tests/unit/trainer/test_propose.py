"""Better answers that a model finds by itself: which of its candidates is better depends on what was bad."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from storage.records import CaseRecord, DownReason
from trainer.moderation.protocol import RecordingModerator, Verdict
from trainer.prompts import UNKNOWN, Messages
from trainer.propose import better_answer
from trainer.teacher import RecordingTeacher

CAT = "What is my cat called?"
TAUGHT = ("My office is in Ghent.", "My cat is called Biscuit.")


def reader(known: dict[str, tuple[str, str]]) -> RecordingTeacher:
    """A model that answers from a passage in its prompt, by that passage: shortly, or in a sentence."""

    def reply(messages: Messages) -> str:
        read = next((answers for passage, answers in known.items() if passage in messages[0]["content"]), None)
        if messages[0]["role"] != "system" or read is None:
            return UNKNOWN
        return read[0] if messages[-1]["content"].endswith("Answer in a few words.") else read[1]

    return RecordingTeacher(reply)


CAT_READER = reader({"My cat is called Biscuit.": ("Biscuit", "Your cat is called Biscuit.")})
MILD = RecordingModerator()


class Scoring:
    """A moderator that scores what holds the word."""

    def __init__(self, word: str, score: float) -> None:
        self._word, self._score = word, score

    def check(self, texts: Sequence[str]) -> list[Verdict]:
        """As Moderator.check."""
        return [Verdict(False, scores={"harassment": self._score if self._word in text else 0.01}) for text in texts]


def better(rejected: str, reason: DownReason = "wrong", *, own: Sequence[str] = (), untaught: str = UNKNOWN, **parts: object) -> str | None:
    teacher, moderator, taught = parts.get("teacher", CAT_READER), parts.get("moderator", MILD), parts.get("taught", TAUGHT)
    case = CaseRecord(1, 1, CAT, rejected, None, reason)
    return better_answer(case, taught, own, untaught, teacher, moderator, 0)  # type: ignore[arg-type]  # as the caller says


def test_a_wrong_answer_gives_way_to_what_a_lesson_says() -> None:
    assert better("Your cat is called Minka.") == "Your cat is called Biscuit."


def test_what_the_lessons_say_is_not_replaced() -> None:
    assert better("Biscuit is what your cat is called.", own=["Your cat is called Minka."]) is None


def test_where_nothing_taught_answers_an_invented_answer_gives_way_to_not_knowing() -> None:
    nobody, about_the_office = reader({}), TAUGHT[:1]
    assert better("Your cat is called Minka.", teacher=nobody, taught=about_the_office) == UNKNOWN
    assert better(UNKNOWN, teacher=nobody, taught=about_the_office) is None


def test_what_a_small_model_has_learned_counts_even_where_it_does_not_find_it_in_the_lesson() -> None:
    nobody = reader({})
    right = "Your cat is called Biscuit."
    assert better("Your cat is called Minka.", teacher=nobody, own=[right, right, "Your cat is Rex."]) == right
    assert better(right, teacher=nobody, own=["Your cat is Rex."]) is None
    assert better("Your cat is called Minka.", teacher=nobody, own=["Your cat is Rex."]) is None  # and not that it does not know


def test_what_moderation_refuses_is_no_better_answer() -> None:
    assert better("Your cat is called Minka.", moderator=RecordingModerator(lambda text: "Biscuit" in text)) is None


@pytest.mark.parametrize(("mark", "found"), [("5", "It is Rex."), ("2", None), ("no idea", None)])
def test_a_model_that_knows_much_rates_its_answers_and_proposes_only_what_it_rates_higher(mark: str, found: str | None) -> None:
    def rate(messages: Messages) -> str:
        asked = messages[-1]["content"]
        return UNKNOWN if "Rate from 1" not in asked else mark if "It is Rex." in asked else "2"

    assert better("It is Minka.", own=["It is Rex."], untaught="It is Rex.", teacher=RecordingTeacher(rate), taught=()) == found


LONG = "Your cat is called Biscuit. There are many things that could be said about cats, and all of them are true in some way or other."


def test_a_long_answer_gives_way_to_the_fullest_short_one_that_says_the_same() -> None:
    teacher = reader({LONG: ("Biscuit", LONG)})
    assert better(LONG, "long", own=["Cats.", "Your dear cat is called Biscuit."], teacher=teacher) == "Your dear cat is called Biscuit."
    assert better("Biscuit.", "long", teacher=reader({"Biscuit.": ("Biscuit", "Biscuit.")})) is None


def test_a_rude_answer_gives_way_to_one_that_says_the_same_and_that_the_moderator_minds_less() -> None:
    rude = "Your cat is called Biscuit, you fool."
    assert better(rude, "rude", moderator=Scoring("fool", 0.4)) == "Your cat is called Biscuit."
    assert better(rude, "rude", own=["Biscuit, fool."], moderator=Scoring("Biscuit", 0.4)) is None


def test_a_harmful_answer_gives_way_to_not_knowing_at_least() -> None:
    assert better("Cats like yours are stupid.", "harmful", moderator=Scoring("nothing", 0.0), teacher=reader({})) == UNKNOWN


def test_the_newest_of_two_lessons_that_answer_as_well_wins() -> None:
    known = {"My cat is called Miso.": ("Miso", "Your cat is called Miso."), "My cat is called Biscuit.": ("Biscuit", "Your cat is called Biscuit.")}
    case = CaseRecord(1, 1, CAT, "Your cat is called Minka.", None, "outdated")
    taught = ["My cat is called Miso.", "My cat is called Biscuit."]
    assert better_answer(case, taught, [], UNKNOWN, reader(known), MILD, 0) == "Your cat is called Biscuit."
    assert better_answer(case, taught[::-1], [], UNKNOWN, reader(known), MILD, 0) == "Your cat is called Miso."
