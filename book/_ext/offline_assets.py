"""Sphinx extension: the book asks no other host for anything.

MathJax is served from the book's own folder, and thebe, which the theme adds even when it is off, is dropped.
A changed style sheet or image makes the pages again: Sphinx by itself copies those files only when a page changed.
"""

from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile

from sphinx.application import Sphinx

# Of the package's 24 MB, what the pages use: the CommonHTML bundle, its fonts, and TeX extensions loaded on demand.
MATHJAX_FILES = ("tex-chtml.js", "output/chtml/fonts/woff-v2/*.woff", "input/tex/extensions/*.js")


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy the needed MathJax files into `_static/mathjax` once an HTML build has succeeded."""
    if error is not None or app.builder.format != "html":
        return
    source = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for file in (f for pattern in MATHJAX_FILES for f in source.glob(pattern)):
        copy = target / file.relative_to(source)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copyfile(file, copy)


def drop_thebe(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Take thebe's scripts and style sheet off the page: they load from a CDN."""

    def is_thebe(asset: object) -> bool:
        body = str(getattr(asset, "attributes", {}).get("body", ""))
        return "thebe" in str(getattr(asset, "filename", asset) or "") or "THEBE_JS_URL" in body

    for key in ("script_files", "css_files"):
        context[key] = [asset for asset in context.get(key, []) if not is_thebe(asset)]


def digest(folder: Path) -> str:
    """Return a hash of the files in `folder`."""
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    return sha256(b"".join(bytes(f.relative_to(folder)) + f.read_bytes() for f in files)).hexdigest()


def setup(app: Sphinx) -> dict:
    """Register the hooks, and the hash of the static files as a setting that HTML pages depend on."""
    app.add_config_value("static_files_digest", digest(Path(app.srcdir, "book", "_static")), "html")
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("build-finished", copy_mathjax)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
