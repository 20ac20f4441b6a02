"""Long text in several messages."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.platforms.discord.chunks import split

LINES = st.lists(
    st.one_of(
        st.sampled_from(["```python", "```", "", "Words, and more words. Then a sentence.", "    indented = True"]),
        st.text(alphabet=st.characters(codec="utf-8"), max_size=120),
    ),
    max_size=12,
)


def words(text: str) -> str:
    """A text without white space and fences, which splitting may change."""
    return re.sub(r"\s+", "", re.sub(r"^\s*```.*$", "", text, flags=re.MULTILINE))


@settings(max_examples=50)
@given(LINES.map("\n".join), st.integers(100, 400))
@example("a" * 1000, 100)
@example("```\n" + "x" * 300, 100)
def test_nothing_is_lost_and_no_message_is_too_long(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(len(part) <= limit for part in parts)
    if "```" not in text:
        assert words("".join(parts)) == words(text)


@settings(max_examples=50)
@given(LINES.map("\n".join), st.text(max_size=50), st.integers(100, 400))
def test_messages_that_were_sent_stay_as_they_are_while_the_text_grows(text: str, more: str, limit: int) -> None:
    before, after = split(text, limit), split(text + more, limit)
    assert after[: len(before) - 1] == before[:-1]


def test_a_code_block_is_closed_and_opened_again() -> None:
    code = "\n".join(f"print({number})" for number in range(40))
    parts = split(f"Here it is:\n```python\n{code}\n```\nThat was it.", 200)
    assert len(parts) > 2
    assert all(part.count("```") % 2 == 0 for part in parts)
    assert parts[1].startswith("```python\nprint(") and parts[1].endswith(")\n```")
    shown = [line for part in parts for line in part.split("\n") if line.startswith("print(")]
    assert shown == code.split("\n")
    assert parts[-1].endswith("That was it.")


def test_it_is_cut_where_a_reader_would() -> None:
    text = "One sentence here. " * 8
    assert all(part.endswith(".") for part in split(text.strip(), 100))
    assert split("a" * 60 + "\n\n" + "b" * 60, 100) == ["a" * 60, "b" * 60]
    assert split("short") == ["short"]
