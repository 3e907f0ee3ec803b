"""The PDF: all pages on one, printed by a browser."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from browser import launched
from bs4 import Tag
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from .front import Front, code_style
from .links import one_name_each, relink, within_one_page
from .pages import Page
from .still import still

HERE = Path(__file__).parent
MATHJAX = '{options: {processHtmlClass: "math"}, startup: {typeset: true}}'
PATIENCE = 600_000  # ms: the whole book is one page
# What is wider than the text is made smaller, as little as possible: long formulas and wide tables.
FIT = """() => {
  const width = document.querySelector("article").clientWidth;
  for (const wide of document.querySelectorAll("article table, article .math")) {
    const ratio = width / Math.max(wide.scrollWidth, wide.getBoundingClientRect().width);
    if (ratio < 0.999) wide.style.zoom = ratio;
  }
}"""
NUMBER = """numbers => document.querySelectorAll("#contents a").forEach((link, i) => {
  link.querySelector(".page").textContent = numbers[i];
})"""
HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map(h => h.textContent.trim())"""
PRINT = {"prefer_css_page_size": True, "print_background": True, "outline": True, "tagged": True}


def write(pages: list[Page], html: Path, front: Front, out: Path) -> None:
    """Print `pages`, which lie in the folder `html`, to the file `out`; `front` has what the title page says.

    Raises LookupError if there is no browser.
    """
    one = out.with_suffix(".print.html")
    part = out.with_suffix(".part")
    try:
        with launched() as browser:
            one.write_text(one_page(pages, html, front), encoding="utf-8")
            tab = browser.new_page(viewport={"width": 659, "height": 900})  # as wide as the text on paper
            tab.set_default_timeout(PATIENCE)
            tab.emulate_media(media="print")
            tab.goto(one.as_uri())
            tab.evaluate("async () => { await MathJax.startup.promise; await document.fonts.ready; }")
            tab.evaluate(FIT)
            tab.pdf(path=part, **PRINT)
            tab.evaluate(NUMBER, numbers(part, pages))
            tab.pdf(path=part, **PRINT)
            headings = tab.evaluate(HEADINGS)
        finish(part, headings, front)
        part.replace(out)
    finally:
        one.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def numbers(printed: Path, pages: list[Page]) -> list[int]:
    """The numbers of the sheets on which the pages of the book begin."""
    reader = PdfReader(printed)
    places = reader.named_destinations
    return [reader.get_destination_page_number(places["/" + page.key]) + 1 for page in pages]


def finish(part: Path, headings: list[str], front: Front) -> None:
    """Give the bookmarks the words of the headings, which the browser repeats or joins, and the file its author.

    Raises ValueError if the bookmarks are not those headings.
    """
    writer = PdfWriter(clone_from=part)
    bookmarks = list(below(writer.root_object["/Outlines"]))
    if len(bookmarks) != len(headings):
        raise ValueError(f"the browser made {len(bookmarks)} bookmarks of {len(headings)} headings")
    for bookmark, heading in zip(bookmarks, headings, strict=True):
        bookmark[NameObject("/Title")] = TextStringObject(" ".join(heading.split()))
    writer.add_metadata({"/Title": front.title, "/Author": front.author, "/Subject": front.subtitle})
    writer.write(part)


def below(bookmark: DictionaryObject) -> Iterator[DictionaryObject]:
    """Yield the bookmarks below one, in the order of the pages."""
    entry = bookmark.get("/First")
    while entry is not None:
        yield entry.get_object()
        yield from below(entry.get_object())
        entry = entry.get_object().get("/Next")


def one_page(pages: list[Page], html: Path, front: Front) -> str:
    """All pages as one, with title page and contents."""
    for page in pages:
        still(page.article)
        for image in page.article.select("img[src]"):
            if not image["src"].startswith("data:"):
                image["src"] = (html / page.name).parent.joinpath(image["src"]).resolve().as_uri()
    relink(pages, within_one_page)
    one_name_each(pages)
    style = "\n".join([code_style(), print_style(), *running_titles(pages)])
    picture = front.picture.resolve().as_uri() if front.picture else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(front.title)}</title>
<style>{style}</style>
<script>window.MathJax = {MATHJAX}</script>
<script defer src="{(html / "_static/mathjax/tex-chtml.js").resolve().as_uri()}"></script></head>
<body class="tex2jax_ignore">
{front.body(picture)}
{contents(pages)}
{"".join(chapter(page) for page in pages)}
</body></html>"""


def print_style() -> str:
    """The style sheet for paper; it stands on the page, so its fonts get full addresses."""
    style = (HERE / "print.css").read_text(encoding="utf-8")
    return style.replace("url(fonts/", f"url({HERE.as_uri()}/fonts/")


def running_titles(pages: list[Page]) -> list[str]:
    """A kind of sheet for each page of the book, with its title at the top."""
    quoted = [page.title.replace("\\", "\\\\").replace('"', '\\"') for page in pages]
    return [
        f'@page {page.key} {{ @top-left {{ content: "{title}"; }} }} [id="{page.key}"] {{ page: {page.key}; }}'
        for page, title in zip(pages, quoted, strict=True)
    ]


def contents(pages: list[Page]) -> str:
    """The contents, with a place for the number of each page."""
    lines = ['<nav id="contents"><h1>Contents</h1>']
    for page in pages:
        if page.part:
            lines.append(f'<p class="part">{escape(page.part)}</p>')
        numbered = f'<span>{escape(page.title)}</span><span class="page">000</span>'
        lines.append(f'<p class="depth{page.depth}"><a href="#{page.key}">{numbered}</a></p>')
    return "\n".join([*lines, "</nav>"])


def chapter(page: Page) -> str:
    """A page of the book; the first of a part has its name above the title."""
    if page.part:
        part = Tag(name="p", attrs={"class": "part"})
        part.string = page.part
        page.article.h1.insert_before(part)
    return str(page.article)
