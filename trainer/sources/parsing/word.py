"""Word documents (.docx): headings, paragraphs, lists and tables, without what is marked as hidden or deleted."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import docx
from docx.oxml.ns import qn

from trainer.sources.parsing.blocks import Block, Limits, Parsed, Refused
from trainer.sources.parsing.plain import table_rows

MOST_UNPACKED = 300_000_000  # bytes; a book without pictures has two or three million
SMALLEST = 4  # half points: 2 points cannot be read


def read_word(content: bytes, limits: Limits) -> Parsed:
    """The document's text. Raises Refused for what is damaged, locked or unpacks to too much."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(each.file_size for each in archive.infolist()) > MOST_UNPACKED:
            raise Refused("{name} unpacks to more than I can hold, so I did not open it.")
        if any(each.flag_bits & 1 for each in archive.infolist()):
            raise Refused("{name} is locked with a password. Please send it without one.")
    try:
        document = docx.Document(io.BytesIO(content))
    except Exception as error:  # the library has no error of its own for what it did not expect
        if isinstance(error, MemoryError):
            raise
        raise Refused("{name} is damaged, so I cannot open it. Please save it again as .docx.") from error
    blocks, length, hidden = [], 0, False
    for block, unseen in _blocks(document):
        hidden = hidden or unseen
        if block is None:
            continue
        length += len(block.text)
        if length > limits.characters:
            break
        blocks.append(block)
    skipped = (["hidden text"] if hidden else []) + (["the end of a very long document"] if length > limits.characters else [])
    about = document.core_properties
    return Parsed(
        "word", tuple(blocks), title=about.title or None, author=about.author or None,
        date=about.modified.date().isoformat() if about.modified else None, skipped=tuple(skipped),
    )  # fmt: skip


def _blocks(document: Any) -> Iterator[tuple[Block | None, bool]]:
    """Each block, and whether something in it was hidden."""
    names = {style.style_id: (style.name or "") for style in document.styles}
    for element in document.element.body:
        if element.tag == qn("w:p"):
            text, hidden = _text(element)
            yield (_paragraph(element, text, names) if re.search(r"\w", text) else None), hidden
        elif element.tag == qn("w:tbl"):
            cells = [[_text(cell) for cell in row.iter(qn("w:tc"))] for row in element.iter(qn("w:tr"))]
            rows = [[text for text, _ in row] for row in cells]
            rows = [row for row in rows if any(row)]
            hidden = any(unseen for row in cells for _, unseen in row)
            for each in table_rows(rows) if rows else ():
                yield Block("table", each), hidden


def _paragraph(element: Any, text: str, names: dict[str, str]) -> Block:
    style = element.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
    name = names.get(style.get(qn("w:val")), "") if style is not None else ""
    heading = re.match(r"(heading (\d)|title)", name, re.I)
    if heading:
        return Block("heading", text, int(heading[2] or 1))
    listed = element.find(f"{qn('w:pPr')}/{qn('w:numPr')}") is not None or name.lower().startswith("list")
    return Block("list" if listed else "paragraph", text)


def _text(element: Any) -> tuple[str, bool]:
    parts, hidden = [], False
    for run in element.iter(qn("w:r")):
        said = "".join(
            (piece.text or "") if piece.tag == qn("w:t") else " " for piece in run if piece.tag in (qn("w:t"), qn("w:tab"), qn("w:br"), qn("w:cr"))
        )
        if _unseen(run):
            hidden = hidden or bool(said.strip())
        else:
            parts.append(said)
    return " ".join("".join(parts).split()), hidden


def _unseen(run: Any) -> bool:
    """Marked as hidden, white, or too small to be read."""
    about = run.find(qn("w:rPr"))
    if about is None:
        return False
    for mark in ("w:vanish", "w:webHidden"):
        found = about.find(qn(mark))
        if found is not None and found.get(qn("w:val")) not in ("0", "false"):
            return True
    colour, shade, size = about.find(qn("w:color")), about.find(qn("w:shd")), about.find(qn("w:sz"))
    white = colour is not None and (colour.get(qn("w:val")) or "").upper() == "FFFFFF" and shade is None and about.find(qn("w:highlight")) is None
    small = size is not None and (size.get(qn("w:val")) or "99").isdigit() and int(size.get(qn("w:val")) or 99) <= SMALLEST
    return white or small
