"""Documents are cut where they are cut anyway."""

from __future__ import annotations

import pytest

from trainer.sources.document import digest_of
from trainer.sources.instruction import PASSAGE_WORDS
from trainer.sources.parsing.blocks import Block
from trainer.sources.parsing.layout import Box, in_reading_order
from trainer.sources.parts import PART_WORDS, in_parts, words_of


def paragraph(words: int, name: str = "word") -> Block:
    return Block("paragraph", " ".join(f"{name.capitalize()} number {number} is here now." for number in range(words // 6)))


def test_a_heading_begins_a_part_and_long_text_under_it_goes_on_in_others() -> None:
    parts = in_parts([Block("heading", "One", 1), paragraph(120), Block("heading", "Two", 1), paragraph(500)])
    assert [part.heading for part in parts][:2] == ["One", "Two"]
    assert {part.heading for part in parts[1:]} == {"Two"}
    assert all(sum(len(passage.split()) for passage in part.passages) <= PART_WORDS for part in parts)
    assert all(len(passage.split()) <= PASSAGE_WORDS for part in parts for passage in part.passages)
    assert words_of(parts) == 120 + 498


def test_a_short_section_joins_its_neighbour() -> None:
    parts = in_parts([Block("heading", "One"), paragraph(12), Block("heading", "Two"), paragraph(12, "thing")])
    assert len(parts) == 1


def test_rows_and_items_keep_the_heading_that_says_what_they_are() -> None:
    rows = [Block("table", "Bread: Rye; Price: 4."), Block("table", "Bread: Oat; Price: 5.")]
    (part,) = in_parts([Block("heading", "Prices"), *rows, Block("heading", "Rules"), Block("list", "• no dogs"), Block("list", "2. no ball games")])
    assert part.passages == ("Prices: Bread: Rye; Price: 4. Prices: Bread: Oat; Price: 5.", "Rules: no dogs. Rules: no ball games.")


def test_passages_are_whole_sentences_and_she_stays_with_who_she_is() -> None:
    text = "Dr. Ada Moreau leads the clinic. She likes rye bread and cats. The clinic opens at nine. On Sundays it stays closed."
    (part,) = in_parts([Block("paragraph", text)], 8)
    assert part.passages == (
        "Dr. Ada Moreau leads the clinic. She likes rye bread and cats.", "The clinic opens at nine. On Sundays it stays closed.",
    )  # fmt: skip


def test_code_and_scraps_are_left_out() -> None:
    assert in_parts([Block("code", "x = 1"), Block("paragraph", "Page 3"), Block("heading", "Alone")]) == []


def test_one_paragraph_of_many_pages_becomes_many_parts() -> None:
    parts = in_parts([Block("paragraph", "word " * 20_000)])
    assert words_of(parts) == 20_000
    assert len(parts) >= 20_000 // PART_WORDS


def test_the_digest_is_of_the_words() -> None:
    one, other = in_parts([Block("paragraph", "The shop opens at nine.")]), in_parts([Block("list", "The  shop opens, at nine")])
    assert digest_of(one) == digest_of(other) != digest_of(in_parts([Block("paragraph", "The shop opens at ten.")]))


def test_reading_order_follows_columns_below_what_spans_them() -> None:
    boxes = {
        "title": Box(0, 0, 500, 20), "left 1": Box(0, 40, 200, 60), "left 2": Box(0, 80, 200, 100),
        "right 1": Box(240, 45, 500, 65), "right 2": Box(240, 82, 500, 99), "foot": Box(0, 200, 500, 220),
    }  # fmt: skip
    shuffled = sorted(boxes, key=lambda name: name[::-1])
    ordered = in_reading_order(shuffled, boxes.__getitem__)
    assert ordered.index("title") == 0
    assert ordered.index("left 1") < ordered.index("left 2") < ordered.index("right 1") < ordered.index("right 2")


@pytest.mark.parametrize(
    ("sentence", "statements"),
    [
        (
            "A ticket costs eight euros, and children under twelve get in for free.",
            ["A ticket costs eight euros.", "Children under twelve get in for free."],
        ),
        ("The house is old, but the garden was planted last spring.", ["The house is old.", "The garden was planted last spring."]),
        ("She likes apples, pears, and plums from the market.", ["She likes apples, pears, and plums from the market."]),
        ("He left in 1990, and was buried in Ghent near the river.", ["He left in 1990, and was buried in Ghent near the river."]),
        ("It rained, and so on.", ["It rained, and so on."]),
    ],
)
def test_a_small_model_reads_statements_that_are_only_joined_one_at_a_time(sentence: str, statements: list[str]) -> None:
    (small,) = in_parts([Block("paragraph", sentence)], 12)
    assert " ".join(small.passages) == " ".join(statements)
    (large,) = in_parts([Block("paragraph", sentence)], 60)
    assert large.passages == (sentence,)
