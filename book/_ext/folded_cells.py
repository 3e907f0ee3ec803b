"""Sphinx extension: a folded cell of a notebook says what is in it, a solution or the set-up."""

from docutils import nodes
from sphinx.application import Sphinx


def name_folded_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Replace MyST-NB's "Show code cell content" on the cells tagged `hide-cell`."""
    for cell in doctree.findall(nodes.container):
        if cell.get("hide_mode") == "all":
            cell["prompt_show"] = cell["prompt_hide"] = "Solution" if "tag_solution" in cell["classes"] else "Setup"


def setup(app: Sphinx) -> dict:
    """Register the hook."""
    app.connect("doctree-read", name_folded_cells)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
