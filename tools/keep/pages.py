"""The pages of the built book, in the order of its contents."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from bs4 import BeautifulSoup, SoupStrainer, Tag


@dataclass
class Page:
    """A page: its name in the contents, the part that it opens (or ""), its depth below a chapter, and its article."""

    name: str
    part: str
    depth: int
    article: Tag

    @property
    def key(self) -> str:
        """The name as an identifier and as the stem of a file."""
        return self.name.replace("/", "-")

    @property
    def title(self) -> str:
        """The text of the first heading."""
        return self.article.h1.get_text().strip()

    def sections(self) -> list[tuple[str, str]]:
        """The identifiers and titles of the sections of the page."""
        return [(h2.parent["id"], h2.get_text().strip()) for h2 in self.article.select("section > h2")]


def contents(toc: dict) -> Iterator[tuple[str, str, int]]:
    """Yield name, part and depth of each page of a table of contents as Jupyter Book reads it."""
    yield toc["root"], "", 0
    for part in toc.get("parts", [{"caption": "", "chapters": toc.get("chapters", [])}]):
        caption = part["caption"]
        for name, depth in below(part["chapters"], 0):
            yield name, caption, depth
            caption = ""


def below(entries: list[dict], depth: int) -> Iterator[tuple[str, int]]:
    """Yield name and depth of each entry, and of those below it."""
    for entry in entries:
        yield entry["file"], depth
        yield from below(entry.get("sections", []), depth + 1)


def read(html: Path, toc: Path) -> list[Page]:
    """Read the pages of the book that is built in `html`.

    Raises FileNotFoundError if one is missing, and ValueError if one has no article.
    """
    entries = contents(yaml.safe_load(toc.read_text(encoding="utf-8")))
    return [Page(name, part, depth, article(html / f"{name}.html")) for name, part, depth in entries]


def article(file: Path) -> Tag:
    """The text of a page, without the site around it."""
    soup = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser", parse_only=SoupStrainer("article"))
    if soup.article is None or soup.article.h1 is None:
        raise ValueError(f"{file} must be a page of the built book, with an article and its title")
    return soup.article
