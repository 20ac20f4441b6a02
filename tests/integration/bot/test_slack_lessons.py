"""Teaching on Slack: by message, command, shortcut and form; how a lesson's progress is shown, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from bot import texts
from tests.bot_fixtures import Install
from tests.fakes.slack.fake import FakeSlack
from tests.fakes.slack.people import Person
from tests.fakes.slack.world import Channel, Message
from tests.slack_world import answered, running, shows, slack_world

LIVE = "is live"


def agreed(install: Install, fake: FakeSlack, name: str) -> Person:
    """Somebody who has consented already."""
    person = fake.person(name)
    user = install.stored.users.identify("slack", f"T0TUTEE:{person.id}", name)
    install.stored.users.record_consent(user.id, texts.CONSENT_VERSION)
    return person


def taught(install: Install, person: Person) -> list[str]:
    """What their lessons are to be learned from."""
    user = install.stored.users.find("slack", f"T0TUTEE:{person.id}")
    return install.materials(user.id) if user else []


def handed_over(fake: FakeSlack, person: Person) -> list[tuple[str, list[tuple[str, bytes]]]]:
    """The lines with files that the core got of them."""
    theirs = [each for each in fake.understood if each.external_user_id == f"T0TUTEE:{person.id}"]
    return [(each.text, [(file.name, file.content) for file in each.attachments]) for each in theirs]


def labels(message: Message) -> list[str]:
    return [each.label for each in message.buttons]


async def view(fake: FakeSlack) -> dict[str, Any]:
    """The form that is open."""
    return (await fake.until(lambda: fake.world.views))[-1]


async def test_the_first_lesson_waits_for_consent_and_then_goes_on(install: Install) -> None:
    install.train()
    async with slack_world(install) as fake:
        ada, bob = fake.person("ada"), fake.person("bob")
        message = await ada.says("[Learn] Our office cat is called Miso.", fake.general)
        card = await shows(fake, texts.CONSENT)
        assert taught(install, ada) == [] and labels(card) == [texts.AGREE]
        await bob.presses(card, texts.AGREE)
        refused = await shows(fake, texts.NOT_YOURS)
        assert refused.seen_by == bob.id and refused.thread_ts == message.ts
        await ada.presses(card, texts.AGREE)
        receipt = await shows(fake, LIVE)
        assert card.shown == texts.AGREED_GOING_ON and card.buttons == []
        assert receipt.thread_ts == message.ts
        assert labels(receipt) == [texts.MY_MODEL, texts.FORGET]
        assert taught(install, ada) == ["Our office cat is called Miso."]


async def test_progress_is_one_message_that_becomes_the_receipt(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        await ada.says("[Learn] Our office cat is called Miso.")
        progress = await answered(fake, ada.direct)
        assert labels(progress) == [texts.CANCEL] and "[0%]" in progress.shown
        install.train()
        await shows(fake, LIVE)
        assert fake.said() == [progress] and len(progress.versions) > 1


async def test_cancel_is_for_the_owner_and_ends_the_lesson(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        await ada.says("[Learn] Our office cat is called Miso.", fake.general)
        progress = await answered(fake, fake.general)
        await fake.person("bob").presses(progress, texts.CANCEL)
        await shows(fake, texts.NOT_YOURS)
        await ada.presses(progress, texts.CANCEL)
        assert (await shows(fake, "I stopped lesson 1")).seen_by == ada.id
        await fake.until(lambda: texts.UNCHANGED in progress.shown)
        assert progress.buttons == []


async def test_progress_goes_on_in_the_same_message_after_a_restart(install: Install) -> None:
    async with FakeSlack() as fake:
        ada = agreed(install, fake, "ada")
        async with running(install, fake):
            await ada.says("[Learn] Our office cat is called Miso.")
            progress = await answered(fake, ada.direct)
        await fake.until(lambda: not fake.socket.connections)
        install.train()
        async with running(install, fake):
            await shows(fake, LIVE)
            assert fake.said() == [progress]
        assert fake.violations == []


async def test_a_lesson_whose_message_was_deleted_still_gets_its_receipt(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        await ada.says("[Learn] Our office cat is called Miso.")
        fake.world.messages.remove(await answered(fake, ada.direct))
        install.train()
        await shows(fake, LIVE)


async def test_files_of_a_lesson_are_fetched_with_the_token(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        await ada.says("[Learn] read this", files=[fake.file("notes.txt", b"Miso is a cat.")])
        await answered(fake, ada.direct)
        await ada.says("[Learn]", fake.general, files=[fake.file("more.md", "Miso mag Käse.".encode())])
        await answered(fake, fake.general)
        assert handed_over(fake, ada) == [
            ("[Learn] read this", [("notes.txt", b"Miso is a cat.")]),
            ("[Learn]", [("more.md", "Miso mag Käse.".encode())]),
        ]


async def test_a_file_that_the_event_does_not_tell_of_is_asked_for(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        file = fake.file("notes.txt", b"Miso is a cat.")
        file.told["file_access"] = "check_file_info"
        await ada.says("[Learn]", files=[file])
        await answered(fake, ada.direct)
        assert handed_over(fake, ada) == [("[Learn]", [("notes.txt", b"Miso is a cat.")])]
        assert len(fake.calls("files.info")) == 1


async def test_slacks_login_page_is_not_taken_for_the_file(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        fake.server.scopes.remove("files:read")
        await ada.says("[Learn] read this", files=[fake.file("notes.txt", b"Miso is a cat.")])
        await shows(fake, texts.file_needs_scope("notes.txt"))
        assert taught(install, ada) == []


async def test_a_redirect_to_another_host_is_not_followed(install: Install) -> None:
    async with slack_world(install) as fake, FakeSlack() as elsewhere:
        ada = agreed(install, fake, "ada")
        stolen = elsewhere.file("notes.txt", b"Secret")
        file = fake.file("notes.txt", b"Miso is a cat.")
        fake.server.redirects[file.id] = stolen.url.replace("127.0.0.1", "localhost")
        await ada.says("[Learn] read this", files=[file])
        await shows(fake, texts.file_elsewhere("notes.txt"))
        assert taught(install, ada) == []


async def test_the_login_page_is_not_taken_for_a_page_that_was_meant(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        file, login = fake.file("page.html", b"", "text/html"), fake.file("login", b"<html>Sign in</html>", "text/html")
        fake.server.redirects[file.id] = login.url
        await ada.says("[Learn] read this", files=[file])
        await shows(fake, texts.file_needs_scope("page.html"))
        await ada.says("[Learn]", files=[fake.file("real.html", b"<p>Miso is a cat.</p>", "text/html")])
        await shows(fake, "[0%]")
        assert handed_over(fake, ada)[-1] == ("[Learn]", [("real.html", b"<p>Miso is a cat.</p>")])
        fake.server.scopes.remove("files:read")
        await ada.says("[Learn]", files=[fake.file("other.html", b"<p>Miso is old.</p>", "text/html")])
        await shows(fake, texts.file_needs_scope("other.html"))


async def test_a_redirect_within_slack_is_followed(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        file, moved = fake.file("notes.txt", b""), fake.file("notes.txt", b"Miso is a cat.")
        fake.server.redirects[file.id] = moved.url
        await ada.says("[Learn]", files=[file])
        await answered(fake, ada.direct)
        assert handed_over(fake, ada) == [("[Learn]", [("notes.txt", b"Miso is a cat.")])]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"mode": "external"}, texts.file_unreadable("notes.txt", texts.NOT_KEPT_BY_SLACK)),
        ({"size": 30_000_000}, texts.file_too_big("notes.txt", 20_000_000)),
        ({"url_private_download": "https://example.org/notes.txt"}, texts.file_elsewhere("notes.txt")),
    ],
)
async def test_a_file_that_cannot_be_had_is_named(install: Install, told: dict[str, Any], sentence: str) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        file = fake.file("notes.txt", b"Miso is a cat.")
        file.told |= told
        await ada.says("[Learn]", files=[file])
        await shows(fake, sentence)
        assert taught(install, ada) == []


async def test_the_learn_command_teaches_in_private(install: Install) -> None:
    install.train()
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        await ada.commands("/learn", "Our office cat is called Miso.", fake.general)
        receipt = await shows(fake, LIVE)
        said = await shows(fake, texts.SAID_IN_PRIVATE)
        assert receipt.channel == ada.direct.id and said.seen_by == ada.id and said.channel == fake.general.id
        assert taught(install, ada) == ["Our office cat is called Miso."]


async def test_a_command_between_two_other_people_is_answered_for_its_author_only(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        elsewhere = Channel("D0OTHERS", "directmessage", is_im=True, has_bot=False)
        fake.world.channels[elsewhere.id] = elsewhere
        await ada.commands("/lessons", channel=elsewhere)
        assert (await shows(fake, texts.NO_LESSONS)).seen_by == ada.id
        await ada.commands("/learn", "Miso is a cat.", elsewhere)
        assert (await shows(fake, "[0%]")).channel == ada.direct.id
        assert (await shows(fake, texts.SAID_IN_PRIVATE)).channel == elsewhere.id


async def test_the_learn_command_alone_opens_a_form(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        await ada.commands("/learn")
        form = await view(fake)
        await ada.submits(form, text="Miso is a cat.", link="https://example.org/miso", files=[fake.file("a.txt", b"And old.")])
        await answered(fake, ada.direct)
        assert handed_over(fake, ada) == [("[Learn] Miso is a cat. https://example.org/miso", [("a.txt", b"And old.")])]


async def test_the_shortcut_opens_the_form_anywhere(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        await ada.chooses("teach")
        await ada.submits(await view(fake), text="Miso is a cat.")
        await answered(fake, ada.direct)
        assert taught(install, ada) == ["Miso is a cat."]


async def test_teaching_from_a_message_of_ones_own(install: Install) -> None:
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        message = await ada.says("Miso is a <cat> & old.", fake.general, mention=False, files=[fake.file("a.txt", b"Grey, too.")])
        await ada.chooses("teach_from", message)
        form = await view(fake)
        assert form["blocks"][0]["element"]["initial_value"] == "Miso is a <cat> & old."
        await ada.submits(form)
        await answered(fake, ada.direct)
        assert handed_over(fake, ada) == [("[Learn] Miso is a <cat> & old.", [("a.txt", b"Grey, too.")])]


async def test_teaching_from_an_answer_of_the_bots(install: Install) -> None:
    install.engine.answers["Cat?"] = "A cat is **Miso**."
    async with slack_world(install) as fake:
        ada = agreed(install, fake, "ada")
        await ada.says("Cat?")
        answer = await answered(fake, ada.direct)
        await ada.chooses("teach_from", answer)
        await ada.submits(await view(fake))
        await answered(fake, ada.direct, count=2)
        assert taught(install, ada) == ["A cat is **Miso**."]


async def test_what_others_write_is_not_taught(install: Install) -> None:
    async with slack_world(install) as fake:
        ada, bob = agreed(install, fake, "ada"), fake.person("bob")
        message = await bob.says("My secret is 42.", fake.general, mention=False)
        await ada.chooses("teach_from", message)
        refused = await shows(fake, texts.NOT_YOUR_WORDS)
        assert refused.seen_by == ada.id
        assert fake.world.views == [] and taught(install, ada) == []
