"""Dialogues: a secret in a lesson is pointed out, and nothing of it is kept before its author says that it is meant."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import text as sql

from bot import texts
from bot.messages import Attachment, LessonReceipt, Notice, Trouble
from tests.bot_fixtures import Install, said
from trainer.sources.secret import ACCESS_KEY, CARD, PASSWORD

CARD_NUMBER = "4111 1111 1111 1111"
LESSON = f"[Learn] My card is {CARD_NUMBER}."


def everything_stored(install: Install) -> str:
    with install.stored.lessons._database.reading() as session:
        tables = [name for (name,) in session.execute(sql("select name from sqlite_master where type = 'table'"))]
        return str([session.execute(sql(f'select * from "{table}"')).all() for table in tables])


def test_a_secret_is_pointed_out_and_nothing_is_stored_or_logged(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    (asked,) = install.talk(LESSON)
    assert isinstance(asked, Notice) and asked.text == texts.secret_found([CARD])
    assert [action.command for action in asked.actions] == ["/learn-anyway", "/learn-anyway no"]
    assert asked.owner == 1
    assert install.stored.lessons.of_user(1) == () and install.job_ids() == []
    assert CARD_NUMBER not in everything_stored(install) and CARD_NUMBER not in caplog.text


def test_a_confirmed_secret_is_learned_as_it_was_written(install: Install) -> None:
    install.train()
    *_, receipt = install.talk(LESSON, "/learn-anyway")
    assert isinstance(receipt, LessonReceipt) and receipt.state == "live"
    (lesson,) = install.stored.lessons.of_user(1)
    assert (lesson.kind, lesson.text) == ("instruction", f"My card is {CARD_NUMBER}.")


def test_a_secret_that_is_not_meant_is_dropped(install: Install) -> None:
    _, dropped, trouble = install.talk(LESSON, "/learn-anyway no", "/learn-anyway")
    assert dropped.text == texts.LESSON_DROPPED
    assert isinstance(trouble, Trouble) and trouble.text == texts.NOTHING_TO_CONFIRM
    assert install.stored.lessons.of_user(1) == ()


def test_nobody_confirms_for_somebody_else(install: Install) -> None:
    *_, trouble = install.talk(said(LESSON), said("/learn-anyway", user="bob"))
    assert isinstance(trouble, Trouble) and trouble.text == texts.NOTHING_TO_CONFIRM


def test_a_lesson_that_may_mean_the_web_is_asked_about_both_and_each_once(install: Install) -> None:
    install.train()
    topic = "air pollution " + "hf_" + "abcdefghijABCDEFGHIJ" * 2
    unclear, asked, *_, receipt = install.talk(f"[Learn] {topic}", "/remember", "/learn-anyway")
    assert [unclear.text, asked.text] == [texts.SOURCE_UNCLEAR, texts.secret_found([ACCESS_KEY])]
    assert isinstance(receipt, LessonReceipt)
    assert [(each.kind, each.text) for each in install.stored.lessons.of_user(1)] == [("instruction", topic)]


def test_nothing_secret_is_searched_for_unasked(install: Install) -> None:
    (asked,) = install.talk(f"/search card {CARD_NUMBER} Delhi")
    assert asked.text == texts.secret_found([CARD])


def test_words_that_come_with_a_file_are_asked_about_and_the_file_waits_with_them(install: Install) -> None:
    install.train()
    file = Attachment("cat.md", b"Miso is a cat.")
    asked, *_ = install.talk(said("[Learn] read this, and the admin password: hunter2", files=(file,)), "/learn-anyway")
    assert asked.text == texts.secret_found([PASSWORD])
    (lesson,) = install.stored.lessons.of_user(1)
    assert [each.name for each in lesson.sources] == ["your message", "cat.md"]


def test_a_correction_with_a_secret_is_asked_about_too(install: Install) -> None:
    install.train()
    *_, asked = install.talk("What is the password of the safe?", "/react 👎 The password: hunter2")
    assert asked.text == texts.secret_found([PASSWORD])
    assert install.stored.feedback.of_user(1) == ()


def test_a_confirmed_correction_is_learned(install: Install) -> None:
    install.train()
    install.talk("What is the password of the safe?", "/react 👎 The password: hunter2", "/learn-anyway")
    (down,) = install.stored.feedback.of_user(1)
    assert down.correction == "The password: hunter2"
    assert [each.kind for each in install.stored.lessons.of_user(1)] == ["correction"]
