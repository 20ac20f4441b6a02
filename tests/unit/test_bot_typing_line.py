"""Lines from bytes, piped and typed."""

from __future__ import annotations

from bot.platforms.typing_line import PipedLines, TypedLines


def test_piped_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    lines = PipedLines()
    assert lines.feed(b"caf\xe9\r\n\xf0\x9f") == ["caf\ufffd"]
    assert lines.feed(b"\x98\x80 \xd7\xa9\n") == ["😀 ש"]
    assert lines.feed(b"last") == []
    assert lines.end() == ["last", None]


def test_typed_keys_make_a_line() -> None:
    seen: list[str] = []
    entered: list[str] = []
    lines = TypedLines(seen.append, entered.append)
    assert lines.feed(b"Mixo") == []
    assert lines.feed(b"\x7f\x7fso \x1b[A\xf0\x9f") == []
    assert lines.feed(b"\x98\x80\r") == ["Miso 😀"]
    assert seen == ["Mixo", "Miso ", ""]
    assert entered == ["Miso 😀"]


def test_control_u_clears_and_control_d_ends_an_empty_line_only() -> None:
    lines = TypedLines(lambda _: None, lambda _: None)
    assert lines.feed(b"abc\x04") == []
    assert lines.feed(b"\x15\x04") == [None]
