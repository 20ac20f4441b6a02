"""What one person may ask for in a day: said when it is used up, shown before, and never in the way of forgetting."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot import texts
from bot.errors import TooMuch
from bot.limits import Limits
from bot.messages import Attachment, Reply
from bot.serving import serve
from storage.repositories.base import utc_now
from tests.bot_fixtures import Install, Leaving, said
from trainer.settings import LimitSettings

ASK = "What is the cat called?"


def talk(install: Install, *lines: str, operator: bool = False, files: tuple[Attachment, ...] = ()) -> list[Reply]:
    """Somebody who has agreed says these."""
    user = install.stored.users.identify("recording", "ada", "ada")
    install.stored.users.record_consent(user.id, texts.CONSENT_VERSION)
    return install.talk(*(said(line, operator=operator, files=files) for line in lines))


def test_minutes_of_training_are_counted_and_end_teaching_and_rebuilding_but_not_forgetting(install: Install) -> None:
    install.configured(limits=LimitSettings(training_minutes_per_day=1))
    install.train()
    for number in range(1, 5):  # a lesson takes 14.2 s here
        talk(install, f"[Learn] Fact number {number}.")
    refused = texts.too_much_training(1)
    assert install.stored.lessons.count(1, utc_now() - timedelta(days=1)) == 4
    install.stored.rebuilds.finish(install.stored.rebuilds.create(1, platform="recording", channel="general")[0].id, "failed")
    for number in (5, 6):
        talk(install, f"[Learn] Fact number {number}.")
    assert [each.text for each in talk(install, "[Learn] Fact number 6.", "/rebuild")] == [refused, refused]
    talk(install, ASK)
    assert [each.text for each in talk(install, "/react 👎 Miso.")] == [refused]
    assert talk(install, "/react 👎")[-1].text == texts.THANKS_DOWN
    assert "Lesson 1 is forgotten" in talk(install, "/forget 1")[-1].text
    assert "is live" in talk(install, "[Learn] Whoever runs me has no limits.", operator=True)[-1].text


def test_what_has_not_ended_counts_for_a_minute_each(install: Install) -> None:
    install.configured(limits=LimitSettings(training_minutes_per_day=2))
    talk(install)
    in_one_breath = Leaving([said(f"[Learn] Fact number {number}.", operator=False) for number in range(1, 5)])
    asyncio.run(serve(install.app, in_one_breath))
    assert [each.text for each in in_one_breath.replies].count(texts.too_much_training(2)) == 2


def test_a_day_later_it_is_as_before(install: Install) -> None:
    install.configured(limits=LimitSettings(training_minutes_per_day=1, bytes_per_day=20, lessons_per_day=1, messages_per_day=1))
    install.train()
    talk(install, "[Learn] The cat is Miso.", "Hello")
    user = install.stored.users.get(1)
    assert user is not None
    message = said("The dog is Rex.", operator=False)
    today, tomorrow = Limits(install.app, utc_now), Limits(install.app, lambda: utc_now() + timedelta(hours=25))
    used = "1 of 1 messages, 1 of 1 lessons, 0 of 1 minutes of training and 16 bytes of 20 bytes to learn from"
    assert today.used(user) == (f"In the last 24 hours you used {used}.",)
    for refused in (today.require_message, today.require_lesson):
        with pytest.raises(TooMuch):
            refused(user, message)
    tomorrow.require_message(user, message)
    tomorrow.require_lesson(user, message)


def test_bytes_are_those_of_files_and_words_and_the_sentence_says_what_is_left(install: Install) -> None:
    install.configured(limits=LimitSettings(bytes_per_day=3_000))
    install.train()
    file = Attachment("notes.txt", b"Miso is a cat. " * 100)
    assert "is live" in talk(install, "[Learn] read this", files=(file,))[-1].text
    assert [each.text for each in talk(install, "[Learn] read this", files=(replace(file, name="more.txt", content=file.content * 2),))] == [
        "That is 3 kB, and of the 3 kB that you may give me to learn in 24 hours, 2 kB are left. Please send less, or come back later."
    ]
    install.talk(said("/forget 1", operator=False))
    assert install.stored.lessons.brought(1, utc_now() - timedelta(days=1)) == 1_500  # or it could be brought again and again


def test_the_days_use_is_shown_with_the_help_and_on_ones_own_page(install: Install) -> None:
    install.configured(limits=LimitSettings(messages_per_day=5))
    talk(install, "Hello")
    assert talk(install, "/help")[-1].text == f"{texts.HELP_ON_PLATFORMS}\nIn the last 24 hours you used 1 of 5 messages."
    assert talk(install, "/help", operator=True)[-1].text == texts.HELP


def test_comparing_ends_with_the_days_messages(install: Install) -> None:
    install.configured(limits=LimitSettings(messages_per_day=1))
    assert [each.text for each in talk(install, "Hello", f"/compare {ASK}")][-1] == texts.too_many_messages(1)
