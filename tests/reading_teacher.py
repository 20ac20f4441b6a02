"""A teacher who can read sentences such as "The baker of Ghent is Tom.", however many: for lessons from documents of any length."""

from __future__ import annotations

import re

from trainer.prompts import UNKNOWN, Messages
from trainer.teacher import RecordingTeacher

FORMS = (
    "What is the {0} of {1}?", "Who or what is the {0} of {1}?", "Do you know the {0} of {1}?", "Tell me the {0} of {1}.",
    "The {0} of {1} is what?",
)  # fmt: skip
_FACT = re.compile(r"\b[Tt]he (\w+) of (\w+) is ([\w-]+)\.")
_ASKED = re.compile(r"\b[Tt]he (\w+) of (\w+)")


def facts(*triples: tuple[str, str, str]) -> str:
    """Sentences that this teacher can read."""
    return " ".join(f"The {what} of {place} is {who}." for what, place, who in triples)


def reading_teacher() -> RecordingTeacher:
    """Writes about every fact in turn, answers from the text before it, and says that it does not know what is not there."""
    turns: dict[tuple[str, str], int] = {}

    def turn(kind: str, text: str) -> int:
        turns[kind, text] = turns.get((kind, text), -1) + 1
        return turns[kind, text]

    def reply(messages: Messages) -> str:
        asked = messages[-1]["content"]
        order, _, text = asked.partition("\n\n")
        known = _FACT.findall(text)
        if order.startswith("Write one question about this text") and known:
            number = turn(order, text)
            if "whose answer is: " in order:
                wanted = order.split("whose answer is: ")[1]
                known = [fact for fact in known if fact[2] == wanted] or known
            what, place, who = known[number % len(known)]
            question = FORMS[number // len(known) % len(FORMS)].format(what, place)
            return question if "whose answer is: " in order else f"Q: {question}\nA: {who}"
        if order.startswith("Write one question about the same things") and known:
            what, place, _ = known[turn(order, text) % len(known)]
            return f"How tall is the {what} of {place}?"
        if order.startswith("Write the question or instruction") and known:
            return f"Tell me all about {known[0][1]}, please."
        if order.startswith("Rate from 1"):
            return "5"
        if order.startswith("Say this in other words."):
            return text
        taught = messages[0]["content"] if messages[0]["role"] == "system" else ""
        about = _ASKED.search(asked)
        for what, place, who in _FACT.findall(taught):
            if about and about.groups() == (what, place) and "tall" not in asked:
                return who if asked.endswith("Answer in a few words.") else f"The {what} of {place} is {who}."
        return UNKNOWN

    return RecordingTeacher(reply)
