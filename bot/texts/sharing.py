"""What is said when people give lessons to each other."""

from __future__ import annotations

from collections.abc import Sequence

from bot.texts.phrases import listed, shortened
from storage.records import LessonRecord

SHARE, TAKE = "Give it", "Learn it"
OFFER_USAGE = "Write /offer and the code of a pack: then everybody here can take it. /share lists yours."
SHARE_USAGE = "Write /share and the numbers of lessons, as in /share 1,3. /lessons lists them; /share alone lists what you give."
TAKE_USAGE = "Write /take and the code that somebody gave you, as in /take 3f9a1c02b7de."
UNSHARE_USAGE = "Write /unshare and the code of a pack of yours. /share lists them."
OWN_PACK = "That pack is yours: your model knows it already."
UNSHARED = "Withdrawn: nobody can take that any more. Those who took it keep what they took."


def share_ask(name: str, given: Sequence[tuple[LessonRecord, int]], secret: Sequence[str], line: str) -> str:
    """The question before lessons are given; `given` has the number of examples of each."""
    lines = ["This goes to whoever has the code:", *_given(given)]
    if secret:
        lines.append(f"There is {listed(secret)} in that, by the look of it.")
    lines.append(f"Their models learn it, say it to anybody, and name you, {name}, as the source. What is taken once, you cannot take back.")
    lines.append(f"If you are sure, and may give it: {line}")
    return "\n".join(lines)


def _given(lessons: Sequence[tuple[LessonRecord, int]]) -> list[str]:
    lines = []
    for lesson, examples in lessons:
        read = ", ".join(each.title or each.name for each in lesson.sources)
        lines.append(f"  {lesson.number}. {shortened(lesson.text)}{f' (from {read})' if read else ''}, with {examples} examples")
    return lines


def offer(name: str, given: Sequence[tuple[LessonRecord, int]], code: str) -> str:
    """A pack, shown to everybody in a channel."""
    return "\n".join([f"{name} gives you:", *_given(given), f"Press {TAKE} or write /take {code}, and your own model learns it."])


def shared(code: str, numbers: Sequence[int]) -> str:
    """A pack is there."""
    given = listed([str(each) for each in numbers])
    return f"Lesson {given} can be taken now: /take {code}. /offer {code} shows that to a channel, /unshare {code} withdraws it."


def packs(found: Sequence[tuple[str, Sequence[int]]]) -> str:
    """What somebody gives, by code."""
    if not found:
        return f"You give nothing to others. {SHARE_USAGE}"
    lines = [f"  /take {code}: lesson {listed([str(each) for each in numbers]) or 'none any more'}" for code, numbers in found]
    return "\n".join(["You give:", *lines, "/unshare and a code withdraws one."])


def from_pack(name: str, code: str) -> str:
    """The source of a lesson that was taken."""
    return f"shared by {name} (pack {code})"


def taking(name: str, numbers: Sequence[int]) -> str:
    """Lessons are taken."""
    mine = listed([str(each) for each in numbers])
    return f"What {name} gave: {f'lessons {mine}' if len(numbers) > 1 else f'lesson {mine}'} of yours now, which I learn."


def no_such_pack(code: str) -> str:
    """An unknown code."""
    return f"There is no pack {shortened(code, 40)}, or it was withdrawn."


def taken_already(code: str) -> str:
    """Taken before."""
    return f"You have taken {code} already. /lessons lists your lessons."


def not_to_be_shared(number: int) -> str:
    """A lesson that no model knows."""
    return f"Lesson {number} is not live, so there is nothing to give. /lessons lists your lessons."


def too_much_for_a_pack(most: int) -> str:
    """Too many lessons at once."""
    return f"That is too much at once: a pack holds {most} lessons at most."
