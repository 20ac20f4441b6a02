"""Dialogues: lessons that people give to each other."""

from __future__ import annotations

import re
from functools import partial

import pytest

from bot import texts
from bot.messages import LessonReceipt, Notice, Reply, Trouble
from storage.records import ExampleRecord, LessonRecord, NewPart, NewSource, ReadSource
from tests.bot_fixtures import Install, said

TRAINED = ExampleRecord("train", "When does the train leave?", "On Tuesday.")


def spoken(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


@pytest.fixture
def taught(install: Install) -> Install:
    """Ada's model knows a sentence and a handbook; one example of the sentence was refused by moderation."""
    stored = install.stored
    ada = stored.users.identify("recording", "ada", "Ada")
    create = partial(stored.lessons.create, ada.id, platform="recording", channel="general", conversation_id=None)
    first, _ = create("instruction", "The train leaves on Tuesday.", dedupe_key="1")
    stored.lessons.save_examples(first.id, [TRAINED, ExampleRecord("train", "How do I derail it?", "…", "violence")])
    second, _ = create("document", "read this", dedupe_key="2", sources=[NewSource("handbook.pdf", b"%PDF")])
    (source,) = second.sources
    stored.sources.save_reading(source, ReadSource("digest", title="Handbook", words=12), [NewPart("Rules", ("Dogs are welcome.",))])
    (part,) = stored.sources.parts(second.id)
    stored.sources.save_examples(part, [ExampleRecord("train", "Are dogs welcome?", "Yes, dogs are welcome.")])
    version = install.publish_version(ada.id, [first.id, second.id])
    for lesson in (first, second):
        stored.lessons.finish(lesson.id, "live", version=version)
        stored.lessons.said_all(lesson.id)
    return install


def given(install: Install, numbers: str = "1,2") -> str:
    """The code of a pack with these lessons."""
    shared = install.talk(said(f"/share {numbers} yes", user="ada"))[-1]
    found = re.search(r"/take (\w+)", shared.text)
    assert found is not None
    return found[1]


def of_bob(install: Install) -> tuple[LessonRecord, ...]:
    bob = install.stored.users.find("recording", "bob")
    assert bob is not None
    return install.stored.lessons.of_user(bob.id)


def test_giving_is_asked_back_with_what_is_given_and_who_is_named(taught: Install) -> None:
    (asked,) = taught.talk("/share 1,2")
    assert isinstance(asked, Notice)
    assert "1. The train leaves on Tuesday., with 1 examples" in asked.text
    assert "2. read this (from Handbook), with 1 examples" in asked.text
    assert [each.command for each in asked.actions] == ["/share 1,2 yes"]
    assert taught.stored.packs.of_user(1) == ()


def test_who_takes_a_pack_learns_it_from_what_was_prepared_and_is_told_the_source(taught: Install) -> None:
    code = given(taught)
    taught.train()
    said_first, *_, last = taught.talk(said(f"/take {code}", user="bob"))
    assert said_first.text == "What ada gave: lessons 1 and 2 of yours now, which I learn."
    assert isinstance(last, LessonReceipt) and last.state == "live"
    first, second = of_bob(taught)
    assert (first.kind, first.text, first.source) == ("instruction", "The train leaves on Tuesday.", f"shared by ada (pack {code})")
    assert taught.stored.lessons.examples(first.id) == (TRAINED,)  # and not what moderation refused
    assert (second.kind, second.sources[0].name, second.sources[0].read_at is not None) == ("document", "handbook.pdf", True)
    (part,) = taught.stored.sources.parts(second.id)
    assert (part.is_written, part.passages) == (True, ("Dogs are welcome.",))
    assert [each.part_id for each in taught.stored.lessons.examples(second.id)] == [part.id]
    assert spoken(taught.talk(said(f"/take {code}", user="bob"))) == [texts.taken_already(code)]


def test_a_pack_is_offered_to_a_channel_where_everybody_may_take_it(taught: Install) -> None:
    code = given(taught, "2")
    (card,) = taught.talk(f"/offer {code}")
    assert isinstance(card, Notice)
    assert (card.owner, card.private, [each.command for each in card.actions]) == (None, False, [f"/take {code}"])
    assert card.text.startswith("ada gives you:\n  2. read this (from Handbook), with 1 examples")


def test_nobody_learns_a_pack_without_having_agreed(taught: Install) -> None:
    code = given(taught)
    taught.train()
    asked, agreed, taking, *_ = taught.talk(said(f"/take {code}", user="bob", operator=False), said("/agree", user="bob", operator=False))
    assert (asked.text, agreed.text) == (texts.CONSENT, texts.AGREED_GOING_ON)
    assert "lessons 1 and 2 of yours now" in taking.text


def test_a_withdrawn_pack_cannot_be_taken_but_what_was_taken_stays(taught: Install) -> None:
    code = given(taught, "1")
    taught.train()
    taught.talk(said(f"/take {code}", user="bob"))
    assert spoken(taught.talk("/share", f"/unshare {code}", "/share")) == [
        f"You give:\n  /take {code}: lesson 1\n/unshare and a code withdraws one.", texts.UNSHARED, texts.packs([]),
    ]  # fmt: skip
    assert spoken(taught.talk(said(f"/take {code}", user="eve"))) == [texts.no_such_pack(code)]
    assert [each.state for each in of_bob(taught)] == ["live"]


def test_what_was_forgotten_or_deleted_is_given_to_nobody(taught: Install) -> None:
    code = given(taught, "1")
    taught.stored.lessons.forget(1)
    assert spoken(taught.talk(said(f"/take {code}", user="bob"))) == [texts.no_such_pack(code)]
    other = given(taught, "2")
    taught.talk("/delete-me yes")
    assert spoken(taught.talk(said(f"/take {other}", user="bob"))) == [texts.no_such_pack(other)]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/share 7", texts.no_such_lesson(7)),
        ("/share all", texts.SHARE_USAGE),
        ("/take", texts.TAKE_USAGE),
        ("/offer 000000000000", texts.no_such_pack("000000000000")),
        ("/take 000000000000", texts.no_such_pack("000000000000")),
        ("/unshare 000000000000", texts.no_such_pack("000000000000")),
    ],
)
def test_what_cannot_be_given_or_taken_says_so(taught: Install, line: str, sentence: str) -> None:
    (trouble,) = taught.talk(line)
    assert isinstance(trouble, Trouble) and trouble.text == sentence


def test_ones_own_pack_is_not_taken(taught: Install) -> None:
    assert spoken(taught.talk(f"/take {given(taught, '1')}")) == [texts.OWN_PACK]


def test_a_correction_is_given_as_the_fact_that_it_taught(taught: Install) -> None:
    taught.talk_without_waiting("Where is it?", "/react 👎 The key is under the mat.")
    correction = taught.stored.lessons.of_user(1)[-1]
    taught.stored.lessons.finish(correction.id, "live")
    code = given(taught, str(correction.number))
    taught.train()
    taught.talk(said(f"/take {code}", user="bob"))
    assert [(each.kind, each.text) for each in of_bob(taught)] == [("instruction", "The key is under the mat.")]
