"""What a file is, told by what is in it; its name and declared type only decide between kinds of text."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePath

from trainer.sources.parsing.blocks import FileKind, Refused

READABLE = "PDF, Word (.docx), HTML, Markdown, CSV and plain text"
_FOREIGN = (
    (b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture"), (b"GIF8", "a picture"), (b"BM", "a picture"), (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"), (b"\x7fELF", "a program"), (b"MZ", "a program"), (b"\xca\xfe\xba\xbe", "a program"), (b"Rar!", "an archive"),
    (b"7z\xbc\xaf", "an archive"), (b"\x1f\x8b", "an archive"), (b"BZh", "an archive"), (b"\xfd7zXZ", "an archive"), (b"ID3", "a sound"),
    (b"OggS", "a sound"), (b"\x1aE\xdf\xa3", "a film"), (b"SQLite format 3", "a database"), (b"{\\rtf", "an RTF file"),
    (b"%!PS", "a PostScript file"), (b"\xd0\xcf\x11\xe0", "an old Office file (save it as .docx)"),
)  # fmt: skip
_OFFICE = {
    "xl/workbook.xml": "a spreadsheet (save it as CSV)",
    "ppt/presentation.xml": "a presentation (save it as PDF)",
    "mimetype": "an OpenDocument or e-book file (save it as .docx or PDF)",
}
_HTML = re.compile(rb"\s*(<\?xml[^>]{0,200}>\s*)?(<!--.{0,4000}?-->\s*)*<(!doctype\s+html|html|head|body)[\s>]", re.I | re.S)
_TAGS = re.compile(rb"<(p|div|article|section|h[1-6]|table|ul|span|title)[\s>]", re.I)
_MARKDOWN = re.compile(rb"^(#{1,6} \S|[-*+] \S|\d+\. \S|```|\|.+\|$|> )", re.M)


def kind_of(content: bytes, name: str, media_type: str) -> FileKind:
    """The kind of file. Raises Refused for those that hold no text that we can read."""
    if not content.strip(b"\0 \r\n\t\x0b\x0c"):
        raise Refused("{name} is empty.")
    head = content[:4096].lstrip(b"\xef\xbb\xbf")
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _packed(content)
    for magic, what in _FOREIGN:
        if head.startswith(magic) and not (len(magic) == 2 and _reads_as_text(head)):
            raise Refused(f"{{name}} is {what}, and I read {READABLE} files.")
    if head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"WAVE", b"AVI ")):
        raise Refused(f"{{name}} is a picture, a sound or a film, and I read {READABLE} files.")
    ending = PurePath(name.lower()).suffix
    if _HTML.match(head) or ((ending in (".html", ".htm", ".xhtml") or "html" in media_type) and _TAGS.search(content[:200_000])):
        return "html"
    if ending in (".csv", ".tsv") or media_type in ("text/csv", "text/tab-separated-values"):
        return "csv"
    if ending in (".md", ".markdown") or media_type == "text/markdown" or len(_MARKDOWN.findall(head)) >= 4:
        return "markdown"
    return "text"


def _packed(content: bytes) -> FileKind:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist()[:10_000])
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Refused("{name} is damaged: its end is missing, or it was changed on its way. Please send it again.") from error
    if "word/document.xml" in names:
        return "word"
    what = next((said for inside, said in _OFFICE.items() if inside in names), "an archive (send me the files in it)")
    raise Refused(f"{{name}} is {what}, and I read {READABLE} files.")


def _reads_as_text(head: bytes) -> bool:
    """ "BMW" and "MZ" are how texts begin, too."""
    return all(byte >= 32 or byte in (9, 10, 13) for byte in head[:256])
