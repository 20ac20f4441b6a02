"""Files become blocks of text in a process of their own; what means harm is refused with its own sentence, and nothing else happens."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pymupdf
import pytest

from tests import document_files as files
from trainer.errors import UnreadableError
from trainer.settings import SourceSettings
from trainer.sources.parsing import child
from trainer.sources.parsing.blocks import Limits, Parsed
from trainer.sources.parsing.parser import parse

SETTINGS = SourceSettings()
PDFS = Path(__file__).parents[2] / "data" / "pdfs"


def read(content: bytes, name: str = "file.txt", media_type: str = "") -> Parsed:
    """Read in this process, which saves starting one for each harmless file."""
    return child.parse(content, name, media_type, Limits())


def told(parsed: Parsed) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in parsed.blocks]


def refusal(content: bytes, name: str = "file.txt", settings: SourceSettings = SETTINGS) -> str:
    with pytest.raises(UnreadableError) as caught:
        parse(content, name, settings)
    return caught.value.user_message


def test_a_pdf_gives_headings_paragraphs_pages_and_what_it_says_about_itself() -> None:
    pages = ["# Lunch\n\nLunch is at noon. It costs four euros.", "# Rent\n\nThe rent is due on Monday."]
    parsed = parse(files.pdf(pages, title="House rules"), "a.pdf", SETTINGS)
    assert told(parsed) == [
        ("heading", "Lunch"), ("paragraph", "Lunch is at noon. It costs four euros."),
        ("heading", "Rent"), ("paragraph", "The rent is due on Monday."),
    ]  # fmt: skip
    assert (parsed.kind, parsed.title, parsed.author, parsed.date, parsed.pages) == ("pdf", "House rules", "A. Writer", "2026-01-31", 2)
    assert [block.page for block in parsed.blocks] == [1, 1, 2, 2]


@pytest.mark.parametrize("file", sorted(PDFS.glob("*.pdf")), ids=lambda file: file.stem)
def test_pdfs_of_other_software_are_read_in_order(file: Path) -> None:
    parsed = read(file.read_bytes(), file.name)
    text = " ".join(block.text for block in parsed.blocks)
    facts = [
        "House rules", "Opening hours", "opens at seven in the morning", "Marta Oduya", "Machines", "blue safety glasses", "called Gustav",
        "Money", "fourteen euros", "third of each month",
    ]  # fmt: skip
    places = [text.find(fact) for fact in facts]
    assert -1 not in places and places == sorted(places)
    assert parsed.language == "English"
    if file.stem in ("reportlab", "fpdf2", "typst"):
        assert ("table", "Machine: Band saw; Room: North hall; Person: Marta.") in told(parsed)


def test_columns_are_read_one_after_the_other() -> None:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_textbox((60, 40, 540, 70), "A title across the whole page", fontsize=18)
    for column, x in enumerate((60, 320)):
        for row in range(5):
            page.insert_textbox((x, 100 + 90 * row, x + 220, 170 + 90 * row), f"Column {column} paragraph {row} says some words here.", fontsize=11)
    text = " ".join(block.text for block in read(document.tobytes(), "a.pdf").blocks)
    places = [text.index(f"Column {column} paragraph {row}") for column in (0, 1) for row in range(5)]
    assert places == sorted(places)


def test_headers_footers_and_page_numbers_are_left_out() -> None:
    document = pymupdf.open()
    for number in range(5):
        page = document.new_page()
        page.insert_text((72, 30), "Annual report 2025")
        page.insert_text((72, 300), f"Fact {number} is about bread.")
        page.insert_text((300, 820), f"{number + 1}")
    assert told(read(document.tobytes(), "a.pdf")) == [("paragraph", f"Fact {number} is about bread.") for number in range(5)]


def test_scanned_pages_are_reported_and_never_silently_empty() -> None:
    parsed = read(files.scanned_pdf(3, text="The shop opens at nine in the morning."), "a.pdf")
    assert parsed.skipped == ("pages 2–4, scanned as pictures",)
    assert refusal(files.scanned_pdf(2), "a.pdf").startswith("a.pdf is scanned")
    recognized = read(files.scanned_pdf(1, recognized="The shop opens at nine in the morning."), "a.pdf")
    assert told(recognized) == [("paragraph", "The shop opens at nine in the morning.")]


def test_text_that_nobody_sees_in_a_pdf_is_left_out_and_named() -> None:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 72), "The shop opens at nine.")
    page.insert_text((72, 100), "HIDDEN one", render_mode=3)
    page.insert_text((72, 130), "HIDDEN two", color=(1, 1, 1))
    page.insert_text((72, 160), "HIDDEN three", fontsize=0.5)
    page.insert_text((72, 190), "HIDDEN four", fill_opacity=0)
    page.insert_text((900, 190), "HIDDEN five")
    page.draw_rect((60, 290, 400, 320), fill=(0, 0, 0.5))
    page.insert_text((72, 310), "White on blue is seen.", color=(1, 1, 1))
    parsed = read(document.tobytes(), "a.pdf")
    assert told(parsed) == [("paragraph", "The shop opens at nine."), ("paragraph", "White on blue is seen.")]
    assert parsed.skipped == ("hidden text on page 1",)


def test_three_hundred_pages_are_read_whole() -> None:
    page = "\n\n".join(f"Paragraph {number} tells of the bakery in Ghent and of what it sells on Mondays and Fridays. " * 2 for number in range(12))
    document = pymupdf.open(stream=files.pdf([page]), filetype="pdf")
    for _ in range(299):
        document.fullcopy_page(0)
    parsed = parse(document.tobytes(), "a.pdf", SETTINGS)
    assert parsed.pages == 300
    assert sum(len(block.text.split()) for block in parsed.blocks) > 100_000


def test_word_gives_headings_lists_and_tables_without_what_is_hidden_or_deleted() -> None:
    parsed = read(files.word("# Rules", "Lunch is at noon.", rows=[["Name", "Room"], ["Ann", "12"]], title="House"), "a.docx")
    assert told(parsed) == [("heading", "Rules"), ("paragraph", "Lunch is at noon."), ("table", "Name: Ann; Room: 12.")]
    assert (parsed.kind, parsed.title) == ("word", "House")
    run = b"<w:r>%s<w:t>%s</w:t></w:r>"
    body = b"<w:p>" + b"".join(
        [
            run % (b"", b"Seen. "), run % (b"<w:rPr><w:vanish/></w:rPr>", b"HIDDEN"), run % (b'<w:rPr><w:color w:val="FFFFFF"/></w:rPr>', b"HIDDEN"),
            run % (b'<w:rPr><w:sz w:val="2"/></w:rPr>', b"HIDDEN"), b"<w:ins>" + run % (b"", b"Added.") + b"</w:ins>",
            b"<w:del><w:r><w:delText>HIDDEN</w:delText></w:r></w:del>",
        ]
    ) + b"</w:p>"  # fmt: skip
    hidden = read(files.word_of_xml(body), "a.docx")
    assert told(hidden) == [("paragraph", "Seen. Added.")]
    assert hidden.skipped == ("hidden text",)


PAGE = """<!doctype html><html lang="en"><head><title>Bakery news</title><meta name="author" content="Jo Vermeer">
<meta property="article:published_time" content="2026-03-04T10:00:00Z"><style>.ghost{display:none} #far{position:absolute;left:-9999px}</style></head>
<body>
<nav><a href="/">Home</a> <a href="/shop">Shop</a></nav><article><h1>Bakery news</h1>
<p>The bakery in Ghent opens at six in the morning, and its rye bread costs four euros and ten cents since the first of March.</p>
<h2>People</h2><p>The new baker is called Tom Ruys, who worked in Antwerp for eleven years before he came to the bakery last winter.</p>
<p style="display:none">HIDDEN a</p><div class="ghost">HIDDEN b</div><span id="far">HIDDEN c</span><p hidden>HIDDEN d</p>
<p aria-hidden="true">HIDDEN e</p>
<p style="font-size:0">HIDDEN f</p><p style="color:#fff;background-color:#fff">HIDDEN g</p><template><p>HIDDEN h</p></template><!-- HIDDEN i -->
<p style="opacity:0">HIDDEN j</p><font color="white">HIDDEN k</font><noscript>HIDDEN l</noscript><p style="color:white">HIDDEN m</p>
<table><tr><th>Bread</th><th>Price</th></tr><tr><td>Rye</td><td>4.10</td></tr></table></article><footer>Cookies and terms</footer></body></html>"""


def test_a_web_page_gives_its_main_text_title_author_and_date_and_nothing_hidden() -> None:
    parsed = read(PAGE.encode(), "page", "text/html")
    text = " ".join(block.text for block in parsed.blocks)
    assert (parsed.kind, parsed.title, parsed.author, parsed.date, parsed.language) == ("html", "Bakery news", "Jo Vermeer", "2026-03-04", "English")
    assert "rye bread costs four euros" in text and "Tom Ruys" in text and "Bread: Rye; Price: 4.10." in text
    assert "HIDDEN" not in text and "Cookies" not in text
    assert parsed.skipped == ("text that is not visible on the page",)


def test_a_very_short_page_is_read_too() -> None:
    assert "Miso" in " ".join(block.text for block in read(b"<html><body><p>Our cat is Miso.</p></body></html>", "p.html").blocks)


def test_markdown_csv_and_text_keep_their_structure() -> None:
    hiding = "<span style='display:none'>HIDDEN</span>\n\n- one\n- two\n\n<div>HIDDEN</div>\n"
    markdown = read(f"---\ntitle: Notes\n---\n# Rules\n\nLunch is *at* noon.{hiding}".encode(), "a.md")
    assert told(markdown) == [("heading", "Rules"), ("paragraph", "Lunch is at noon."), ("list", "one"), ("list", "two")]
    assert markdown.title == "Notes"
    assert told(read("Name;Stadt\nJörg;Köln\n".encode("cp1252"), "a.csv")) == [("table", "Name: Jörg; Stadt: Köln.")]
    assert told(read(b"Rules\n=====\nLunch is\nat noon.\n\nOPENING HOURS\n\nNine.")) == [
        ("heading", "Rules"), ("paragraph", "Lunch is at noon."), ("heading", "OPENING HOURS"), ("paragraph", "Nine."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Žluťoučký kůň", "utf-8"), ("Grüße aus Köln", "utf-16"), ("naïve façade", "utf-8-sig"), ("Ça coûte vingt-quatre euros à Liège", "cp1252"),
     ("Привет, это проверка кодировки для текста на русском языке", "cp1251"), ("Ο γάτος λέγεται Μίσο", "utf-32")],
)  # fmt: skip
def test_encodings_are_recognized(text: str, encoding: str) -> None:
    assert told(read(text.encode(encoding))) == [("paragraph", text)]


@pytest.mark.parametrize(
    ("language", "text"),
    [("English", "The cat is on the table and it is not happy with the food that was given to it in the morning."),
     ("German", "Die Katze sitzt auf dem Tisch und sie ist nicht zufrieden mit dem Futter, das ihr der Nachbar gegeben hat."),
     ("French", "Le chat est sur la table et il n'est pas content de la nourriture que les voisins lui ont donnée dans la cuisine."),
     ("Dutch", "De kat zit op de tafel en zij is niet blij met het eten dat de buren haar in de ochtend hebben gegeven."),
     ("Spanish", "El gato está en la mesa y no está contento con la comida que los vecinos le dieron por la mañana en el patio."),
     ("Russian", "Кошка сидит на столе, и ей не нравится еда, которую ей утром дали соседи, потому что она привыкла к рыбе.")],
)  # fmt: skip
def test_the_language_is_told(language: str, text: str) -> None:
    assert read(text.encode()).language == language


def test_the_content_decides_and_not_the_name() -> None:
    assert read(files.pdf(["The shop opens at nine."]), "notes.txt").kind == "pdf"
    assert read(files.word("The shop opens at nine."), "notes.pdf").kind == "word"
    assert read(PAGE.encode(), "notes.pdf").kind == "html"
    assert read(b"Just some words about a shop.", "notes.pdf").kind == "text"
    assert read(b"BMW is a maker of cars.", "notes.txt").kind == "text"


def spreadsheet(inside: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(inside, "<x/>")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"   \n", "is empty"),
        (b"\0" * 4000, "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "is a picture"),
        (b"\x7fELF" + bytes(64), "is a program"),
        (gzip.compress(b"words", mtime=0), "is an archive"),
        (spreadsheet("xl/workbook.xml"), "is a spreadsheet (save it as CSV)"),
        (spreadsheet("mimetype"), "is an OpenDocument"),
        (spreadsheet("anything.txt"), "is an archive"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "is an old Office file"),
        (bytes(range(256)) * 20, "not text"),
        (b"x" * 20_000_001, "has 20 MB, and I read files of up to 20 MB"),
        (files.pdf(["Secret"], password="secret"), "is locked with a password"),
        (files.pdf(["Some words on a page."])[:300], "is damaged"),
        (b"%PDF-1.7\nnothing of the kind", "is damaged"),
        (files.word("Some words.")[:2000], "is damaged"),
        (files.pdf([""]), "holds no text"),
        (files.word(), "holds no text"),
        (b"<html><body><script>var a = 1;</script></body></html>", "holds no text"),
    ],
)
def test_each_file_that_cannot_be_read_has_its_own_sentence(content: bytes, words: str) -> None:
    assert words in refusal(content, "thing")


def test_a_truncated_pdf_gives_what_is_left_and_says_so() -> None:
    whole = files.pdf([f"Fact number {number} is about the bakery in Ghent." for number in range(40)])
    parsed = read(whole[: len(whole) * 2 // 3], "a.pdf")
    assert "because the file is damaged" in parsed.skipped[0]
    assert 5 < len(parsed.blocks) < 40


QUICK = SourceSettings(parse_seconds=2.0)
ENTITY = "<!ENTITY a{} '{}'>"
ENTITIES = "".join(["<!DOCTYPE d [", ENTITY.format("", "lol"), *(ENTITY.format(n, f"&a{n - 1 if n else ''};" * 10) for n in range(9)), "]>"]).encode()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: files.pdf_of_content(10, b" "), "takes too long"),
        (lambda: files.pdf_of_content(2, b"BT /F 12 Tf 10 10 Td (Hello world) Tj ET "), ("takes too long", "unpacks to more")),
        (lambda: files.pdf_of_content(1, b"q "), "is damaged"),
        (lambda: files.pdf_with_pages(100_000), "has 100,000 pages, and I read documents of up to 2,000"),
        (lambda: files.pdf_with_pages(100_000, shared=True), "is impossible"),
        (lambda: files.pdf_with_pages(3000, claimed=1), ("2,000", "holds no text", "is damaged")),
        (lambda: files.pdf_with_deep_tree(30_000), "no text"),
        (lambda: files.raw_pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R]/Count 1>>"]), "is damaged"),
        (lambda: files.raw_pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"[" * 100_000]), "is damaged"),
        (lambda: files.swollen_word(400), "unpacks to more than I can hold"),
        (lambda: files.word_of_xml(b"<w:p><w:r><w:t>Hi &a8;</w:t></w:r></w:p>", ENTITIES), "is damaged"),
        (lambda: files.word_of_xml(b"<w:p>" * 50_000 + b"</w:p>" * 50_000), "is damaged"),
        (lambda: b"<html><body>" + b"<div>" * 200_000 + b"deep", "no text"),
        (lambda: b"[](" * 3_000_000 + b"\n# a\n# b\n# c\n# d", ("takes too long", "no text")),
    ],
    ids=["10 GB of blanks", "2 GB of words", "1 GB of nesting", "100,000 pages", "100,000 times one page", "lying count", "deep page tree",
         "page tree in a circle", "deep array", "400 MB Word", "entities", "deep Word", "deep HTML", "Markdown links"],
)  # fmt: skip
def test_files_that_mean_harm_are_refused(make: Callable[[], bytes], words: str | tuple[str, ...]) -> None:
    content = make()
    said = refusal(content, "x.md" if content.startswith(b"[") else "thing", QUICK)
    assert any(each in said for each in ([words] if isinstance(words, str) else words)), said


def test_a_document_cannot_read_other_files() -> None:
    outside = b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    assert told(read(files.word_of_xml(b"<w:p><w:r><w:t>Seen &x;</w:t></w:r></w:p>", outside), "a.docx")) == [("paragraph", "Seen")]


def test_the_parser_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess  # the real one is kept and looked at

    seen: list[dict[str, str]] = []
    real = subprocess.Popen

    def watched(*arguments: object, **options: object) -> object:
        seen.append(options["env"])  # type: ignore[arg-type]  # it is given as a dict
        return real(*arguments, **options)  # type: ignore[call-overload]  # whatever it was called with

    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setattr(subprocess, "Popen", watched)
    read(b"Some words.")
    assert "secret" not in str(seen) and "OPENAI_API_KEY" in os.environ
