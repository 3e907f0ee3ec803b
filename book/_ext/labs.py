"""Sphinx extension: labs, small programs that stand on a page where the output of a notebook cell would be.

A code cell tagged `lab:NAME` gets the lab of that name in the place of its output, which stays until the lab has
started; on a page of Markdown the directive `{lab} NAME` does the same for what it holds. The modules of book/lab are
joined into one classic script, so that labs work from a folder as well, and every data set becomes a script that
`lab.js` asks for when a lab needs it. Pages without labs get nothing; other builders than HTML keep the figure.
"""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

TAG = "tag_lab:"
BUILDERS = ("html", "dirhtml")
IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const|let) (\w+))", re.MULTILINE)
TOP_LEVEL = re.compile(r"^(?:export )?(?:async )?(?:function\*?|class|const|let) (\w+)", re.MULTILINE)
COMMENT = re.compile(r"^\s*(?:/\*\*.*?\*/|//[^\n]*)\n", re.MULTILINE | re.DOTALL)
# What is on a page from the start: it fetches the labs when one of them comes near the window.
LOADER = """(() => {
  const labs = document.querySelectorAll("[data-lab]"), here = document.currentScript.src;
  const near = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    near.disconnect();
    const script = document.createElement("script");
    script.src = new URL("lab.js?v=%s", here).href;
    script.onerror = () => labs.forEach((el) => { el.dataset.state = "failed"; });
    document.head.append(script);
  }, { rootMargin: "600px" });
  labs.forEach((el) => near.observe(el));
})();
"""


class LabNode(nodes.General, nodes.Element):
    """The place of a lab; its children are shown until the lab has started. Attributes: lab, seed."""


class LabDirective(SphinxDirective):
    """`{lab} NAME`: a lab on a page of Markdown; the content, a figure say, is what stands there without it."""

    required_arguments = 1
    has_content = True
    option_spec = {"seed": directives.nonnegative_int}

    def run(self) -> list[nodes.Node]:
        """Make the place, with the content in it."""
        place = LabNode(lab=self.arguments[0], seed=self.options.get("seed"))
        self.state.nested_parse(self.content, self.content_offset, place)
        return [place]


def ordered(folder: Path) -> list[Path]:
    """The modules of the folder, each after those that it imports, the labs themselves last.

    Raises ValueError for an import of what does not exist, or a name that two files have at their top level.
    """
    found: list[Path] = []

    def visit(path: Path, importer: str) -> None:
        if path in found:
            return
        if not path.is_file():
            raise ValueError(f"{importer} imports {path.name}, which does not exist")
        for other in IMPORT.findall(path.read_text(encoding="utf-8")):
            visit((path.parent / other).resolve(), path.name)
        found.append(path)

    for path in [*sorted(folder.glob("*.js")), *sorted(folder.glob("labs/*.js"))]:
        visit(path.resolve(), "")
    owners: dict[str, str] = {}
    for path in found:
        for name in TOP_LEVEL.findall(path.read_text(encoding="utf-8")):
            if name in owners:
                raise ValueError(f"{path.name} and {owners[name]} both define {name}: the labs share one scope")
            owners[name] = path.name
    return found


def joined(folder: Path) -> str:
    """One classic script of all modules and the kernel, which also runs itself as a worker."""
    sources = [path.read_text(encoding="utf-8") for path in ordered(folder)]
    names = [name for source in sources for name in EXPORT.findall(source)]
    kernels = {path.stem: b64encode(path.read_bytes()).decode() for path in sorted(folder.glob("kernel/*.wasm"))}
    parts = [COMMENT.sub("", EXPORT.sub("", IMPORT.sub("", source))).strip() for source in sources]
    return "\n".join(
        [
            "globalThis.statesdiff = (function statesdiffLabs() {",
            '"use strict";',
            f"const KERNELS = {json.dumps(kernels)};",
            *parts,
            "startLabs(`globalThis.statesdiff = (${statesdiffLabs})();`);",
            f"return {{ {', '.join(names)} }};",
            "})();\n",
        ]
    )


def data_script(about: Path) -> str:
    """The script that brings a data set, NAME.json with NAME.bin beside it."""
    content = b64encode(about.with_suffix(".bin").read_bytes()).decode()
    description = json.dumps(json.loads(about.read_text(encoding="utf-8")))
    return f'statesdiff.dataArrived({json.dumps(about.stem)}, {description}, "{content}");\n'


def static_files(folder: Path) -> dict[str, str]:
    """Everything that pages with labs may ask for: file name -> text."""
    files = {f"lab-{about.stem}.js": data_script(about) for about in sorted(folder.glob("data/*.json"))}
    files |= {"lab.js": joined(folder), "lab.css": (folder / "lab.css").read_text(encoding="utf-8")}
    version = sha256("".join(files.values()).encode()).hexdigest()[:8]
    return files | {"lab-loader.js": LOADER % version}


def lab_folder(app: Sphinx) -> Path:
    """Where the labs' sources are."""
    return Path(app.srcdir, "book", "lab")


def write_static_files(app: Sphinx) -> None:
    """Before any page is written, since a page names the version of what it loads."""
    if app.builder.name not in BUILDERS:
        return
    write_changed(static_files(lab_folder(app)), Path(app.outdir, "_static"))


def write_changed(files: dict[str, str], target: Path) -> None:
    """Write the files, name -> text, whose text is not what is there already."""
    target.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if not (target / name).is_file() or (target / name).read_text(encoding="utf-8") != text:
            (target / name).write_text(text, encoding="utf-8")


def place_labs(app: Sphinx, doctree: nodes.document) -> None:
    """Put the output of every cell tagged `lab:NAME` into the lab's place; the page depends on the labs' sources."""
    for cell in doctree.findall(nodes.container):
        for name in [c.removeprefix(TAG) for c in cell["classes"] if c.startswith(TAG)]:
            shown = [child for child in cell.children if "cell_output" in child.get("classes", [])]
            for child in shown:
                cell.remove(child)
            cell += LabNode("", *shown, lab=name, seed=None)
    if app.builder.name in BUILDERS:
        lead_to_lab(doctree)
    if next(doctree.findall(LabNode), None) is not None:
        for path in (p for p in lab_folder(app).rglob("*") if p.is_file()):
            app.env.note_dependency(str(path))


def lead_to_lab(doctree: nodes.document) -> None:
    """At the head of a chapter, where it says how long it runs, a link to its first lab (the first picture is none)."""
    labs = [node for node in doctree.findall(LabNode) if node["lab"] != "hero"]
    heads = [node for node in doctree.findall(nodes.paragraph) if node.astext().startswith("Run time: ")]
    if labs and heads:
        labs[0]["ids"].append("the-lab")
        link = nodes.reference("", "the lab of this chapter", internal=True, refid="the-lab")
        heads[0] += [nodes.Text(" To play with before you read: "), link, nodes.Text(".")]


def add_assets(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """Give the loader and the style to the pages that have a lab, and to no other."""
    if app.builder.name in BUILDERS and doctree is not None and next(doctree.findall(LabNode), None) is not None:
        app.add_js_file("lab-loader.js", loading_method="defer")
        app.add_css_file("lab.css")


def visit_html(writer, node: LabNode) -> None:
    """Open the element that lab.js looks for."""
    if writer.builder.name in BUILDERS:
        seed = {} if node["seed"] is None else {"data-seed": node["seed"]}
        writer.body.append(
            writer.starttag(node, "div", CLASS="lab", **{"data-lab": node["lab"], "data-state": "idle"} | seed)
        )


def depart_html(writer, node: LabNode) -> None:
    """Close it."""
    if writer.builder.name in BUILDERS:
        writer.body.append("</div>\n")


def nothing(writer, node: LabNode) -> None:
    """On paper there is the figure alone."""


def setup(app: Sphinx) -> dict:
    """Register the node, the directive and the hooks."""
    elsewhere = {name: (nothing, nothing) for name in ("latex", "text", "man", "texinfo")}
    app.add_node(LabNode, html=(visit_html, depart_html), **elsewhere)
    app.add_directive("lab", LabDirective)
    app.connect("builder-inited", write_static_files)
    app.connect("doctree-read", place_labs)
    app.connect("html-page-context", add_assets)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":  # while a lab is being written: bring it into the built book without building that again
    root = Path(__file__).resolve().parents[2]
    write_changed(static_files(root / "book" / "lab"), root / "_build" / "html" / "_static")
