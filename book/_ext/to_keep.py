"""Sphinx extension: `{to-keep}` on a page links the book as PDF and as ePub, where they have been made.

Both are made from the built pages and lie beside them; a page without them says nothing.
"""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

FORMS = {"statesdiff.pdf": "PDF", "statesdiff.epub": "ePub"}


def made(outdir: Path) -> dict[str, str]:
    """Return the files that are there, each with what its link says."""
    there = {name: Path(outdir, name) for name in FORMS if Path(outdir, name).is_file()}
    return {name: f"{FORMS[name]} ({file.stat().st_size / 1e6:.0f} MB)" for name, file in there.items()}


class ToKeep(SphinxDirective):
    """A line with the links, or nothing."""

    def run(self) -> list[nodes.Node]:
        """Make the line, and note on what it was based."""
        found = made(self.env.app.outdir)
        self.env.metadata[self.env.docname]["to-keep"] = found
        if not found:
            return []
        line = nodes.paragraph("", "The whole book in one file: ")
        for name, words in found.items():
            if len(line) > 1:
                line += nodes.Text(", ")
            line += nodes.reference("", words, refuri="../" * self.env.docname.count("/") + name, internal=True)
        line += nodes.Text(".")
        return [nodes.container("", line, classes=["to-keep"])]


def outdated(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    """Name the pages whose line is not what it would be now."""
    now = made(app.outdir)
    return [name for name, said in env.metadata.items() if said.get("to-keep", now) != now]


def setup(app: Sphinx) -> dict:
    """Register the directive and the hook."""
    app.add_directive("to-keep", ToKeep)
    app.connect("env-get-outdated", outdated)
    return {"env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
