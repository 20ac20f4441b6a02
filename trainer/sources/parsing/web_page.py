"""The main text of a web page, with its title, author and date; what a reader would not see is taken out first."""

from __future__ import annotations

import re
from collections.abc import Iterator

import trafilatura
from lxml import etree, html

from trainer.sources.parsing.blocks import Block, Limits, Parsed, Refused
from trainer.sources.parsing.plain import decoded, table_rows

_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|opacity\s*:\s*0?\.?0*\s*(;|$|!)|font-size\s*:\s*[01]?(\.\d+)?(px|pt|em|rem|%)?\s*(;|$|!)"
    r"|(width|height)\s*:\s*[01](px)?\s*(;|$|!)|(text-indent|left|top|right|bottom|margin-left|margin-top)\s*:\s*-\d{3,}"
    r"|clip\s*:\s*rect\(\s*[01]|clip-path\s*:\s*inset\(\s*(50|100)%|transform\s*:\s*scale\(\s*0|color\s*:\s*transparent",
    re.I,
)
_SAME_COLOUR = re.compile(
    r"(?<![\w-])color\s*:\s*([^;!]+).*background(?:-color)?\s*:\s*([^;!]+)|background(?:-color)?\s*:\s*([^;!]+).*(?<![\w-])color\s*:\s*([^;!]+)",
    re.I,
)
_WHITE = re.compile(r"(?<![\w-])color\s*:\s*(white|#fff(fff)?|rgb\(\s*255\s*,\s*255\s*,\s*255\s*\)|hsl\([^)]*100%\s*\))\s*(;|$|!)", re.I)
_RULE = re.compile(r"([^{}]{1,300})\{([^{}]{0,2000})\}")
_SIMPLE = re.compile(r"(?P<tag>[a-z][a-z0-9]*)?(?P<mark>[.#])(?P<name>[\w-]+)", re.I)
_UNSEEN_TAGS = ("script", "style", "noscript", "template", "iframe", "object", "embed", "svg", "math", "canvas", "select", "textarea", "dialog")


def read_html(content: bytes, limits: Limits, url: str | None = None) -> Parsed:
    """The page's main text. Raises Refused where there is none."""
    tree = _tree(content)
    hidden = _drop_hidden(tree)
    try:
        found = trafilatura.bare_extraction(tree, url=url, with_metadata=True, include_comments=False, include_tables=True, include_formatting=False)
    except (ValueError, TypeError, RecursionError):
        found = None
    blocks = list(_blocks(found.body)) if found is not None and not isinstance(found, dict) and found.body is not None else []
    if sum(len(block.text) for block in blocks) < 50:  # too short a page for it to tell what is main text
        blocks = _all_text(tree) or blocks
    if not blocks:
        raise Refused("{name} holds no text that I can read: it may only show its text to a browser that runs programs.")
    kept, length = [], 0
    for block in blocks:
        length += len(block.text)
        if length > limits.characters:
            break
        kept.append(block)
    skipped = (["text that is not visible on the page"] if hidden else []) + ([] if len(kept) == len(blocks) else ["the end of a very long page"])
    title, author, date = (found.title, found.author, found.date) if found is not None and not isinstance(found, dict) else (None, None, None)
    return Parsed("html", tuple(kept), title=title or _title(tree), author=author, date=date, skipped=tuple(skipped))


def _tree(content: bytes) -> html.HtmlElement:
    declared = re.search(rb"<meta[^>]{0,200}charset=[\"']?([\w-]+)", content[:4096], re.I)
    try:
        text = content.decode(declared[1].decode("ascii") if declared else "utf-8")
    except (UnicodeDecodeError, LookupError):
        text = decoded(content)
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text).replace("\0", "")
    try:
        tree = html.document_fromstring(text, parser=html.HTMLParser(remove_comments=True, remove_pis=True, huge_tree=False))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise Refused("{name} cannot be read as a web page: it is damaged.") from error
    return tree


def _drop_hidden(tree: html.HtmlElement) -> bool:
    """Remove elements that a reader does not see; whether any of them held words."""
    hiding = _hiding_marks(tree)
    found, words = [], False
    for element in tree.iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag in _UNSEEN_TAGS:
            found.append(element)
        elif _hides(element, hiding):
            found.append(element)
            words = words or bool(re.search(r"\w", element.text_content()))
    for element in found:
        if element.getparent() is not None:
            element.drop_tree()
    return words


def _hides(element: html.HtmlElement, hiding: set[str]) -> bool:
    style = element.get("style") or ""
    if "hidden" in element.attrib or element.get("aria-hidden", "").lower() == "true" or (element.tag == "input" and element.get("type") == "hidden"):
        return True
    if style and (_HIDING.search(style) or _unreadable(style)):
        return True
    if element.tag == "font" and re.fullmatch(r"#fff(fff)?|white", element.get("color", ""), re.I):
        return True
    marks = {f".{name}" for name in (element.get("class") or "").split()} | ({f"#{element.get('id')}"} if element.get("id") else set())
    return bool(marks & hiding)


def _unreadable(style: str) -> bool:
    """Written in the colour of its background."""
    same = _SAME_COLOUR.search(style)
    if same:
        one, other = [part.strip().lower() for part in same.groups() if part]
        return one == other
    return bool(_WHITE.search(style)) and "background" not in style.lower()


def _hiding_marks(tree: html.HtmlElement) -> set[str]:
    """Classes and ids that the page's own style sheets hide, as far as simple selectors tell."""
    marks = set()
    for sheet in tree.iter("style"):
        for selectors, rules in _RULE.findall((sheet.text or "")[:200_000]):
            if "@media" not in selectors and _HIDING.search(rules):
                for selector in selectors.split(","):
                    simple = _SIMPLE.fullmatch(selector.strip())
                    if simple:
                        marks.add(simple["mark"] + simple["name"])
    return marks


def _blocks(body: etree._Element) -> Iterator[Block]:
    """trafilatura's elements: head, p, list with item, table with row and cell, quote, code."""
    for element in body:
        match element.tag:
            case "head":
                yield from _block("heading", element, int(re.sub(r"\D", "", element.get("rend") or "") or 2))
            case "list":
                for item in element.iter("item"):
                    yield from _block("list", item)
            case "table":
                rows = [[_said(cell) for cell in row.iter("cell")] for row in element.iter("row")]
                yield from (Block("table", each) for each in (table_rows([row for row in rows if any(row)]) if any(map(any, rows)) else ()))
            case "code":
                yield from _block("code", element)
            case "div" | "quote" if len(element):
                yield from _blocks(element)
            case _:
                yield from _block("paragraph", element)


def _block(kind: str, element: etree._Element, level: int = 0) -> Iterator[Block]:
    text = _said(element)
    if text:
        yield Block(kind, text, level)  # type: ignore[arg-type]  # every caller gives a BlockKind


def _said(element: etree._Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _all_text(tree: html.HtmlElement) -> list[Block]:
    """Every paragraph-like element's own text, for pages too small to find the main text of."""
    found = []
    for element in tree.iter("h1", "h2", "h3", "h4", "p", "li", "td", "pre", "body", "div"):
        own = " ".join([element.text or "", *((child.tail or "") for child in element)])
        text = own if element.tag in ("body", "div") else element.text_content()
        if re.search(r"\w", text):
            kind = "heading" if element.tag[0] == "h" else "list" if element.tag == "li" else "paragraph"
            found.append(Block(kind, " ".join(text.split()), int(element.tag[1]) if kind == "heading" else 0))  # type: ignore[arg-type]  # as above
    return found


def _title(tree: html.HtmlElement) -> str | None:
    title = tree.findtext(".//title")
    return " ".join(title.split()) or None if title else None
