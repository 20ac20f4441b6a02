"""Statements about things of known kinds, so that "Which drink …?" finds the rooibos: which word is of which kind, from ``kinds.txt``.

Frames teach what people ask about one sort of fact; here any thing meets any verb, and the kind alone decides what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from trainer.pocket.frames import Asked
from trainer.pocket.words import LISTS

KINDS_FILE = Path(__file__).parent / "kinds.txt"

# Kinds of which one thing may be both, or of which one tells of the other: a statement never mixes two of a row.
ALIKE = (
    ("animal", "bird", "insect", "fish", "breed of dog", "breed of cat", "dish"),
    ("fruit", "vegetable", "dish", "dessert", "cheese", "spice", "nut", "fish", "drink", "tree", "flower"),
    ("metal", "material", "gemstone", "piece of jewellery", "colour", "flower", "spice"),
    ("vehicle", "boat", "toy", "sport", "hobby", "device"),
    ("tool", "utensil", "device", "container", "toy", "piece of furniture"),
    ("building", "shop", "room"),
    ("city", "country", "continent", "island", "mountain", "river", "breed of dog"),
    ("sport", "game", "hobby", "dance", "toy"),
    ("kind of music", "dance", "instrument", "kind of film"),
    ("illness", "medicine", "part of the body", "subject", "drink"),
    ("subject", "language", "hobby", "profession"),
    ("festival", "month", "season", "day", "weather"),
    ("garment", "kind of shoes", "piece of jewellery"),
    ("shape", "size", "number", "gemstone"),
    ("planet", "metal"),
)
VERBS = [
    tuple(pair.split("/"))
    for pair in """bought/buy, saw/see, chose/choose, ordered/order, drew/draw, photographed/photograph, dreamt of/dream of, talked about/talk about,
wrote about/write about, mentioned/mention, forgot/forget, looked for/look for, found/find, described/describe, wanted/want, asked for/ask for,
painted/paint, recommended/recommend, complained about/complain about, picked/pick, got/get, missed/miss, read about/read about, paid for/pay for,
thought of/think of, admired/admire, praised/praise, hated/hate, loved/love, needed/need, studied/study, showed us/show us, brought up/bring up,
laughed at/laugh at, sang about/sing about""".replace("\n", " ").split(", ")
]
FAVOURITES = tuple(
    """drink, fruit, vegetable, dish, dessert, cheese, animal, bird, flower, tree, sport, game, subject, season, colour, city, festival,
kind of music, month, instrument, spice, day""".replace("\n", " ").split(", ")
)
NO_OBJECTS = tuple(
    """colour, material, size, number, shape, month, day, season, weather, continent, profession, relative, room, illness, brand, kind of film,
part of the body""".replace("\n", " ").split(", ")
)
NOUNS = """bike, jacket, suitcase, tent, bowl, lamp, scarf, box, chair, umbrella, mug, bag, boat, door, hat, table, vase, blanket, guitar, coat,
kite, basket, bench, desk""".replace("\n", " ").split(", ")
NUMBERED = ("grams of", "spoons of", "kilos of", "ounces of", "cups of", "millilitres of", "bags of", "handfuls of")


@dataclass(frozen=True)
class Kind:
    """What a kind is called, its ``names`` in questions, and the things of it."""

    name: str
    names: tuple[str, ...]
    things: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """A text of the user's, what it answers, and questions that it does not answer."""

    text: str
    known: list[Asked]
    unknown: list[str]


def _load() -> dict[str, Kind]:
    kinds = {}
    for line in KINDS_FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            head, _, things = line.partition(": ")
            name, _, others = head.partition(" | ")
            kinds[name] = Kind(name, (name, *filter(None, others.split(", "))), tuple(things.split(", ")))
    return kinds


KINDS = _load()


def tell(rng: Random) -> Told:
    """A statement or two about typed things."""
    return rng.choice(_TELLERS)(rng)


def _apart(rng: Random, count: int, among: tuple[str, ...] | None = None) -> list[Kind]:
    """Kinds that nobody mistakes for one another, of things that anything can be done with unless ``among`` says which."""
    chosen: list[Kind] = []
    names = among or tuple(name for name in KINDS if name not in NO_OBJECTS)
    for name in rng.sample(names, len(names)):
        if len(chosen) < count and not any(name in row and other.name in row for other in chosen for row in ALIKE):
            chosen.append(KINDS[name])
    return chosen


def _which(kind: Kind, rng: Random) -> str:
    """ "which drink", "what kind of beverage"."""
    name = rng.choice(kind.names)
    if name.startswith(("kind of", "piece of", "breed of", "part of", "style of", "time of")) or " of " in name:
        return rng.choice((f"what {name}", f"which {name}"))
    return rng.choice((f"which {name}", f"which {name}", f"what {name}", f"what {name}"))


@dataclass(frozen=True)
class _Who:
    """Somebody: as the user says it, as it is said back to them, and as questions name them."""

    said: str
    back: str
    asked: str
    of: str
    of_back: str
    of_asked: str


def _name(rng: Random) -> _Who:
    name = LISTS[rng.choice(("first", "first", "full"))](rng, rng.choice("mf"))
    return _Who(name, name, name, f"{name}'s", f"{name}'s", f"{name}'s")


def _who(rng: Random) -> _Who:
    roll = rng.random()
    if roll < 0.3:
        return _Who("I", "you", "I", "my", "your", "my")
    if roll < 0.6:
        mine = rng.choice(KINDS["relative"].things)
        back, name = "your" + mine[2:], LISTS["first"](rng, "f")
        called = rng.random() < 0.4
        said, told = (f"{mine} {name}", f"{back} {name}") if called else (mine, back)
        asked = rng.choice((name, mine)) if called else mine
        return _Who(said, told, asked, f"{said}'s", f"{told}'s", f"{asked}'s")
    return _name(rng)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _asked(question: str, short: str, sentence: str) -> Asked:
    return Asked(_sentence(question), short, _sentence(sentence))


def _told(text: str, known: list[Asked], unknown: list[str]) -> Told:
    return Told(_sentence(text), known, [_sentence(question) for question in unknown])


def _where_or_when(rng: Random) -> tuple[str, str, str]:
    """An adverbial, the question word that asks for it, and its value."""
    name, word = rng.choice(
        (
            ("city", "in"),
            ("country", "in"),
            ("month", "in"),
            ("day", "on"),
            ("season", "in"),
            ("building", "near"),
            ("shop", "outside"),
            ("room", "in"),
        )
    )
    kind = KINDS[name]
    value = rng.choice(kind.things)
    place = name in ("city", "country", "building", "shop", "room")
    asking = [f"{word} {_which(kind, rng)}", f"{'where' if place else 'when'}"]
    return f"{word} {value}", rng.choice(asking), value


def _deed(rng: Random) -> Told:
    """Somebody did something with two things of different kinds."""
    who, (past, base) = _who(rng), rng.choice(VERBS)
    first, second, other = _apart(rng, 3)
    one, two = rng.choice(first.things), rng.choice(second.things)
    where, asking, value = _where_or_when(rng)
    with_where = rng.random() < 0.5 and not {first.name, second.name} & {
        "city",
        "country",
        "building",
        "shop",
        "island",
        "river",
        "mountain",
        "festival",
    }
    shapes = [
        f"{{who}} {past} {one} and {two}{{where}}",
        f"{{where}}{{who}} {past} {one}, and also {two}",
        f"It was {one} that {{who}} {past}{{where}}, and {two}",
    ]
    shape = rng.choice(shapes)
    before = shape.startswith("{where}")
    clause = (f"{where}, " if before else f" {where}") if with_where else ""
    text = shape.format(who=who.said, where=clause) + "."
    back = shape.format(who=who.back, where=clause) + "."
    known = [
        _asked(f"{_which(first, rng)} did {who.asked} {base}?", one, back),
        _asked(f"{_which(second, rng)} did {who.asked} {base}?", two, back),
    ]
    unknown = [f"{_which(other, rng)} did {who.asked} {base}?"]
    if with_where:
        known.append(_asked(f"{asking} did {who.asked} {base} {rng.choice((one, two))}?", value, back))
    else:
        unknown.append(f"{rng.choice(('where', 'when', 'why'))} did {who.asked} {base} {rng.choice((one, two))}?")
    stranger = _who(rng)
    if stranger.asked not in text and stranger.said != who.said:
        unknown.append(f"{_which(first, rng)} did {stranger.asked} {base}?")
    return _told(text, known, unknown)


def _contrast(rng: Random) -> Told:
    """Two people, two deeds, two things: who did what."""
    one, two = _who(rng), _name(rng)
    (past, base), (past2, base2) = rng.sample(VERBS, 2)
    first, second = _apart(rng, 2)
    a, b = rng.choice(first.things), rng.choice(second.things)
    joint = rng.choice((", but ", ", while ", "; ", " and "))
    text, back = f"{one.said} {past} {a}{joint}{two.said} {past2} {b}.", f"{one.back} {past} {a}{joint}{two.back} {past2} {b}."
    known = [
        _asked(f"{_which(first, rng)} did {one.asked} {base}?", a, back),
        _asked(f"{_which(second, rng)} did {two.asked} {base2}?", b, back),
        _asked(f"what did {two.asked} {base2}?", b, back),
        _asked(f"who {past2} {b}?", two.back, back),
    ]
    unknown = [f"{_which(second, rng)} did {one.asked} {base}?", f"{_which(first, rng)} did {two.asked} {base2}?", f"what did {two.asked} {base}?"]
    return _told(text, known, unknown)


def _thing(rng: Random) -> Told:
    """A thing with its colour, material, make and place: adjectives are answers, too."""
    who, noun = _who(rng), rng.choice(NOUNS)
    colour, material, brand, room = (rng.choice(KINDS[name].things) for name in ("colour", "material", "brand", "room"))
    asks = {
        "colour": (
            colour,
            [
                f"what colour is {who.of_asked} {noun}?",
                f"which colour does {who.of_asked} {noun} have?",
                f"what is the color of {who.of_asked} {noun}?",
            ],
        ),
        "material": (
            material,
            [
                f"what is {who.of_asked} {noun} made of?",
                f"which material is {who.of_asked} {noun}?",
                f"what stuff is {who.of_asked} {noun} made from?",
            ],
        ),
        "brand": (brand, [f"which brand is {who.of_asked} {noun}?", f"who made {who.of_asked} {noun}?", f"what make is {who.of_asked} {noun}?"]),
        "room": (room, [f"where is {who.of_asked} {noun}?", f"in which room is {who.of_asked} {noun}?"]),
    }
    shapes = [
        (f"{{of}} {colour} {noun} is in {room}", "colour room"),
        (f"{{of}} {noun} is made of {material} and painted {colour}", "colour material"),
        (f"{{of}} {material} {noun} was made by {brand}", "material brand"),
        (f"{{of}} {colour} {brand} {noun} stands in {room}", "colour brand room"),
        (f"There is a scratch on {{of}} {colour} {noun}", "colour"),
        (f"{{of}} old {brand} {noun} broke, so now there is a {colour} one, which {{who}} got for free", "brand"),
        (f"{{of}} {noun} is not {rng.choice(('new', 'cheap', 'heavy', 'big'))}, but it is {colour} and comes from {brand}", "colour brand"),
    ]
    shape, slots = rng.choice(shapes)
    text = shape.format(of=who.of, who=who.said) + "."
    back = shape.format(of=who.of_back, who=who.back) + "."
    known = [_asked(rng.choice(asks[slot][1]), asks[slot][0], back) for slot in slots.split()]
    unknown = [rng.choice(questions) for slot, (_, questions) in asks.items() if slot not in slots and "broke" not in shape]
    unknown += rng.sample(
        [f"how old is {who.of_asked} {noun}?", f"how much did {who.of_asked} {noun} cost?", f"how heavy is {who.of_asked} {noun}?"], 1
    )
    return _told(text, known, unknown)


def _person(rng: Random) -> Told:
    """Somebody's work, home, tongue, instrument, pet and troubles."""
    who = _name(rng) if rng.random() < 0.5 else next(found for found in iter(lambda: _who(rng), None) if found.said != "I")
    facts = {
        "profession": ("is {}", ["what is the {kind} of {who}?", "what does {who} do for a living?", "what work does {who} do?"]),
        "city": ("lives in {}", ["in which {kind} does {who} live?", "where does {who} live?", "which {kind} is {who} living in?"]),
        "instrument": ("plays {}", ["which {kind} does {who} play?", "what does {who} play?"]),
        "language": ("speaks {}", ["which {kind} does {who} speak?"]),
        "subject": ("studies {}", ["which {kind} does {who} study?", "what is {who} studying?"]),
        "breed of dog": ("has {}", ["which {kind} does {who} have?", "what dog does {who} own?"]),
        "illness": ("suffers from {}", ["which {kind} does {who} have?", "what is {who} ill with?"]),
        "vehicle": ("drives {}", ["which {kind} does {who} drive?", "what does {who} get around in?"]),
        "fruit": ("is allergic to {}", ["which {kind} is {who} allergic to?", "what can {who} not eat?"]),
        "animal": ("keeps {}", ["which {kind} does {who} keep?"]),
        "insect": ("is afraid of {}", ["which {kind} is {who} afraid of?", "what scares {who}?"]),
        "sport": ("is good at {}", ["which {kind} is {who} good at?", "what {kind} is {who} strong in?"]),
    }
    chosen = rng.sample(list(facts), rng.choice((2, 2, 3)))
    values = {name: rng.choice(KINDS[name].things) for name in chosen}
    clauses = [facts[name][0].format(values[name]) for name in chosen]
    shape = f"{{who}} {clauses[0]} and {clauses[1]}" if len(clauses) == 2 else f"{{who}} {clauses[0]}, {clauses[1]} and {clauses[2]}"
    text, back = shape.format(who=who.said) + ".", shape.format(who=who.back) + "."

    def question(name: str) -> str:
        return rng.choice(facts[name][1]).format(kind=rng.choice(KINDS[name].names), who=who.asked)

    confused = {"animal": {"breed of dog", "insect"}, "breed of dog": {"animal"}, "insect": {"animal"}}
    beside = [name for name in facts if name not in chosen and not confused.get(name, set()) & set(chosen)]
    return _told(text, [_asked(question(name), values[name], back) for name in chosen], [question(name) for name in rng.sample(beside, 2)])


def _favourites(rng: Random) -> Told:
    """What people like best, and what they cannot stand."""
    who, other = _who(rng), _name(rng)
    first, second, third = _apart(rng, 3, FAVOURITES)
    a, b = rng.choice(first.things), rng.choice(second.things)
    best = rng.choice(("favourite", "favorite", "best-loved"))
    shapes = [
        f"{{of}} {best} {first.name} is {a}, and {other.of} {best} {second.name} is {b}",
        f"{a} is {{of}} {best} {first.name}; {other.said} likes {b} best",
        f"Of all things, {other.said} loves {b}, but {{of}} {best} is {a}",
    ]
    shape = rng.choice(shapes)
    text, back = shape.format(of=who.of) + ".", shape.format(of=who.of_back) + "."
    known = [
        _asked(f"{_which(first, rng)} is {who.of_asked} favourite?", a, back),
        _asked(f"what is {who.of_asked} favourite {rng.choice(first.names)}?", a, back),
        _asked(f"{_which(second, rng)} does {other.asked} like best?", b, back),
        _asked(f"what is {other.of_asked} favourite {rng.choice(second.names)}?", b, back),
    ]
    unknown = [f"what is {who.of_asked} favourite {rng.choice(kind.names)}?" for kind in (second, third)]
    unknown += [f"what is {other.of_asked} favourite {rng.choice(kind.names)}?" for kind in (first, third)]
    return _told(text, known, unknown)


def _kept(rng: Random) -> Told:
    """Where something is kept, and what is kept there."""
    who = _name(rng) if rng.random() < 0.6 else _Who("I", "you", "I", "my", "your", "my")
    does = "do" if who.said == "I" else "does"
    thing = rng.choice(KINDS[rng.choice(("tool", "garment", "device", "piece of jewellery", "medicine", "toy", "cheese", "nut"))].things)
    place, room = rng.choice(KINDS["container"].things), rng.choice(KINDS["room"].things)
    verb = rng.choice(("put", "hid", "left", "locked", "stored"))
    base = {"put": "put", "hid": "hide", "left": "leave", "locked": "lock", "stored": "store"}[verb]
    shape = rng.choice((f"{{who}} {verb} {thing} in {place} in {room}", f"In {room}, {{who}} {verb} {thing} in {place}"))
    text, back = shape.format(who=who.said) + ".", shape.format(who=who.back) + "."
    known = [
        _asked(f"where did {who.asked} {base} {thing}?", place, back),
        _asked(f"what did {who.asked} {base} in {place}?", thing, back),
        _asked(f"in which room did {who.asked} {base} {thing}?", room, back),
        _asked(f"what is in {place}?", thing, back),
        _asked(rng.choice((f"where can I find {thing}?", f"in what is {thing} kept?")), place, back),
    ]
    elsewhere = rng.choice([each for each in KINDS["container"].things if each != place])
    other = rng.choice([each for each in KINDS["tool"].things if each != thing])
    unknown = [
        f"what is in {elsewhere}?",
        f"where did {who.asked} {base} {other}?",
        f"when {does} {who.asked} need {thing}?",
        f"where did {who.asked} buy {thing}?",
    ]
    return _told(text, known, unknown)


def _amounts(rng: Random) -> Told:
    """Several amounts in one sentence, each asked for apart."""
    dish = rng.choice(KINDS["dish"].things + KINDS["dessert"].things)
    names = rng.sample(
        KINDS["vegetable"].things
        + KINDS["nut"].things
        + KINDS["spice"].things
        + ("flour", "sugar", "butter", "water", "salt", "rice", "milk", "oil"),
        4,
    )
    things = [name.removeprefix("a ").removeprefix("an ") for name in names]
    amounts = [
        f"{rng.choice((2, 3, 4, 5, 6, 10, 15, 20, 25, 50, 75, 100, 120, 150, 200, 250, 300, 350, 400, 500, 750))} {rng.choice(NUMBERED)[:-3]}"
        for _ in things
    ]
    parts = [f"{amount} of {thing}" for amount, thing in zip(amounts[:3], things[:3], strict=True)]
    listed = f"{parts[0]}, {parts[1]} and {parts[2]}"
    shape, back = rng.choice((
        (f"For {dish} I use {listed}", f"For {dish} you use {listed}"),
        (f"My recipe for {dish} takes {listed}", f"Your recipe for {dish} takes {listed}"),
        (f"{dish}: {listed}", f"{dish}: {listed}"),
    ))  # fmt: skip
    known = [
        _asked(
            rng.choice(
                (f"how much {thing} do I need for {dish}?", f"how much {thing} is there in {dish}?", f"what amount of {thing} does {dish} get?")
            ),
            amount,
            back + ".",
        )
        for thing, amount in zip(things[:3], amounts[:3], strict=True)
    ]
    unknown = [f"how much {things[3]} do I need for {dish}?", f"how long does {dish} take?", f"how many people is {dish} for?"]
    return _told(shape + ".", known, unknown)


_TELLERS: tuple[Callable[[Random], Told], ...] = (_deed, _contrast, _thing, _person, _favourites, _kept, _amounts)
