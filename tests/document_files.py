"""Files to learn from, made for tests: documents with known words, and files that mean harm."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence

import docx
import pymupdf

MEGABYTE = 1 << 20
AES_256 = 5  # PyMuPDF's number for it


def pdf(pages: Sequence[str], *, title: str = "", password: str = "") -> bytes:
    """A PDF with one text per page; lines that begin with ``# `` are large."""
    document = pymupdf.open()
    for text in pages:
        page, y = document.new_page(), 90.0
        for paragraph in text.split("\n\n"):
            size = 18 if paragraph.startswith("# ") else 11
            height = page.insert_textbox((72, y, 520, 780), paragraph.removeprefix("# "), fontsize=size)
            y = 780 - max(height, 0) + 10
    document.set_metadata({"title": title, "author": "A. Writer" if title else "", "creationDate": "D:20260131120000Z"})
    if password:
        return bytes(document.tobytes(encryption=AES_256, user_pw=password, owner_pw="owner"))
    return bytes(document.tobytes())


def scanned_pdf(pages: int, *, recognized: str = "", text: str = "") -> bytes:
    """Pages that are pictures, perhaps with the invisible text of a text recognition; ``text`` stands on a page before them."""
    document = pymupdf.open()
    if text:
        document.new_page().insert_textbox((72, 72, 520, 700), text, fontsize=11)
    picture = pymupdf.Pixmap(pymupdf.csGRAY, pymupdf.IRect(0, 0, 60, 80))
    picture.clear_with(230)
    for _ in range(pages):
        page = document.new_page()
        page.insert_image(page.rect, pixmap=picture, keep_proportion=False)
        if recognized:
            page.insert_textbox((72, 72, 520, 700), recognized, fontsize=11, render_mode=3)
    return bytes(document.tobytes())


def word(*paragraphs: str, rows: Sequence[Sequence[str]] = (), title: str = "") -> bytes:
    """A Word document; paragraphs that begin with ``# `` are headings."""
    document = docx.Document()
    document.core_properties.title = title
    for text in paragraphs:
        if text.startswith("# "):
            document.add_heading(text[2:], 1)
        else:
            document.add_paragraph(text)
    if rows:
        table = document.add_table(len(rows), len(rows[0]))
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                table.cell(at, column).text = cell
    return _saved(document)


def word_of_xml(body: bytes, doctype: bytes = b"") -> bytes:
    """A Word document whose body is that XML."""
    space = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    xml = b'<?xml version="1.0" encoding="UTF-8"?>' + doctype + b"<w:document " + space + b"><w:body>" + body + b"</w:body></w:document>"
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_saved(docx.Document()))) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry, xml if entry.filename == "word/document.xml" else old.read(entry))
    return packed.getvalue()


def swollen_word(megabytes: int) -> bytes:
    """A Word document whose text unpacks to that much."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w", force_zip64=True) as entry:
        for _ in range(megabytes):
            entry.write(b"<w:p>      " * (MEGABYTE // 11))
    return packed.getvalue()


def raw_pdf(objects: Sequence[bytes]) -> bytes:
    """A PDF of these objects, the first one its catalog."""
    out, places = io.BytesIO(), []
    out.write(b"%PDF-1.5\n")
    for number, content in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n" % number + content + b"\nendobj\n")
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start))
    return out.getvalue()


def pdf_of_content(gigabytes: int, content: bytes) -> bytes:
    """A PDF whose only page's content unpacks, in two steps, to that many gigabytes of a repeated piece; it is small itself."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(content * (MEGABYTE // len(content))) + packer.flush(zlib.Z_FULL_FLUSH)
    stream = zlib.compress(b"\x78\xda" + piece * (gigabytes << 10), 6)
    return raw_pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
            b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n" % len(stream) + stream + b"\nendstream",
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
    )


def pdf_with_pages(count: int, *, claimed: int | None = None, shared: bool = False) -> bytes:
    """A PDF of empty pages: each an object of its own, or (``shared``) one object named again and again."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]>>"
    kids = b"3 0 R " * count if shared else b" ".join(b"%d 0 R" % (3 + number) for number in range(count))
    tree = b"<</Type/Pages/Kids[" + kids + b"]/Count %d>>" % (count if claimed is None else claimed)
    return raw_pdf([b"<</Type/Catalog/Pages 2 0 R>>", tree, *([page] if shared else [page] * count)])


def pdf_with_deep_tree(depth: int) -> bytes:
    """A PDF whose only page hangs at the end of a long chain."""
    chain = [b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % (number + 3) for number in range(depth)]
    return raw_pdf([b"<</Type/Catalog/Pages 2 0 R>>", *chain, b"<</Type/Page/MediaBox[0 0 600 800]>>"])


def _saved(document: docx.document.Document) -> bytes:
    packed = io.BytesIO()
    document.save(packed)
    return packed.getvalue()
