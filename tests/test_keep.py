"""The book to keep: a small one becomes a PDF and an ePub, and every formula of the whole one has its MathML."""

import json
import os
import re
import unicodedata
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree
from zipfile import ZIP_STORED, ZipFile

import offline_assets
import pytest
import to_keep
from browser import MISSING, find_browser
from bs4 import BeautifulSoup
from keep import __main__ as keep
from keep import links, pages
from keep.mathml import mathml
from keep.still import still
from PIL import Image
from pypdf import PdfReader
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ROOT = Path(__file__).resolve().parents[1]
FIRST = """<h1>statesdiff</h1><p><strong>Five states.</strong></p><img class="hero" src="../dot.png" alt="Dots.">
<p>See <a href="../notebooks/01_noise.html#roots">the roots</a>, <a href="../genindex.html">the index</a> and
<a href="https://example.org/">elsewhere</a>.</p><div class="to-keep"><p>this very file</p></div>"""
CHAPTER = r"""<h1>1. Noise<a class="headerlink" href="#noise">#</a></h1>
<div class="cell tag_hide-cell"><details><summary>Setup</summary><pre>import torch</pre></details></div>
<section id="roots"><h2>Roots</h2><p>With <span class="math">\(\bar\alpha_t\)</span> and</p>
<div class="math">\[\sqrt{1 - \beta}\tag{7}\]</div><p>back to <a href="../book/intro.html">the start</a>.</p>
<div class="cell"><div class="cell_output"><img src="../dot.png" alt="A dot." style="width: 90px"></div></div>
<div class="cell"><div id="player">
<img alt="The poster." src="data:image/png;base64,DATA"><script>play()</script></div></div>
<div class="cell tag_hide-cell tag_solution"><details><summary>Solution</summary><pre>the answer</pre></details></div>
</section>"""
CONFIG = "title: statesdiff\nauthor: us\nrepository: {url: https://github.com/OWNER/statesdiff}\n"
TOC = "root: book/intro\nparts:\n  - caption: From noise\n    chapters:\n      - file: notebooks/01_noise\n"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a book of two pages, as it is after its pages are built."""
    root = tmp_path_factory.mktemp("book")
    html = root / "_build" / "html"
    for folder in ("book", "notebooks"):
        (html / folder).mkdir(parents=True)
    Image.new("RGB", (40, 40), "teal").save(html / "dot.png")
    Image.new("RGB", (30, 30), "red").save(root / "poster.png")
    poster = b64encode((root / "poster.png").read_bytes()).decode()
    for name, body in {"book/intro": FIRST, "notebooks/01_noise": CHAPTER.replace("DATA", poster)}.items():
        (html / f"{name}.html").write_text(f"<body><article>{body}</article></body>", encoding="utf-8")
    offline_assets.copy_mathjax(SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=html), None)
    (root / "statesdiff").mkdir()
    written = {"_config.yml": CONFIG, "_toc.yml": TOC, "statesdiff/__init__.py": '__version__ = "1.2.3"\n'}
    for name, text in written.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_pdf_has_text_bookmarks_links_figures_and_numbered_contents(
    book: Path, capsys: pytest.CaptureFixture
) -> None:
    if find_browser() is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    assert keep.main(["pdf", "--root", str(book)]) == 0
    out = book / "_build" / "html" / "statesdiff.pdf"
    assert capsys.readouterr().out.startswith(str(out))
    reader = PdfReader(out)
    text = [page.extract_text() for page in reader.pages]
    assert "Five states." in text[0] and "1.2.3" in text[0] and "OWNER" not in text[0]
    assert re.search(r"Noise\s*4", text[1]) and "From noise" in text[1]  # contents: the chapter begins on sheet 4
    assert "the answer" in text[3] and "Solution" in text[3] and "import torch" not in "".join(text)
    assert "\\bar" not in text[3] and "β" in unicodedata.normalize("NFKC", text[3])  # typeset
    assert len(reader.pages[3].images) == 2  # the figure and the player's poster
    titles = [entry["/Title"] for entry in flat(reader.outline)]
    assert titles == ["statesdiff", "Contents", "Preface", "1. Noise", "Roots"]
    places = reader.named_destinations
    inside = {reader.get_destination_page_number(places[name]) + 1 for name in places if "roots" in name}
    assert inside == {4} and "https://example.org/" in addresses(reader.pages[2])
    assert reader.metadata.author == "us"


def flat(outline: list) -> list:
    """The bookmarks of all levels, in their order."""
    return [entry for found in outline for entry in (flat(found) if isinstance(found, list) else [found])]


def addresses(page) -> set[str]:
    """Where the links of a sheet lead outside."""
    actions = [note.get_object().get("/A") for note in page["/Annots"]]
    return {action.get_object().get("/URI") for action in actions if action}


def test_a_pdf_without_a_browser_is_one_line(book: Path, monkeypatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr("browser.find_browser", lambda: None)
    assert keep.main(["pdf", "--root", str(book)]) == 1
    assert capsys.readouterr().err == f"keep: {MISSING}\n"
    assert not list((book / "_build" / "html").glob("statesdiff.p*t"))


@pytest.fixture(scope="module")
def epub(book: Path) -> ZipFile:
    assert keep.main(["epub", "--root", str(book)]) == 0
    return ZipFile(book / "_build" / "html" / "statesdiff.epub")


def test_an_epub_is_an_archive_as_the_format_wants_it(epub: ZipFile) -> None:
    first = epub.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", ZIP_STORED)
    package = ElementTree.fromstring(epub.read("book/content.opf"))
    items = package.findall(".//{*}manifest/{*}item")
    listed = {"book/" + item.get("href") for item in items} | {"book/content.opf"}
    assert listed == {name for name in epub.namelist() if name.startswith("book/")}
    spine = [ref.get("idref") for ref in package.findall(".//{*}itemref")]
    assert spine == ["f-title.xhtml", "f-nav.xhtml", "f-book-intro.xhtml", "f-notebooks-01_noise.xhtml"]
    said = {item.get("href"): item.get("properties") for item in items}
    assert said["nav.xhtml"] == "nav" and said["notebooks-01_noise.xhtml"] == "mathml"


def test_an_epub_has_its_links_its_images_its_formulas_and_no_script(epub: ZipFile) -> None:
    texts = {name: ElementTree.fromstring(epub.read(name)) for name in epub.namelist() if name.endswith(".xhtml")}
    for tree in texts.values():
        for link in [a.get("href") for a in tree.findall(".//{*}a") if not a.get("href").startswith("https:")]:
            file, _, anchor = link.partition("#")
            target = texts[f"book/{file}"]
            assert not anchor or target.find(f".//*[@id='{anchor}']") is not None
        assert all(f"book/{image.get('src')}" in epub.namelist() for image in tree.findall(".//{*}img"))
        assert tree.find(".//{*}script") is None
    chapter = texts["book/notebooks-01_noise.xhtml"]
    assert len(chapter.findall(".//{*}math")) == 2 and len(chapter.findall(".//{*}img")) == 2
    words = "".join(chapter.itertext())
    assert "(7)" in words and "the answer" in words and "import torch" not in words
    assert "the index" in "".join(texts["book/book-intro.xhtml"].itertext())


def test_what_moves_stands_still_and_what_is_folded_stands_open() -> None:
    page = """<h2>Lab</h2><div class="lab"><canvas></canvas><button>Start</button><img src="static.png"></div>
    <details class="quiz"><summary>Why?</summary><p hidden>Because.</p></details>"""
    found = still(BeautifulSoup(f"<article>{page}</article>", "html.parser").article)
    assert not found.select("canvas, button, details, summary, [hidden]") and found.img["src"] == "static.png"
    assert found.select_one(".unfolded > .label").get_text() == "Why?" and "Because." in found.get_text()


def test_a_link_to_no_anchor_is_named() -> None:
    article = BeautifulSoup('<article><h1>A</h1><a href="#gone">x</a></article>', "html.parser").article
    with pytest.raises(ValueError, match="a/b: the link #gone has no such anchor"):
        links.relink([pages.Page("a/b", "", 0, article)], links.in_files)


def test_the_contents_are_those_of_the_book() -> None:
    toc = {"root": "a", "parts": [{"caption": "P", "chapters": [{"file": "b", "sections": [{"file": "c"}]}]}]}
    assert list(pages.contents(toc)) == [("a", "", 0), ("b", "P", 0), ("c", "", 1)]


FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+?)\$", re.DOTALL)


def test_every_formula_of_the_book_has_its_mathml() -> None:
    sources = [path.read_text(encoding="utf-8") for path in ROOT.glob("book/**/*.md")]
    for path in ROOT.glob("notebooks/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    texts = [re.sub(r"```.*?```|`[^`\n]+`", "", text, flags=re.DOTALL) for text in sources]
    found = {display or inline for text in texts for display, inline in FORMULA.findall(text)}
    assert len(found) > 300
    for tex in found:
        assert mathml(re.sub(r"\\tag\{.*?\}", "", tex), is_display=True).find(["mi", "mn", "mo", "mtext"]), tex


@pytest.mark.parametrize("tex", [r"\nosuchcommand x", r"\begin{gathered}a \\ b\end{gathered}", r"\frac"])
def test_a_formula_that_cannot_be_converted_is_named(tex: str) -> None:
    with pytest.raises(ValueError, match="cannot be converted to MathML") as caught:
        mathml(tex, is_display=True)
    assert tex in str(caught.value)


def test_the_first_page_links_what_has_been_made_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "index.rst").write_text("Start\n=====\n\n.. toctree::\n\n   book/intro\n", encoding="utf-8")
    (tmp_path / "book" / "intro.rst").write_text("Book\n====\n\n.. to-keep::\n", encoding="utf-8")
    out = tmp_path / "html"

    def page() -> str:
        settings = {"extensions": ["to_keep"], "html_theme": "basic"}
        with docutils_namespace():
            Sphinx(tmp_path, None, out, tmp_path / "trees", "html", settings, status=None, warningiserror=True).build()
        return (out / "book" / "intro.html").read_text(encoding="utf-8")

    assert "to-keep" not in page()
    (out / "statesdiff.pdf").write_bytes(b"0" * 2_000_000)
    assert 'href="../statesdiff.pdf">PDF (2 MB)</a>.' in page()
    (out / "statesdiff.pdf").unlink()
    assert "to-keep" not in page()
    assert set(to_keep.FORMS) == {"statesdiff.pdf", "statesdiff.epub"}
