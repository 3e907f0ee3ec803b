"""The title page: what the book is called, whose it is, and which state of it this is."""

import ast
from dataclasses import dataclass
from html import escape
from pathlib import Path

import yaml
from pygments.formatters import HtmlFormatter

from .pages import Page

LEFT_OUT = (
    "This is the book as its pages are, with every solution open. What moves on the pages stands still here, and the "
    "cell that begins each notebook with its imports is left out."
)
CODE_STYLE = "a11y-high-contrast-light"  # as on the pages
PLACEHOLDER = "/OWNER/"


@dataclass
class Front:
    """What the title page says; `picture` is the file of its picture, or None."""

    title: str
    subtitle: str
    author: str
    version: str
    address: str
    picture: Path | None

    def body(self, source: str) -> str:
        """The title page, with its picture from `source`."""
        picture = f'<p><img src="{escape(source)}" alt=""/></p>' if self.picture else ""
        address = f'<p><a href="{escape(self.address)}">{escape(self.address)}</a></p>' if self.address else ""
        return f"""<section id="title-page">
<h1>{escape(self.title)}</h1>
<p class="subtitle">{escape(self.subtitle)}</p>
{picture}
<p>{escape(self.author)}</p>
<p>Version {escape(self.version)}</p>
{address}
<p class="small">{LEFT_OUT}</p>
<p class="small">Text and figures: CC BY 4.0. Code: MIT.</p>
</section>"""


def take(pages: list[Page], root: Path, html: Path) -> Front:
    """Read the book's configuration, and take subtitle and picture of the first page for the title page."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    first = pages[0].article
    subtitle, hero = first.select_one("h1 + p > strong:only-child"), first.select_one("img.hero")
    picture = (html / pages[0].name).parent / hero["src"] if hero else None
    said = subtitle.get_text() if subtitle else ""
    if subtitle:
        subtitle.parent.decompose()
    first.h1.string = "Preface"
    address = config.get("repository", {}).get("url", "")
    address = "" if PLACEHOLDER in address else address
    return Front(config["title"], said, config["author"], version(root), address, picture)


def version(root: Path) -> str:
    """The package's version, read and not imported."""
    tree = ast.parse((root / "statesdiff" / "__init__.py").read_text(encoding="utf-8"))
    values = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    return ast.literal_eval(values["__version__"])


def code_style() -> str:
    """The colours of code as a style sheet."""
    return HtmlFormatter(style=CODE_STYLE).get_style_defs(".highlight")
