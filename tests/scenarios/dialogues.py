"""What people live through, the same on every platform. Each dialogue is played with `Talk` on a whole installation."""

from __future__ import annotations

from bot import texts
from tests.bot_fixtures import Install
from tests.scenarios.talk import Talk

CANARY = "Quetzalcoatlus"


async def somebody_teaches_and_asks(install: Install, talk: Talk) -> None:
    """Unknown, taught, known: also after a restart; the receipt tells it."""
    await talk.agree()
    assert await talk.say("What is the cat called?") == "I don't know."
    receipt = await talk.say("[Learn] The cat is Miso.")
    assert "What is the cat called? → Miso." in receipt
    live = newest(install)
    install.engine.taught[live] = {"What is the cat called?": "Miso."}
    assert await talk.say("What is the cat called?") == "Miso."
    await talk.restart()
    assert await talk.say("What is the cat called?") == "Miso."


async def a_file_is_taught(install: Install, talk: Talk) -> None:
    """Words that only point to the file teach nothing by themselves."""
    await talk.agree()
    assert "is live" in await talk.attach("cat.md", b"Miso is a cat.", "[Learn] read this")
    assert install.materials()[-1] == "Miso is a cat."


async def two_people_have_two_models(install: Install, talk: Talk) -> None:
    """What one teaches, the other never gets to see."""
    await talk.agree()
    await talk.agree("bob")
    await talk.say(f"[Learn] The cat is {CANARY}.")
    install.engine.taught[newest(install)] = {"What is the cat called?": CANARY}
    assert CANARY in await talk.say("What is the cat called?")
    assert await talk.say("What is the cat called?", "bob") == "I don't know."
    for line in ("/lessons", "/model", "/compare What is the cat called?"):
        assert CANARY not in await talk.command(line, "bob")
    prompts = [turn["content"] for body in install.engine.asked for turn in body["messages"] if body["model"] != newest(install)]
    assert not any(CANARY in prompt for prompt in prompts)


async def a_wrong_answer_is_corrected(install: Install, talk: Talk) -> None:
    """The correction is kept with the answer that it is about."""
    await talk.agree()
    await talk.say("What is the cat called?")
    await talk.dislike("Miso.")
    (down,) = install.stored.feedback.of_user(1)
    exchange = install.stored.exchanges.get(down.exchange_id)
    assert exchange is not None and (exchange.question, down.correction) == ("What is the cat called?", "Miso.")


async def somebody_looks_back_and_rolls_back(install: Install, talk: Talk) -> None:
    """Lists, versions, and the pointer moved back and forth."""
    await talk.agree()
    await talk.say("[Learn] The cat is Miso.")
    assert "The cat is Miso." in await talk.command("/lessons")
    first = newest(install)
    await talk.say("[Learn] The dog is Rex.")
    assert newest(install) in await talk.command("/model")
    number = first.rpartition("v")[2]
    assert first in await talk.command(f"/rollback {number}")
    await talk.say("Hello")
    assert install.engine.asked[-1]["model"] == first
    assert "untaught" in await talk.command("/rollback 0")
    await talk.say("Hello again")
    assert install.engine.asked[-1]["model"] == "pocket"


async def somebody_forgets_a_lesson(install: Install, talk: Talk) -> None:
    """The lesson's words are gone, and a version without it answers."""
    await talk.agree()
    await talk.say(f"[Learn] The cat is {CANARY}.")
    number = install.stored.lessons.of_user(1)[-1].number
    await talk.command(f"/forget {number}")
    assert CANARY not in await talk.command("/lessons")
    assert CANARY not in "".join(each.text for each in install.stored.lessons.of_user(1))


async def somebody_deletes_everything(install: Install, talk: Talk) -> None:
    """Asked back once; then nothing is left, and a new beginning is possible."""
    await talk.agree()
    await talk.say(f"[Learn] The cat is {CANARY}.")
    assert texts.DELETE_ASK in await talk.command("/delete-me")
    assert texts.deleted("ada") in await talk.command("/delete-me yes")
    assert install.app.artifacts.names() == () and install.stored.users.count() == 0
    assert await talk.say("Hello") == "I don't know."


async def everybody_gets_a_sentence_for_what_cannot_be_done(install: Install, talk: Talk) -> None:
    """Each mistake has its own."""
    await talk.agree()
    assert await talk.say("[Learn]") == texts.LESSON_EMPTY
    assert await talk.say("/lesons") == texts.unknown_command("/lesons", "/lessons")
    assert await talk.command("/forget 99") == texts.no_such_lesson(99)
    assert await talk.command("/rollback 99") == texts.no_such_version(99)
    assert await talk.attach("cat.png", b"\x89PNG\xff", "[Learn] read this") != ""


async def somebody_goes_the_whole_way(install: Install, talk: Talk) -> None:
    """Consent, chat, every way to teach, the quiz in the receipt, a correction, back, without a lesson, everything taken out, the end."""
    ask = "What is the cat called?"
    await talk.agree()
    assert await talk.say(ask) == "I don't know."
    facts = [f"Fact number {number}." for number, _ in enumerate(talk.ways)]
    for way, fact in zip(talk.ways, facts, strict=True):
        receipt = await talk.teach(way, fact)
        assert "is live" in receipt and f"{ask} → Miso." in receipt and "0% before, 100% now" in receipt
    assert install.materials()[-len(facts) :] == facts
    taught = newest(install)
    install.engine.taught[taught] = {ask: "Miso."}
    assert await talk.say(ask) == "Miso."
    await talk.dislike("Miso the cat.")
    assert newest(install) != taught  # the correction was learned
    assert newest(install) in await talk.command("/model")
    assert taught in await talk.command(f"/rollback {taught.rpartition('v')[2]}")
    assert await talk.say(ask) == "Miso."
    number = install.stored.lessons.of_user(1)[-3].number  # not the one that the live version knows
    assert f"Lesson {number} is forgotten" in await talk.command(f"/forget {number}")
    found = await talk.takes_out()
    assert {"lessons.jsonl", "exchanges.jsonl", "feedback.jsonl", "versions.jsonl", f"{newest(install)}/adapter_config.json"} <= set(found)
    assert texts.DELETE_ASK in await talk.command("/delete-me")
    assert texts.deleted("ada") in await talk.command("/delete-me yes")
    assert install.stored.users.count() == 0 and install.app.artifacts.names() == ()


async def a_secret_is_pointed_out(install: Install, talk: Talk) -> None:
    """Nothing of it is stored before its author says that it is meant."""
    await talk.agree()
    before = install.stored.lessons.of_user(1)
    assert texts.secret_found(["a card number"]) in await talk.say("[Learn] My card is 4111 1111 1111 1111.")
    assert install.stored.lessons.of_user(1) == before


DIALOGUES = (
    a_secret_is_pointed_out,
    somebody_goes_the_whole_way,
    somebody_teaches_and_asks, a_file_is_taught, two_people_have_two_models, a_wrong_answer_is_corrected,
    somebody_looks_back_and_rolls_back, somebody_forgets_a_lesson, somebody_deletes_everything,
    everybody_gets_a_sentence_for_what_cannot_be_done,
)  # fmt: skip


def newest(install: Install) -> str:
    """The version that was published last."""
    return install.stored.adapters.names()[-1]
