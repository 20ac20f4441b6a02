"""Requests as people write them, put together from a tool's description: a way to ask, and a way to say each value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from trainer.pocket.words import word
from trainer.tools.description import Argument, Tool
from trainer.tools.values import sort_of

_CORE = re.compile(
    r",| (?:by|for|of (?:a|an|the)|given|in (?:a|an|the)|on (?:a|an|the)|at (?:a|an|the)|with|from (?:a|an|the)|to (?:a|an|the)|using|based|between"
    r"|matching"
    r"|around|near|that|which|according|and (?:return|optionally))\b"
)
_SEARCHES = re.compile(
    r"^(?:look up|look for|look|search for|search|find out|find"
    r"|get|fetch|check|show|tell|give|see|list|retrieve|return|query|lookup|explore|browse)\s+(?:me )?"
)
_ASKS = (
    "Can you {do}{with_}?", "Could you {do}{with_}?", "Could you please {do}{with_}?", "Please {do}{with_}.", "I want to {do}{with_}.",
    "I would like to {do}{with_}.", "I'd like to {do}{with_}.", "I need to {do}{with_}.", "{Do}{with_}.", "{Do}{with_}, please.",
    "Help me {do}{with_}.",
    "Can you help me {do}{with_}?", "Would you {do}{with_} for me?", "I was hoping you could {do}{with_}.", "Will you {do}{with_}?",
    "Let's {do}{with_}.", "I'm trying to {do}{with_}.", "Can you {do} for me{with_}?", "I am planning to {do}{with_}.",
)  # fmt: skip
_SEEKS = (
    "I need {thing}{with_}.", "I'm looking for {thing}{with_}.", "I am looking for {thing}{with_}.", "I want {thing}{with_}.", "{Thing}{with_}?",
    "Show me {thing}{with_}.", "Get me {thing}{with_}.", "Find me {thing}{with_}.", "Do you know {thing}{with_}?",
    "Are you able to find {thing}{with_}?",
    "I'd like {thing}{with_}.", "Is there {thing}{with_}?", "Tell me {thing}{with_}.", "What is {thing}{with_}?", "What will {thing} be like{with_}?",
    "How is {thing}{with_}?", "I am searching for {thing}{with_}.", "I'm interested in {thing}{with_}.", "Give me {thing}{with_}.",
    "I'm in the mood for {thing}{with_}.", "I feel like {thing}{with_}.", "What about {thing}{with_}?", "Find {thing}{with_}, please.",
)  # fmt: skip
_MORE = (
    "I want it {how}.", "It should be {how}.", "{How}, please.", "{How}.", "I would like it {how}.", "Please look {how}.", "Try {how}.",
    "I'd prefer {how}.",
    "I'd like something {how}.", "Can you check {how}?", "Let's say {how}.", "It has to be {how}.", "I need one {how}.", "Search {how}.",
    "I am after one {how}.",
    "Can you find something {how}?", "Anything {how} works.",
)  # fmt: skip
_BARE = (
    "{v}.", "{v}, please.", "{v} please.", "I like {v}.", "I would prefer {v}.", "I'd like {v}.", "Let's try {v}.", "I want {v}.", "How about {v}?",
    "I usually like {v}.", "{v} sounds good.", "{v} would be great.", "I love {v}.", "I am thinking of {v}.", "Maybe {v}.", "{v} is fine.",
    "The {l} is {v}.", "The {l} should be {v}.", "{v} as the {l}.", "For the {l}, {v}.", "{L}: {v}.", "Make the {l} {v}.", "My {l} is {v}.",
    "It's {v}.", "Check {v}.", "{v} is what I had in mind.", "I'm a fan of {v}.", "I'm a big fan of the {l} {v}.", "Preferably {v}.",
    "Something {v} in particular.",
)  # fmt: skip
_ASIDES = (
    "{w} sounds good.", "{w} works for me.", "Not {w}, thanks.", "Thanks, {w} is fine.", "I like {w}, but not now.", "Great, that is all about {w}.",
    "My friend {w} told me about this.", "No, thank you. That's all I need to know about {w}.", "{w} was great.",
)  # fmt: skip
_OPENINGS = (
    "Hi!", "Hello.", "Hey there,", "Hi there.", "Hey,", "Okay,", "Good morning.", "I could use your help.", "I am bored.", "I need some help.",
    "So,", "Thanks!",
    "My friends are coming over.", "I have some free time.", "I'm making plans.", "Can you help me?", "I have a question.", "One more thing:",
    "Quick one:", "Alright,", "No, something else.",
)  # fmt: skip
_HOW: dict[str, tuple[str, ...]] = {
    "place": ("in {v}", "in {v}", "in {v}", "for {v}", "near {v}", "around {v}", "at {v}", "over in {v}", "in the {v} area", "located in {v}"),
    "address": ("at {v}", "to {v}", "in {v}"),
    "date": ("on {v}", "for {v}", "{v}", "on {v}"), "time": ("at {v}", "for {v}", "around {v}", "by {v}"), "duration": ("for {v}", "of {v}"),
    "person": ("by {v}", "from {v}", "for {v}", "with {v}"), "genre": ("of the {v} kind", "in the {l} {v}", "that is {v}"),
    "subject": ("about {v}", "on {v}", "related to {v}"), "language": ("in {v}", "into {v}"), "currency": ("in {v}", "to {v}"),
    "cuisine": ("with {v} food", "that serves {v}", "with {v}"), "colour": ("in {v}",), "code": ("with the {l} {v}", "number {v}", "{v}"),
    "company": ("at {v}", "with {v}", "from {v}"), "title": ("called {v}", "for {v}", "of {v}"),
}  # fmt: skip
_ANY_HOW = ("with the {l} {v}", "with {v} as the {l}", "for {v}", "where the {l} is {v}", "with {l} {v}")
_COUNTS = ("with {v} {u}", "for {v} {u}", "that has {v} {u}", "with at least {v} {u}", "having {v} {u}")
_BEFORE = ("genre", "cuisine", "colour", "subject", "language")
_NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905  (a list of words)


def request(tool: Tool, arguments: Mapping[str, Any], rng: Random) -> str:
    """A request for the tool that says each of the values, in as they stand."""
    given = [each for each in tool.arguments if each.name in arguments]
    rng.shuffle(given)
    core = _core(tool.does, rng)
    thing = _SEARCHES.sub("", core)
    seeks = thing != core
    before = [each for each in given if _stands_before(each) and rng.random() < 0.6][:1]
    others = [each for each in given if each not in before]
    here = others if rng.random() < 0.5 else others[: rng.randint(0, len(others))]
    if not given or rng.random() < 0.93:
        thing, core = (_with_before(text, before, arguments, rng) for text in (thing, core))
        with_ = "".join(f" {how(each, arguments[each.name], rng)}" for each in here)
        form = rng.choice(_SEEKS) if seeks and rng.random() < 0.6 else rng.choice(_ASKS)
        said = [form.format(do=core, Do=_upper(core), thing=thing, Thing=_upper(thing), with_=with_)]
    else:
        said, here = [], []  # people answer what they were asked, and leave out the rest
        others = given
    said += [_more(each, arguments[each.name], rng) for each in others if each not in here]
    if rng.random() < 0.12:  # said twice, as people do: first what it is about, then all of it
        said.insert(0, rng.choice(_ASKS).format(do=_core(tool.does, rng), Do=_upper(tool.does), with_=""))
    if rng.random() < 0.25:
        said.insert(0, rng.choice(_OPENINGS))
    elif rng.random() < 0.15:  # what was talked about before is not what is asked for
        said.insert(0, rng.choice(_ASIDES).format(w=" ".join(word(rng, "").capitalize() for _ in range(rng.randint(1, 2)))))
    return _careless(" ".join(said), rng)


def incomplete(tool: Tool, arguments: Mapping[str, Any], missing: Argument, rng: Random) -> str:
    """A request that leaves a required argument out."""
    return request(tool, {name: each for name, each in arguments.items() if name != missing.name}, rng)


def how(argument: Argument, value: Any, rng: Random) -> str:
    """One value as part of a sentence: "in Lisbon", "with 2 beds"."""
    if argument.kind == "boolean":
        return f"{'with' if value else 'without'} {re.sub(r'^(?:has|is|include|includes|with|allow|allows) ', '', argument.label)}"
    unit = re.sub(r"^(?:number|count|amount) of ", "", argument.label)
    if unit != argument.label or re.search(r"\bnumber of\b", argument.description, re.I):
        described = re.search(r"[Nn]umber of (\w+)", argument.description)
        unit = described.group(1) if described and rng.random() < 0.5 else unit
        return rng.choice(_COUNTS).format(v=value, u=unit if str(value) != "1" else unit.rstrip("s"))
    participle = re.fullmatch(r"(\w+ed|\w+en) (by|in|from|at|for)", argument.label)
    if participle and rng.random() < 0.7:
        return f"{argument.label} {value}" if rng.random() < 0.7 else f"{participle[2]} {value}"
    if re.fullmatch(r"(?:from|to|origin|destination|start|departure|arrival)(?: \w+)?", argument.label):
        preposition = "from" if re.match(r"from|origin|start|departure", argument.label) else "to"
        return f"{preposition} {value}"
    last = re.search(r" (from|to)$", argument.label)
    if last:
        return f"{last[1]} {value}"
    forms = _HOW.get(sort_of(argument), _ANY_HOW)
    return (rng.choice(_ANY_HOW) if rng.random() < 0.12 else rng.choice(forms)).format(v=value, l=argument.label)


def _core(does: str, rng: Random) -> str:
    """What the tool does, without the arguments that its description goes on to name."""
    found = _CORE.search(does, 4)
    core = does[: found.start()] if found else does
    if len(core.split()) < 2:
        core = does
    verb = _SEARCHES.match(core)
    if verb and rng.random() < 0.6:
        core = f"{rng.choice(('look up', 'find', 'get', 'check', 'look for', 'search for', 'see', 'find out', 'show me'))} {core[verb.end() :]}"
    return core


def _stands_before(argument: Argument) -> bool:
    return argument.kind != "boolean" and (sort_of(argument) in _BEFORE or bool(argument.values) or _is_count(argument))


def _is_count(argument: Argument) -> bool:
    return argument.label.startswith(("number of ", "count of ", "amount of "))


def _with_before(text: str, before: Sequence[Argument], arguments: Mapping[str, Any], rng: Random) -> str:
    """ "an apartment" as "a 2 bed apartment", "movies online" as "drama movies online"."""
    for each in before:
        value = str(arguments[each.name])
        if _is_count(each):
            value = f"{value} {each.label.partition(' of ')[2].removesuffix('s')}"
        elif rng.random() < 0.1:
            value = f"{value} {each.label}"
        found = re.search(r"\b(?:an?|the|some|my) ", text)
        verb = _SEARCHES.match(text)
        if found:
            article = {"an": "a"}.get(found.group().strip(), found.group().strip())
            text = f"{text[: found.start()]}{article} {value} {text[found.end() :]}"
        elif verb:
            text = f"{text[: verb.end()]}{value} {text[verb.end() :]}"
        else:
            text = (
                f"{value} {text}" if len(text.split()) < 3 and text == _SEARCHES.sub("", text) else f"{text} {how(each, arguments[each.name], rng)}"
            )
    return text


def _more(argument: Argument, value: Any, rng: Random) -> str:
    unnamed = argument.kind != "string" or _is_count(argument) or re.search(r" (?:by|from|to|in|at|for|with)$", argument.label)
    if unnamed or rng.random() < 0.45:  # "5, please" could be anything, and "the directed by is" is no English
        said = how(argument, value, rng)
        return rng.choice(_MORE).format(how=said, How=_upper(said))
    return rng.choice(_BARE).format(v=value, l=argument.label, L=_upper(argument.label))


def _careless(text: str, rng: Random) -> str:
    """As it is typed: now and then without capitals or without the last full stop."""
    if rng.random() < 0.15:
        text = text.lower()
    return text.rstrip(".") if rng.random() < 0.15 else text


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
