"""Sphinx extension: a sharp figure is shown as wide as its notebook says, and narrower where the page is."""

from docutils import nodes
from sphinx.application import Sphinx


def keep_width(app: Sphinx, doctree: nodes.document) -> None:
    """Take the height off every image that has a width too: it would squash a figure that is narrowed to the page.

    Nor does it become a link to its file, as Sphinx makes every image with a size: a click enlarges it.
    """
    for image in doctree.findall(nodes.image):
        if "width" in image and "height" in image:
            del image["height"]
            image["classes"].append("no-scaled-link")


def setup(app: Sphinx) -> dict:
    """Register the hook."""
    app.connect("doctree-read", keep_width)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
