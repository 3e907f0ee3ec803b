"""Links between pages that have become parts of one file."""

from collections.abc import Callable, Iterable
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urlsplit

from .pages import Page

Address = Callable[[Page, str], str]  # where a page, or an anchor on it, is found in the new file


def relink(pages: Iterable[Page], address: Address) -> None:
    """Lead every link between pages to where its target is now; a link to what is not in the book becomes text.

    Raises ValueError if a page has no such anchor.
    """
    pages = {page.name: page for page in pages}
    anchors = {name: {tag["id"] for tag in page.article.select("[id]")} for name, page in pages.items()}
    for name, page in pages.items():
        for link in page.article.select("a[href]"):
            parts = urlsplit(link["href"])
            if parts.scheme:
                continue
            path = normpath(join(dirname(name), unquote(parts.path))).removesuffix(".html") if parts.path else name
            anchor = unquote(parts.fragment)
            if path not in pages:
                link.unwrap()
            elif anchor and anchor not in anchors[path]:
                raise ValueError(f"{name}: the link {link['href']} has no such anchor")
            else:
                link["href"] = address(pages[path], anchor)


def one_name_each(pages: Iterable[Page]) -> None:
    """Put the page's key before each of its identifiers, so that no two pages share one."""
    for page in pages:
        for tag in page.article.select("[id]"):
            tag["id"] = f"{page.key}--{tag['id']}"
        page.article["id"] = page.key


def within_one_page(page: Page, anchor: str) -> str:
    """The address where all pages stand on one, after `one_name_each`."""
    return f"#{page.key}--{anchor}" if anchor else f"#{page.key}"


def in_files(page: Page, anchor: str) -> str:
    """The address where each page is a file."""
    return f"{page.key}.xhtml" + (f"#{anchor}" if anchor else "")
