"""Plain text, Markdown and CSV, in whatever encoding they come."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator

from charset_normalizer import from_bytes
from markdown_it import MarkdownIt
from markdown_it.token import Token

from trainer.sources.parsing.blocks import Block, Limits, Parsed, Refused
from trainer.sources.parsing.kinds import READABLE

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_WESTERN = frozenset("àâäáãåæçéèêëíìîïñóòôöõøœúùûüýÿßÀÂÄÁÃÅÆÇÉÈÊËÍÌÎÏÑÓÒÔÖÕØŒÚÙÛÜÝ«»“”„‘’‚–—…€£§°·•®©¡¿ºª½¼²³µ\xa0")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffd]")
_UNDERLINE = re.compile(r"(=+|-+|~+|\*+)\s*$")
_STYLED = re.compile(r"<\w[^>]*\s(style|hidden|class|aria-hidden|color)\b", re.I)
LONGEST_HEADING = 80


def decoded(content: bytes) -> str:
    """The text in its own encoding. Raises Refused for what is no text."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return _text(content.decode(encoding, "replace"))
    try:
        return _text(content.decode("utf-8"))
    except UnicodeDecodeError:
        western = content.decode("cp1252", "replace")
        foreign = [character for character in western[:200_000] if not character.isascii()]
        if sum(character in _WESTERN for character in foreign) > 0.95 * len(foreign):  # the guesser often takes it for its eastern sister
            return _text(western)
        best = from_bytes(content[:200_000]).best()  # enough to tell; the whole would take long
        if best is None:
            raise Refused(f"{{name}} is not text in any encoding that I know; I read {READABLE} files.") from None
        return _text(content.decode(best.encoding, "replace"))


def _text(text: str) -> str:
    if len(_CONTROL.findall(text[:20_000])) > len(text[:20_000]) / 100:
        raise Refused(f"{{name}} holds characters that are not text, as in a picture or a program; I read {READABLE} files.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(content: bytes, limits: Limits) -> Parsed:
    """Paragraphs between empty lines; short lines that are underlined or all in capitals are headings."""
    text, skipped = _limited(decoded(content), limits)
    blocks = []
    for paragraph in re.split(r"\n[ \t]*\n", text):
        lines = [line.strip() for line in paragraph.strip("\n").split("\n")]
        if len(lines) >= 2 and len(lines[0]) <= LONGEST_HEADING and _UNDERLINE.fullmatch(lines[1]) and not _UNDERLINE.fullmatch(lines[0]):
            blocks.append(Block("heading", lines[0], 1 if lines[1][0] in "=*" else 2))
            lines = lines[2:]
        joined = " ".join(line for line in lines if line and not _UNDERLINE.fullmatch(line))
        if not joined:
            continue
        capitals = len(lines) == 1 and len(joined) <= LONGEST_HEADING and joined.isupper() and len(joined) > 3 and joined[-1] not in ".!?"
        blocks.append(Block("heading", joined, 2) if capitals else Block("paragraph", joined))
    return Parsed("text", tuple(blocks), skipped=skipped)


def read_markdown(content: bytes, limits: Limits) -> Parsed:
    """Headings, paragraphs, list items, table rows and code; HTML inside is left out, because it need not be visible."""
    text, skipped = _limited(decoded(content), limits)
    text, title = _front_matter(text)
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    blocks = tuple(_markdown_blocks(tokens))
    heading = next((block.text for block in blocks if block.kind == "heading" and block.level == 1), None)
    return Parsed("markdown", blocks, title=title or heading, skipped=skipped)


def read_csv(content: bytes, limits: Limits) -> Parsed:
    """Each row as "Column: value; …"."""
    text, skipped = _limited(decoded(content), limits)
    csv.field_size_limit(200_000)
    try:
        dialect: type[csv.Dialect] | csv.Dialect = csv.Sniffer().sniff(text[:8192], ",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), dialect)]
    except csv.Error as error:
        raise Refused("{name} cannot be read as a table: a cell in it is endless.") from error
    rows = [row for row in rows if any(row)]
    if not rows:
        raise Refused("{name} is empty.")
    return Parsed("csv", tuple(Block("table", each) for each in table_rows(rows)), skipped=skipped)


def table_rows(rows: list[list[str]]) -> Iterator[str]:
    """Rows of a table as text that says of each value what it is, as far as the first row tells."""
    header = rows[0] if len(rows) > 1 and all(cell and not re.fullmatch(r"[-+\d.,:%€$ ]+", cell) for cell in rows[0]) else None
    for row in rows[1:] if header else rows:
        named = [f"{header[i]}: {cell}" if header and i < len(header) else cell for i, cell in enumerate(row) if cell]
        if named:
            yield "; ".join(named) + "."


def _limited(text: str, limits: Limits) -> tuple[str, tuple[str, ...]]:
    if len(text) <= limits.characters:
        return text, ()
    return text[: limits.characters], (f"everything after the first {limits.characters:,} characters",)


def _front_matter(text: str) -> tuple[str, str | None]:
    """The text without the YAML block in front of it, and the title that it names."""
    found = re.match(r"---\n(.{0,5000}?)\n---\n", text, re.S)
    if found is None:
        return text, None
    title = re.search(r"^title:\s*[\"']?(.+?)[\"']?\s*$", found[1], re.M)
    return text[found.end() :], title[1] if title else None


def _markdown_blocks(tokens: list[Token]) -> Iterator[Block]:
    heading, lists, in_cell = 0, 0, False
    row: list[str] = []
    rows: list[list[str]] = []
    for token in tokens:
        match token.type:
            case "heading_open":
                heading = int(token.tag[1:])
            case "heading_close":
                heading = 0
            case "bullet_list_open" | "ordered_list_open":
                lists += 1
            case "bullet_list_close" | "ordered_list_close":
                lists -= 1
            case "table_open":
                rows = []
            case "tr_open":
                row = []
            case "th_open" | "td_open":
                in_cell = True
            case "th_close" | "td_close":
                in_cell = False
            case "tr_close":
                rows.append(row)
            case "table_close":
                yield from (Block("table", each) for each in table_rows(rows))
            case "fence" | "code_block" if token.content.strip():
                yield Block("code", token.content.strip())
            case "inline":
                text = _inline(token)
                if in_cell:
                    row.append(text)
                elif text:
                    yield Block("heading", text, heading) if heading else Block("list" if lists else "paragraph", text)
            case _:
                pass


def _inline(token: Token) -> str:
    """What the paragraph shows; the inside of a styled or hidden HTML element need not be shown."""
    parts, inside = [], False
    for child in token.children or []:
        if child.type == "html_inline":
            inside = bool(_STYLED.search(child.content)) or (inside and not child.content.startswith("</"))
        elif inside:
            continue
        elif child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return " ".join("".join(parts).split())
