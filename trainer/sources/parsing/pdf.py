"""PDF: text in reading order, tables as rows, headings by their size; what is scanned, hidden or repeated on every page is told apart."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pymupdf

from trainer.sources.parsing.blocks import Block, Limits, Parsed, Refused
from trainer.sources.parsing.layout import Box, in_reading_order
from trainer.sources.parsing.plain import table_rows

TABLE_SECONDS = 2.0  # of processor time for finding tables in the whole document; the text does not depend on it
SMALLEST = 2.0  # points; smaller text cannot be read
MARGIN = 0.085  # share of the page's height at its top and bottom where headers and footers stand
_FLAGS = (
    pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_MEDIABOX_CLIP | pymupdf.TEXT_DEHYPHENATE | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE
    | pymupdf.TEXT_IGNORE_ACTUALTEXT  # a replacement text need not say what the page shows
)  # fmt: skip
_PAGE_NUMBER = re.compile(r"\W*(page )?(\d{1,4}|[ivxl]{1,6})\W*", re.I)


@dataclass(frozen=True, slots=True)
class _Text:
    """A piece of a page: where it stands, what it says, in which size, and whether all of it is bold."""

    box: Box
    text: str
    size: float
    bold: bool
    page: int
    row: bool = False  # of a table


@dataclass(slots=True)
class _Page:
    """What one page gave."""

    height: float
    texts: list[_Text]
    scanned: bool = False
    hidden: tuple[Box, ...] = ()


def read_pdf(content: bytes, limits: Limits) -> Parsed:
    """The document's text. Raises Refused for what is locked, damaged, too long or has no text at all."""
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    try:
        document = pymupdf.open(stream=content, filetype="pdf")
    except (pymupdf.FileDataError, pymupdf.EmptyFileError, RuntimeError, ValueError) as error:
        raise Refused("{name} is damaged or incomplete, so I cannot open it. Please send it again.") from error
    if document.needs_pass:
        raise Refused("{name} is locked with a password. Please send it without one.")
    count = _page_count(document)
    if count == 0:
        raise Refused("{name} is damaged or incomplete: it has no pages that I can read. Please send it again.")
    if count > limits.pages:
        raise Refused(f"{{name}} has {count:,} pages, and I read documents of up to {limits.pages:,}. Please send the part that matters.")
    pages, unread, length = [], 0, 0
    for number in range(count):
        try:
            page = _read_page(document, number)
        except Exception as error:  # whatever the library finds wrong with it: one broken page does not spoil the others
            if isinstance(error, MemoryError) or "alloc" in str(error):
                raise MemoryError from error
            unread += 1
            continue
        pages.append(page)
        length += sum(len(each.text) for each in page.texts)
        if length > limits.characters:
            break
    blocks = _blocks(pages)
    skipped = _skipped(pages, unread, count, repaired=bool(document.is_repaired))
    if not blocks:
        if any(page.scanned for page in pages):
            raise Refused("{name} is scanned: its pages are pictures, without text that I could read. Please send it with text recognition (OCR).")
        if unread or document.is_repaired:
            raise Refused("{name} is damaged or incomplete: there is no page in it that I can read. Please send it again.")
        raise Refused("{name} holds no text that I can read.")
    about = document.metadata or {}
    return Parsed(
        "pdf", tuple(blocks), title=_said(about.get("title")), author=_said(about.get("author")), date=_date(about.get("creationDate")),
        pages=count, skipped=tuple(skipped),
    )  # fmt: skip


def _page_count(document: Any) -> int:
    try:
        return int(document.page_count)
    except RuntimeError as error:  # more pages than there are objects in the file, say
        raise Refused("{name} is damaged: the number of pages that it claims to have is impossible.") from error


def _read_page(document: Any, number: int) -> _Page:
    page = document[number]
    found = _Page(page.rect.height, [])
    unseen: list[_Text] = []
    light: list[tuple[_Text, int]] = []
    for block in page.get_text("dict", flags=_FLAGS, clip=page.rect)["blocks"]:
        visible: list[dict[str, Any]] = []
        for line in block.get("lines", ()):
            spans = [span for span in line["spans"] if span["text"].strip()]
            for span in spans:
                text = _Text(Box(*span["bbox"]), " ".join(span["text"].split()), span["size"], False, number + 1)
                if span["alpha"] <= 10 or span["size"] < SMALLEST:
                    unseen.append(text)
                elif _is_light(span["color"]):
                    light.append((text, span["color"]))
            visible += _kept(line, spans)
        if visible:
            found.texts += _paragraphs(visible, number + 1, page.rect.height)
    shown, concealed = _light_text(page, light) if light else ([], [])
    found.texts += shown
    images = page.get_image_info() if not found.texts or unseen else []
    covered = sum(abs(pymupdf.Rect(each["bbox"]) & page.rect) for each in images) > 0.5 * abs(page.rect)
    if unseen and covered and not found.texts:  # text recognition lays its text invisibly over the picture
        found.texts, unseen = unseen, []
    found.scanned = not found.texts and (covered or bool(images))
    found.hidden = tuple(text.box for text in (*unseen, *concealed))
    found.texts = in_reading_order(found.texts, lambda text: text.box)
    _put_tables(page, found)
    return found


def _kept(line: dict[str, Any], spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The line with its readable dark spans, or nothing."""
    dark = [span for span in spans if span["alpha"] > 10 and span["size"] >= SMALLEST and not _is_light(span["color"])]
    if not dark:
        return []
    whole = "".join(span["text"] for span in line["spans"] if span in dark or not span["text"].strip())
    return [{"bbox": line["bbox"], "text": whole, "spans": dark}]


def _paragraphs(lines: list[dict[str, Any]], page: int, height: float) -> list[_Text]:
    """The lines of one block as one text, or several where the letters change or a header ends."""
    found: list[_Text] = []
    for line in lines:
        text = " ".join(line["text"].split())
        letters = sum(len(span["text"]) for span in line["spans"])
        size = round(sum(span["size"] * len(span["text"]) for span in line["spans"]) / letters, 1)
        bold = all(span["flags"] & pymupdf.TEXT_FONT_BOLD for span in line["spans"])
        before = found[-1] if found else None
        box = Box(*line["bbox"])
        same = before is not None and abs(before.size - size) < 0.8 and before.bold == bold and box.top - before.box.bottom < size
        if before is not None and same and not _in_margin(before.box, height) and not _in_margin(box, height):
            found[-1] = replace(before, text=_joined(before.text, text), box=before.box.with_(box))
        else:
            found.append(_Text(box, text, size, bold, page))
    return [each for each in found if each.text]


def _light_text(page: Any, light: Sequence[tuple[_Text, int]]) -> tuple[list[_Text], list[_Text]]:
    """White text: what stands on something darker, and what does not, which nobody sees."""
    grounds = [(pymupdf.Rect(each["rect"]), each["fill"]) for each in page.get_drawings() if each.get("fill")]
    pictures = [pymupdf.Rect(each["bbox"]) for each in page.get_image_info()]
    shown: list[_Text] = []
    concealed: list[_Text] = []
    for text, colour in light:
        middle = pymupdf.Point((text.box.left + text.box.right) / 2, (text.box.top + text.box.bottom) / 2)
        under = [fill for rect, fill in grounds if middle in rect]
        dark = under and min(under[-1]) < 0.85 and max(abs(a - b) for a, b in zip(_rgb(colour), _three(under[-1]), strict=True)) > 0.2
        (shown if dark or any(middle in each for each in pictures) else concealed).append(text)
    return shown, concealed


def _put_tables(page: Any, found: _Page) -> None:
    """Replace the words of each ruled table by its rows."""
    if time.process_time() > _table_deadline() or not 6 <= sum(kind.endswith("path") for kind, *_ in page.get_bboxlog()) <= 3000:
        return
    try:
        tables = page.find_tables(use_layout=False).tables  # ruled tables; the other way takes seconds a page
    except Exception:  # whatever its heuristics stumble over: the words are there without it
        return
    words = [(Box(*word[:4]), word[4]) for word in page.get_text("words", flags=_FLAGS)] if tables else []
    words = [(box, word) for box, word in words if not any(hidden.holds(box) for hidden in found.hidden)]
    for table in tables:
        rows = [[_within(cell, words) for cell in row.cells] for row in table.rows]
        rows = [row for row in rows if any(row)]
        place = Box(*table.bbox)
        inside = [text for text in found.texts if place.holds(text.box)]
        if len(rows) < 2 or len(rows[0]) < 2 or not inside:
            continue
        at = found.texts.index(inside[0])
        texts = [replace(inside[0], text=row, row=True, bold=False) for row in table_rows(rows)]
        found.texts = [text for text in found.texts[:at] if text not in inside] + texts + [text for text in found.texts[at:] if text not in inside]


def _within(cell: tuple[float, float, float, float] | None, words: Sequence[tuple[Box, str]]) -> str:
    """What stands in a cell."""
    return " ".join(word for box, word in words if Box(*cell).holds(box)) if cell else ""


def _table_deadline() -> float:
    return _STARTED + TABLE_SECONDS


_STARTED = time.process_time()


def _blocks(pages: Sequence[_Page]) -> list[Block]:
    """All pages' texts without headers and footers, paragraphs joined across pages, headings by their size."""
    margins = _repeated(pages)
    texts = [text for page in pages for text in page.texts if not _beside_the_text(text, page, margins)]
    sizes: Counter[float] = Counter()
    for text in texts:
        sizes[text.size] += len(text.text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    larger = sorted({text.size for text in texts if text.size > 1.12 * body and len(text.text) <= 200}, reverse=True)
    blocks: list[Block] = []
    for text in texts:
        if text.row:
            blocks.append(Block("table", text.text, page=text.page))
        elif text.size in larger and len(text.text) <= 200 and re.search(r"[^\W\d]", text.text):
            blocks.append(Block("heading", text.text, min(6, 1 + larger.index(text.size)), text.page))
        elif text.bold and len(text.text) <= 90 and text.text[-1] not in ".!?,;:" and re.search(r"[^\W\d]", text.text):
            blocks.append(Block("heading", text.text, min(6, 1 + len(larger)), text.page))
        elif blocks and blocks[-1].kind == "paragraph" and _goes_on(blocks[-1], text):
            blocks[-1] = replace(blocks[-1], text=_joined(blocks[-1].text, text.text))
        elif re.search(r"\w", text.text):
            kind = "list" if re.match(r"[•·▪‣◦–*-] |\(?\d{1,2}[.)] ", text.text) else "paragraph"
            blocks.append(Block("list" if kind == "list" else "paragraph", text.text, page=text.page))
    return blocks


def _goes_on(before: Block, text: _Text) -> bool:
    """Whether a paragraph that a page or a column broke off goes on here."""
    return before.text[-1] not in '.!?:;”"' and text.text[:1].islower()


def _repeated(pages: Sequence[_Page]) -> set[str]:
    """The shapes of lines that stand at the top or bottom of several pages."""
    if len(pages) < 4:
        return set()
    shapes = Counter(shape for page in pages for shape in {_shape(text.text) for text in page.texts if _in_margin(text.box, page.height)})
    return {shape for shape, times in shapes.items() if times >= 3}


def _beside_the_text(text: _Text, page: _Page, margins: set[str]) -> bool:
    """A header, a footer, a page number, or a line of the table of contents."""
    if re.search(r"(\. ?){6,}", text.text):
        return True
    return _in_margin(text.box, page.height) and (_shape(text.text) in margins or bool(_PAGE_NUMBER.fullmatch(text.text)))


def _in_margin(box: Box, height: float) -> bool:
    return box.bottom < MARGIN * height or box.top > (1 - MARGIN) * height


def _shape(text: str) -> str:
    """A header without its page number."""
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", text.lower())


def _joined(one: str, other: str) -> str:
    if re.search(r"\w[-\u2010\u00ad]$", one) and other[:1].islower():
        return one[:-1] + other
    return f"{one} {other}"


def _skipped(pages: Sequence[_Page], unread: int, count: int, *, repaired: bool) -> list[str]:
    scanned = [number for number, page in enumerate(pages, 1) if page.scanned]
    hidden = [number for number, page in enumerate(pages, 1) if page.hidden]
    found = []
    if scanned:
        found.append(f"{_pages(scanned)}, scanned as a picture" if len(scanned) == 1 else f"{_pages(scanned)}, scanned as pictures")
    if hidden:
        found.append(f"hidden text on {_pages(hidden)}")
    if unread:
        found.append("1 page that is damaged" if unread == 1 else f"{unread} pages that are damaged")
    if repaired:
        found.append("what was lost, because the file is damaged")
    if len(pages) + unread < count:
        found.append(f"everything after page {len(pages) + unread}")
    return found


def _pages(numbers: Sequence[int]) -> str:
    """ "page 3" or "pages 1, 4–9 and 12"; long lists end in "and more"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    said = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    said = [*said[:6], "more"] if len(said) > 7 else said
    listed = " and ".join(filter(None, [", ".join(said[:-1]), said[-1]]))
    return f"page {listed}" if len(numbers) == 1 else f"pages {listed}"


def _is_light(colour: int) -> bool:
    return min(_rgb(colour)) > 0.85


def _rgb(colour: int) -> tuple[float, float, float]:
    return (colour >> 16 & 255) / 255, (colour >> 8 & 255) / 255, (colour & 255) / 255


def _three(fill: Iterable[float]) -> tuple[float, float, float]:
    parts = tuple(fill)
    return (parts[0], parts[0], parts[0]) if len(parts) < 3 else (parts[0], parts[1], parts[2])


def _said(text: str | None) -> str | None:
    return " ".join(text.split())[:300] or None if text else None


def _date(text: str | None) -> str | None:
    """``D:20260131120000Z`` as 2026-01-31."""
    found = re.match(r"D:(\d{4})(\d\d)(\d\d)", text or "")
    return f"{found[1]}-{found[2]}-{found[3]}" if found else None
