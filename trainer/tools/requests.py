"""Writes the examples from which a tool is learned: requests with the call that answers each, checked against the tool's schema.

Self-instruct (Wang et al. 2022) in the direction that can be checked: the argument values are drawn first, then a request is written that
says them. A teacher writes it where it keeps the values; for a teacher too small for that, it is put together from the description.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from storage.records import ExampleRecord
from trainer import prompts
from trainer.errors import NothingToTeachError
from trainer.examples import contains, normal
from trainer.replay import chat_questions
from trainer.teacher import Teacher
from trainer.tools.calls import Call
from trainer.tools.description import Tool, in_words
from trainer.tools.phrasing import incomplete, request
from trainer.tools.values import value

QUIZ, QUIZ_ASKING_BACK = 12, 2  # requests of each tool that are kept from training
INCOMPLETE, NO_TOOL = 0.08, 0.12  # shares: a required argument is missing; nothing is to be called
NO_TOOL_MOST = 64  # different messages of ordinary chat; more of them would be the same
OPTIONAL_GIVEN = 0.5  # share of the requests that say an optional argument
TRIED, ABLE = 8, 0.5  # requests that a teacher is tried with, and the share of them that must keep the values
LONGEST = 40  # words of a request

CallText = Callable[[Call], str]


def write_tool_examples(
    tools: Sequence[Tool],
    teacher: Teacher,
    call_text: CallText,
    *,
    count: int,
    seed: int,
    system: str = "",
    on_progress: Callable[[float], None] = lambda _: None,
) -> list[ExampleRecord]:
    """About ``count`` examples to train on, shared out among the tools, and a quiz. ``call_text`` writes a call as the model should.

    Raises NothingToTeachError where none could be written.
    """
    rng = Random(seed)
    able = _is_able(tools, teacher, rng, seed)
    on_progress(0.1)
    examples: list[ExampleRecord] = []
    seen: set[str] = set()
    each = max(4, round(count * (1 - NO_TOOL) / len(tools)))
    for number, tool in enumerate(tools):
        pairs = _pairs(tool, each + QUIZ, teacher if able else None, rng, seed + number, seen)
        asking = _asking_back(tool, round(each * INCOMPLETE), rng, seen)
        examples += [ExampleRecord("quiz", asked, _bare(call_text(call))) for asked, call in pairs[:QUIZ]]
        examples += [ExampleRecord("train", asked, call_text(call)) for asked, call in pairs[QUIZ : QUIZ + each - len(asking)]]
        examples += [ExampleRecord("quiz", asked, answer) for asked, answer in asking[:QUIZ_ASKING_BACK] if len(asking) > 2 * QUIZ_ASKING_BACK]
        examples += [
            ExampleRecord("train", asked, answer) for asked, answer in asking[QUIZ_ASKING_BACK if len(asking) > 2 * QUIZ_ASKING_BACK else 0 :]
        ]
        on_progress(0.1 + 0.7 * (number + 1) / len(tools))
    if not any(example.role == "train" for example in examples):
        raise NothingToTeachError("I could not think of requests for that tool. Say what it does and what it needs in plain words.")
    examples += _no_tool(teacher, max(4, round(count * NO_TOOL)), rng, seed, system)
    on_progress(1.0)
    return examples


def draw_arguments(tool: Tool, rng: Random) -> dict[str, Any]:
    """Values for the tool's arguments, in its order: all required ones, some of the others."""
    drawn: dict[str, Any] = {}
    for each in tool.arguments:
        if each.required or rng.random() < OPTIONAL_GIVEN:
            choices = [value(each, rng) for _ in range(4)]  # two arguments of one value could not be told apart
            drawn[each.name] = next((one for one in choices if isinstance(one, bool) or str(one) not in map(str, drawn.values())), choices[0])
    return drawn


def says_all(asked: str, arguments: dict[str, Any]) -> bool:
    """Whether a request says each value, so that the call can be known from it."""
    return all(isinstance(each, bool) or contains(asked, str(each)) for each in arguments.values())


def _is_able(tools: Sequence[Tool], teacher: Teacher, rng: Random, seed: int) -> bool:
    """Whether the teacher writes requests that keep the values."""
    tried = [(tool, draw_arguments(tool, rng)) for tool in (list(tools) * TRIED)[:TRIED]]
    written = _taught_writing(tried, teacher, seed)
    return sum(found is not None for found in written) >= ABLE * TRIED


def _pairs(tool: Tool, count: int, teacher: Teacher | None, rng: Random, seed: int, seen: set[str]) -> list[tuple[str, Call]]:
    """Different requests for the tool, each with its call."""
    found: list[tuple[str, Call]] = []
    for attempt in range(6):
        drawn = [draw_arguments(tool, rng) for _ in range(max(8, count - len(found)))]
        written: Sequence[str | None] = [request(tool, each, rng) for each in drawn]
        if teacher is not None:  # every other one: the teacher's wording is the more natural, the other the more varied
            own = iter(_taught_writing([(tool, each) for each in drawn[::2]], teacher, seed + 1000 * attempt))
            written = [next(own) if at % 2 == 0 else plain for at, plain in enumerate(written)]
        for asked, arguments in zip(written, drawn, strict=True):
            call = Call(tool.name, arguments, f"I need {tool.name} for this.")
            if asked and normal(asked) not in seen and says_all(asked, arguments) and tool.takes(arguments) and len(asked.split()) <= LONGEST:
                seen.add(normal(asked))
                found.append((asked, call))
        if len(found) >= count:
            break
    return found[:count]


def _taught_writing(asked: Sequence[tuple[Tool, dict[str, Any]]], teacher: Teacher, seed: int) -> list[str | None]:
    """The teacher's requests; None where it does not keep the values, or writes something else."""
    conversations = [prompts.write_request(in_words(tool), {name: str(each) for name, each in values.items()}) for tool, values in asked]
    replies = teacher.complete(conversations, temperature=0.9, max_tokens=60, seed=seed)
    found: list[str | None] = []
    for (tool, values), reply in zip(asked, replies, strict=True):
        line = reply.strip().splitlines()[0].strip(' "“”') if reply.strip() else ""
        natural = len(line.split()) >= 3 and tool.name not in line and not re.search(r"[{}_=]", line)
        about = not tool.does or any(contains(line, word) for word in normal(tool.does).split() if len(word) > 3)
        found.append(line if natural and about and says_all(line, values) else None)
    return found


def _asking_back(tool: Tool, count: int, rng: Random, seen: set[str]) -> list[tuple[str, str]]:
    """Requests that leave out something that is needed, with the question that the assistant asks back."""
    required = [each for each in tool.arguments if each.required]
    found = []
    for _ in range(count if required else 0):
        missing = rng.choice(required)
        asked = incomplete(tool, draw_arguments(tool, rng), missing, rng)
        if normal(asked) not in seen:
            seen.add(normal(asked))
            found.append((asked, prompts.ask_back(missing.label)))
    return found


def _no_tool(teacher: Teacher, count: int, rng: Random, seed: int, system: str) -> list[ExampleRecord]:
    """Ordinary messages with what the base model says to them."""
    asked = chat_questions(rng, min(count, NO_TOOL_MOST))
    replies = teacher.complete([prompts.chat([], question, system=system) for question in asked], temperature=0, max_tokens=48, seed=seed)
    return [ExampleRecord("train", question, reply) for question, reply in zip(asked, replies, strict=True) if reply]


def _bare(text: str) -> str:
    """A call without its thought: whatever the model thinks, the call counts."""
    return re.sub(r"^Thought:[^\n]*\n", "", text)
