"""Sphinx extension: a book whose repository has no address yet shows no link and no button that would lead there."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

PLACEHOLDER = "https://github.com/OWNER/"
BUTTONS = {"launch_buttons": {}, "use_repository_button": False, "use_issues_button": False}
COLAB = "https://colab.research.google.com/github/OWNER/"


def drop_buttons(app: Sphinx, config: Config) -> None:
    """Take the buttons off every page where `repository: url` is the placeholder."""
    if config.html_theme_options.get("repository_url", "").startswith(PLACEHOLDER):
        config.html_theme_options = config.html_theme_options | BUTTONS


def drop_colab_links(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Take out the line "Open in Colab" of a chapter whose link names the placeholder."""
    for link in list(doctree.findall(nodes.reference)):
        paragraph = link.parent
        if link.get("refuri", "").startswith(COLAB) and paragraph.children == [link]:
            paragraph.parent.remove(paragraph)


def setup(app: Sphinx) -> dict:
    """Register the hooks."""
    app.connect("config-inited", drop_buttons)
    app.connect("doctree-resolved", drop_colab_links)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
