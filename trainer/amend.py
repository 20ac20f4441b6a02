"""What a correction makes of earlier lessons: their sentences, with the corrected words in place of the old ones.

"My dentist is Dr. Alder and his practice is on Mill Street." is still right about the street once the dentist is Dr. Benning; what is
learned again must not say the old name beside it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from storage.records import ExampleRecord
from trainer import prompts
from trainer.examples import contains, normal, says_unknown, switch_person
from trainer.generate import on_topic
from trainer.kinds import fits
from trainer.statements import is_bare
from trainer.teacher import Teacher

MOST_WORDS = 6  # of what is replaced: longer, and it is a sentence
_PLACED = r"(?:(?P<at>in|on|at|to|from|under|behind|by|with|of|for|near|into|beside|next to|until|since) )?"
_DETERMINED = r"(?:(?P<the>the|a|an|my|our|your|his|her|their) )?"


@dataclass(frozen=True, slots=True)
class Amendment:
    """To a question, the bare answer that holds now in place of the old one."""

    question: str
    old: str
    new: str

    def applies(self, passages: Sequence[str]) -> bool:
        """Whether the passages, which are what one lesson says, answer the question in the old way."""
        return any(self.changes(each) and on_topic(self.question, each) for each in passages)

    def changes(self, text: str) -> bool:
        """Whether a text says the old answer."""
        return self.of(text) != text

    def of(self, text: str) -> str:
        """The text with the new answer, in the grammar of both: "on Mill Street" becomes "in the mall"."""
        old, new = (re.fullmatch(f"{_PLACED}{_DETERMINED}(?P<core>.+)", each.strip(" ."), re.I) for each in (self.old, self.new))
        assert old is not None
        assert new is not None

        def written(match: re.Match[str]) -> str:
            at = new["at"] or match["at"]
            the = new["the"] or (None if new["at"] or new["core"][:1].isupper() or new["core"][:1].isdigit() else match["the"])
            found = " ".join(filter(None, (at, the, new["core"])))
            return found[:1].upper() + found[1:] if match[0][:1].isupper() and not found[:1].isupper() and match.start() == 0 else found

        kind = re.escape(new["core"].rpartition(" ")[0])  # "gate", of "gate C19", which may stand before what is replaced, too
        again = f"(?:{kind} )*" if kind else ""
        return re.sub(rf"(?<!\w){_PLACED}{_DETERMINED}{again}{re.escape(old['core'])}(?!\w)", written, text, flags=re.I)

    def examples(self, examples: Sequence[ExampleRecord]) -> list[ExampleRecord]:
        """Those of a lesson to which it applies, amended; without those that ask about the old answer itself."""
        return [replace(each, answer=self._answer(each)) for each in examples if not self.changes(each.question)]

    def _answer(self, example: ExampleRecord) -> str:
        is_part = example.role == "quiz" and contains(self.old, example.answer) and not contains(self.new, example.answer)
        return self.new if is_part else self.of(example.answer)


def amendments(examples: Sequence[ExampleRecord]) -> list[Amendment]:
    """What a lesson's examples replace: a bare answer that they reject, by the bare one that the quiz now asks for."""
    now = {normal(each.question): each.answer for each in examples if each.role == "quiz" and not says_unknown(each.answer)}
    rejected = [each for each in examples if each.role == "rejected" and normal(each.question) in now and is_bare(each.question, each.answer)]
    found = [Amendment(each.question, each.answer, now[normal(each.question)]) for each in rejected]
    return [each for each in found if len(each.old.split()) <= MOST_WORDS and not contains(each.new, each.old)]


def old_answer(question: str, ways: Sequence[str], new: str, passages: Sequence[str], teacher: Teacher) -> str | None:
    """The bare answer that the newest passage about the question gives to it; None where there is none, or it is the new one already.

    A small teacher wavers: it is asked in several ``ways``, and most of its answers that stand in the passage count.
    """
    near = [each for each in passages if on_topic(question, each)]
    if not near or any(contains(each, new) for each in near):
        return None
    asked = [question, *ways]
    for passage in reversed(near):
        replies = teacher.complete([prompts.chat([], prompts.briefly(each), passage) for each in asked], temperature=0, max_tokens=24, seed=0)
        short = [reply.partition(prompts.ANSWER_FIRST)[0].strip(" .") for reply in replies]
        votes = Counter(each for each in short if _stands_in(passage, each) and fits(question, each))
        if votes and (best := votes.most_common(1)[0])[1] * 2 >= sum(votes.values()):
            return best[0]
    return None


def _stands_in(passage: str, short: str) -> bool:
    return not says_unknown(short) and len(short.split()) <= MOST_WORDS and (contains(passage, short) or contains(switch_person(passage), short))
