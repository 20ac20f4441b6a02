"""Dialogues: why do you say that?"""

from __future__ import annotations

import pytest

from bot import texts
from bot.messages import Reply, Trouble
from storage.records import ExampleRecord, NewPart, NewSource, ReadSource
from tests.bot_fixtures import Install, said

CAT = "What is my cat called?"
MISO = "Your cat is called Miso."


def spoken(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


def learns(install: Install, text: str, *examples: ExampleRecord, read: str | None = None) -> str:
    """A lesson that went live in a version that knows it and all before it."""
    stored = install.stored
    user = stored.users.identify("recording", "ada", "ada")
    sources = [NewSource(read, address=f"https://example.org/{read}")] if read else []
    lesson, _ = stored.lessons.create(
        user.id,
        "document" if read else "instruction",
        text,
        dedupe_key=text,
        platform="recording",
        channel="general",
        conversation_id=None,
        sources=sources,
    )
    stored.lessons.start(lesson.id)
    for source in lesson.sources:
        stored.sources.save_reading(source, ReadSource("d", title="House rules"), [NewPart("Cats", (text,))])
    parts = stored.sources.parts(lesson.id)
    for part in parts:
        stored.sources.save_examples(part, examples)
    if not parts:
        stored.lessons.save_examples(lesson.id, examples)
    live = stored.adapters.live(user.id)
    version = install.publish_version(user.id, [*(live.lesson_ids if live else ()), lesson.id])
    stored.lessons.finish(lesson.id, "live", version=version)
    stored.lessons.said_all(lesson.id)
    return version


@pytest.fixture
def taught(install: Install) -> Install:
    """Two lessons; the second is about the cat."""
    learns(install, "My office is in Ghent.", ExampleRecord("train", "Where is my office?", "Your office is in Ghent."))
    second = learns(install, "My cat is called Miso.", ExampleRecord("train", "What name has my cat?", MISO))
    install.engine.taught[second] = {CAT: MISO, "Hello!": "Hi there, friend."}
    return install


def test_an_answer_is_traced_to_the_lesson_that_says_it_and_to_what_the_version_before_said(taught: Install) -> None:
    (_, why) = spoken(taught.talk(CAT, "/why"))
    assert why.startswith("That comes from lesson 2 (“My cat is called Miso.”), of 20")
    assert "version 1, which did not know it, answers: I don't know." in why


def test_where_the_version_before_says_the_same_it_is_not_sure(taught: Install) -> None:
    taught.engine.taught["user-1-v1"] = {CAT: MISO}
    (_, why) = spoken(taught.talk(CAT, "/why"))
    assert why.startswith("I am not sure. Closest is lesson 2") and "version 1, which did not know it, answers the same." in why


def test_the_source_is_named(install: Install) -> None:
    version = learns(install, "read this", ExampleRecord("train", CAT, MISO), read="rules.html")
    install.engine.taught[version] = {CAT: MISO}
    (_, why) = spoken(install.talk(CAT, "/why"))
    assert "lesson 1 (“read this”), from House rules (https://example.org/rules.html)" in why
    assert "Without it, the untaught model answers" in why


def test_what_no_lesson_says_is_owned_up_to(taught: Install) -> None:
    assert spoken(taught.talk("Hello!", "/why"))[1] == texts.WHY_NO_LESSON
    assert spoken(taught.talk("Who am I?", "/why"))[1] == texts.WHY_UNKNOWN
    taught.engine.answers["Who are you?"] = "A model."
    assert spoken(taught.talk("/rollback 0", "Who are you?", "/why"))[2] == texts.WHY_UNTAUGHT


def test_while_a_lesson_is_being_learned_its_words_are_behind_the_answer(install: Install) -> None:
    install.engine.answers[CAT] = MISO
    replies = install.talk_without_waiting("[Learn] My cat is called Miso.", CAT, "/why")
    assert "lesson 1 (“My cat is called Miso.”)" in replies[-1].text


def test_one_is_told_about_the_answer_that_one_replies_to(taught: Install) -> None:
    assert "lesson 2" in taught.talk(CAT, "Who am I?", said("/why", reply_to="m1"))[2].text


def test_without_an_answer_there_is_nothing_to_explain_nor_of_anybody_else(taught: Install) -> None:
    taught.talk(CAT)
    (trouble,) = taught.talk(said("/why", user="bob", reply_to="m1"))
    assert isinstance(trouble, Trouble) and trouble.text == texts.NO_ANSWER_YET


def test_an_engine_that_is_away_does_not_hide_the_lesson(taught: Install) -> None:
    taught.talk(CAT)
    taught.engine.mode = "broken"
    assert spoken(taught.talk("/why"))[0].endswith("the version before it cannot be asked right now.")
