"""The book to keep, from the pages that are built: python -m keep pdf, python -m keep epub."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from . import front, pages

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Write the file beside the pages and print where it is; what cannot be done is one line and status 1."""
    parser = argparse.ArgumentParser(prog="keep", description=__doc__)
    parser.add_argument("form", choices=("pdf", "epub"), help="what to write")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the book (default: this repository)")
    args = parser.parse_args(arguments)
    html = args.root / "_build" / "html"
    try:
        out = make(args.form, args.root, html)
    except (LookupError, OSError, ValueError) as error:
        print(f"keep: {error}", file=sys.stderr)
        return 1
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
    return 0


def make(form: str, root: Path, html: Path) -> Path:
    """Make the book in one form, "pdf" or "epub", from the pages in `html`. Return the file."""
    book = pages.read(html, root / "_toc.yml")
    title_page = front.take(book, root, html)
    out = html / f"statesdiff.{form}"  # the name that the first page links
    import_module(f"keep.{form}").write(book, html, title_page, out)  # one form needs no library of the other
    return out


if __name__ == "__main__":
    sys.exit(main())
