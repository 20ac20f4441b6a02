"""The texts that the local moderator is fitted on and measured with: data sets, sentences from templates, and harmless everyday text."""

from __future__ import annotations

import json
import lzma
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.moderation.features import windows
from trainer.moderation.local import HEADS

TEMPLATES = Path(__file__).with_name("templates.txt")
UNKNOWN = -1
"""Label of a category that a data set does not tell apart; such a text is left out when that category is fitted."""

HELD_OUT = 0.2
"""Share of each data set that is never fitted on."""

SLOTS = {
    "{N}": "names",
    "{T}": "things",
    "{bad}": "bad",
    "{bads}": "bads",
    "{bad1}": "bad1",
    "{good}": "good",
    "{role}": "role",
    "{does}": "does",
}
"""Slots of the templates and the sections that fill them."""

PER_TEMPLATE = 120
"""Sentences made of one template; more of them repeat themselves, fewer leave groups and phrases unseen."""


HARMLESS = 2.0
"""Weight of a harmless sentence from a template: refusing what is harmless is what users meet daily."""


HATECHECK = 3.0
"""Weight of a HateCheck sentence: they are few, and made to tell apart what looks alike."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A text, whether it belongs to each of HEADS (1, 0 or UNKNOWN), where it is from, and how much it counts.

    ``template``: the sentence with a slot that it was made of, where its data set says so.
    """

    text: str
    labels: tuple[int, ...]
    source: str
    weight: float = 1.0
    template: str = ""

    @property
    def flagged(self) -> bool:
        """Whether any category applies."""
        return 1 in self.labels


@dataclass(frozen=True, slots=True)
class Corpus:
    """``fit`` to learn from; ``test`` are held out, by ``source``. ``slurs`` are words that insult a group, from the word list.

    HateCheck is all in ``fit``: small, and of few templates, it is measured by leaving templates out in turn (``fit.cross_validate``).
    """

    fit: tuple[Sample, ...]
    test: tuple[Sample, ...]
    slurs: tuple[str, ...]


def load(data: Path, seed: int) -> Corpus:
    """Everything under ``data`` (the folder that holds ``moderation/``), split the same way for the same seed."""
    rng = random.Random(seed)
    slurs, words = _word_list(data / "moderation" / "surge_profanity_en.jsonl.xz")
    fit: list[Sample] = [*words, *_hatecheck(data / "moderation" / "hatecheck_half.jsonl.xz")]
    test: list[Sample] = []
    for samples in (_davidson(data / "moderation"), _surge(data / "moderation"), *_everyday(data, rng)):
        rng.shuffle(samples)
        cut = int(len(samples) * HELD_OUT)
        test += samples[:cut]
        fit += samples[cut:]
    fit += from_templates(rng)
    return Corpus(tuple(fit), tuple(test), slurs)


def from_templates(rng: random.Random) -> list[Sample]:
    """Sentences of templates.txt, in harmful and harmless kinds; a third of both kinds misspelt in the ways that evade filters."""
    sections = _sections()
    groups = [tuple(form.strip() for form in row.split("|")) for row in sections.pop("groups")]
    slots = {slot: [word.strip() for row in sections.pop(name) for word in row.split(",")] for slot, name in SLOTS.items()}
    slots["{slur}"] = [
        "faggots",
        "kikes",
        "chinks",
        "spics",
        "niggers",
        "retards",
        "trannies",
        "dykes",
        "pakis",
        "ragheads",
        "gooks",
        "wetbacks",
    ]
    slots["{slur1}"] = [slur[:-3] + "y" if slur.endswith("ies") else slur[:-1] for slur in slots["{slur}"]]
    samples = []
    for title, templates in sections.items():
        labels = tuple(int(head in title.split()) for head in HEADS)
        for template in templates:
            made = dict.fromkeys(_fill(template, rng, groups, slots) for _ in range(PER_TEMPLATE))
            for text in made:
                text = _say(text, rng)
                samples.append(
                    Sample(
                        _misspell(text, rng) if rng.random() < 1 / 3 else text,
                        labels,
                        "templates",
                        1.0 if 1 in labels else HARMLESS,
                    )
                )
    return samples


def _davidson(folder: Path) -> list[Sample]:
    # Class 0 is hate speech, 1 offensive (mostly coarse words, much of it aimed at women, so it says little about hate), 2 neither.
    labels = {"0": (1, 1, UNKNOWN), "1": (UNKNOWN, 1, UNKNOWN), "2": (0, 0, 0)}
    weights = {"0": 1.0, "1": 0.2, "2": 1.0}
    rows = _rows(folder / "davidson_hate_offensive.jsonl.xz")
    return [Sample(row["tweet"], labels[row["class"]], "davidson", weights[row["class"]]) for row in rows]


def _surge(folder: Path) -> list[Sample]:
    rows = [(row["text"].strip(), row["is_toxic"] == "Toxic") for row in _rows(folder / "surge_toxicity_en.jsonl.xz")]
    return [Sample(text, (UNKNOWN, 1, UNKNOWN) if toxic else (0, 0, 0), "surge_toxicity", 2.0) for text, toxic in rows if text]


def _hatecheck(path: Path) -> Iterator[Sample]:
    for row in _rows(path):
        kind = row["functionality"]
        if row["label_gold"] == "hateful":
            labels = (1, UNKNOWN, 1 if kind.startswith("threat") else UNKNOWN)
        else:  # not hateful; but abuse of one person is harassment, and abuse of a profession may be
            labels = (0, {"target_indiv_nh": 1, "target_group_nh": UNKNOWN}.get(kind, 0), 0)
        yield Sample(row["test_case"].strip(), labels, "hatecheck", HATECHECK, row["ref_templ_id"] or row["templ_id"])


def _word_list(path: Path) -> tuple[tuple[str, ...], list[Sample]]:
    """Slurs, and one or two short sentences for each severe word; mild words (most have a harmless meaning) are left out."""
    slurs: dict[str, None] = {}
    samples = []
    for row in _rows(path):
        word, severity = row["text"].strip().lower(), float(row["severity_rating"])
        against_group = row["category_1"] in {"racial / ethnic slurs", "sexual orientation / gender"}
        if severity < 1.8 or len(word) < 4:
            continue
        if against_group and word.isalpha():
            slurs[word] = None
        labels = (1 if against_group else UNKNOWN, 1, UNKNOWN)
        samples += [Sample(text.format(word), labels, "surge_profanity", 0.5) for text in ("you {}", "what a {} he is")]
    return tuple(slurs), samples


def _everyday(data: Path, rng: random.Random) -> list[list[Sample]]:
    """Harmless text: what people tell about themselves, encyclopaedia, textbooks, questions, requests; one list a source."""
    readers: dict[str, tuple[str, int, Callable[[dict[str, str]], list[str]]]] = {
        "persona_chat": ("personal/synthetic_persona_chat_valid", 12_000, _persona_lines),
        "squad": ("knowledge/squad_passages", 6_000, lambda row: windows(row["context"])),
        "openstax": (
            "pretrain/openstax_ccby",
            12_000,
            lambda row: rng.sample(w := windows(row["text"]), min(len(w), 12)),
        ),
        "questions": ("knowledge/nq_open_dev", 2_000, lambda row: [row["question"]]),
        "requests": ("sft/rasbt_instruction_1100", 2_000, lambda row: [row["instruction"], row["output"]]),
        "taskmaster": ("sft/taskmaster4_coffee", 2_000, lambda row: [turn for turn in _strings(row) if " " in turn]),
    }
    found = []
    for source, (name, limit, read) in readers.items():
        documents = [read(row) for row in _rows(data / f"{name}.jsonl.xz")]
        rng.shuffle(documents)
        texts = dict.fromkeys(text.strip() for document in documents for text in document if text.strip())
        found.append([Sample(text, (0, 0, 0), source) for text in list(texts)[:limit]])
    return found


def _persona_lines(row: dict[str, str]) -> list[str]:
    said = re.sub(r"(?m)^User [12]: ", "", row["Best Generated Conversation"])
    return [*row["user 1 personas"].split("\n"), *row["user 2 personas"].split("\n"), *said.split("\n")]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in TEMPLATES.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            rows = found.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            rows.append(line)
    return found


def _fill(template: str, rng: random.Random, groups: Sequence[tuple[str, ...]], slots: Mapping[str, Sequence[str]]) -> str:
    while "(" in template:
        template = re.sub(r"\(([^()]*)\)", lambda choice: rng.choice(choice[1].split("|")), template)
    for slot, form in zip(("{G}", "{S}", "{A}"), rng.choice(groups), strict=True):
        template = template.replace(slot, form)
    for slot, words in slots.items():
        while slot in template:
            template = template.replace(slot, rng.choice(words), 1)
    template = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", template)
    return re.sub(r"\s+", " ", template).replace(" ,", ",").strip()


def _say(text: str, rng: random.Random) -> str:
    """The sentence as people write it: with or without capitals, a stop, a lead-in."""
    text = text[0].upper() + text[1:]
    if text[-1] not in '.!?"':
        text += rng.choice((".", ".", "!", "", "."))
    style = rng.random()
    return text.lower() if style < 0.15 else text.upper() if style < 0.18 else text


def _misspell(text: str, rng: random.Random) -> str:
    """A letter dropped, two letters swapped, digits for letters, spaces gone, or a word torn into letters."""
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word) > 3] or [0]
    index = rng.choice(long)
    word = words[index]
    kind = rng.randrange(5)
    at = rng.randrange(1, max(2, len(word) - 1))
    if kind == 0:
        words[index] = word[:at] + word[at + 1 :]
    elif kind == 1:
        words[index] = word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :] if at < len(word) else word
    elif kind == 2:
        words = [word.translate(str.maketrans("aeiost", "431057")) if i in (index, rng.choice(long)) else word for i, word in enumerate(words)]
    elif kind == 3:
        return rng.choice(("".join(words), "".join(words[: index + 1]) + " " + " ".join(words[index + 1 :])))
    else:
        words[index] = " ".join(word)
    return " ".join(words)
