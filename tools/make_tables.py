"""Write the tables of pages that are not notebooks from committed results, between `% table: NAME` and `% end`.

python tools/make_tables.py              # all of them
python tools/make_tables.py --check      # exit status 1, and the pages' names, if a page does not hold what it should
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from statesdiff.data import STATE_NAMES
from statesdiff.files.atomic import write_atomically
from statesdiff.results import pivot, table

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("book/project.md", "book/toys.md")
COURSE = ROOT / "benchmarks" / "results" / "course_recipes.csv"
BLOCK = re.compile(r"(?<=^% table: )(?P<name>[\w-]+)\n.*?(?=^% end$)", re.MULTILINE | re.DOTALL)
MARGIN = 0.05  # of the floor; chosen before the networks were trained
ACCURACY = 0.02  # two points in a hundred, likewise
PUBLISHED = "*, published*"


def piped(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def of_frame(frame: pd.DataFrame, corner: str) -> str:
    """A table of text as Markdown, its index in the first column."""
    return piped(
        [corner, *map(str, frame)],
        ([str(name), *map(str, row)] for name, row in zip(frame.index, frame.to_numpy(), strict=True)),
    )


def course_recipes() -> str:
    """Points from the whole map: each recipe as published, as trained here; the book's weights and real points."""
    rows = pd.read_csv(COURSE).query("samples == 'all'")
    head = ["", "trained", "NLL", "above the floor", "distance", "covered"]
    formats = {"NLL": "{:.3f}", "gap": "{:+.3f}", "distance": "{:.4f}", "coverage": "{:.3f}"}
    lines = (
        [row.solution, shown(row.trained), *(shown(row[c], f) for c, f in formats.items())]
        for _, row in rows.iterrows()
    )
    return piped(head, lines)


def course_classes() -> str:
    """Points of one state: the NLL of each, what it is above its floor in brackets."""
    rows = pd.read_csv(COURSE).query("samples != 'all'")
    lines = []
    for solution, part in rows.groupby("solution", sort=False):
        part = part.set_index("samples").loc[list(STATE_NAMES)]
        lines.append([solution, *(f"{row.NLL:.3f} ({row.gap:+.3f})" for row in part.itertuples())])
    return piped(["", *STATE_NAMES], lines)


def shown(value: object, how: str = "{}") -> str:
    """A value in its format, a dash where there is none."""
    return "-" if pd.isna(value) else how.format(value)


def any_shape(value: str, ramp: str) -> str:
    """One measure by D: the exact denoiser, the recipe and real points."""
    rows = table("any-shape").query("schedule == @ramp")
    return of_frame(
        pivot(rows.assign(network=rows.network.where(rows.network != "real", "real points")), "D", value, "network"), ""
    )


TABLES: dict[str, Callable[[], str]] = {
    "course-recipes": course_recipes,
    "course-classes": course_classes,
}


def filled(text: str) -> str:
    """A page with all its tables as they should be."""

    def block(found: re.Match) -> str:
        if found["name"] not in TABLES:
            raise ValueError(f"no table {found['name']!r}; there are {', '.join(TABLES)}")
        return f"{found['name']}\n\n{TABLES[found['name']]()}\n\n"

    return BLOCK.sub(block, text)


def main(argv: list[str] | None = None) -> int:
    """Write all pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, say what is not current")
    args = parser.parse_args(argv)
    stale = []
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        if filled(text) != text:
            stale.append(page)
            if not args.check:
                write_atomically(
                    path, lambda temporary, text=text: temporary.write_text(filled(text), encoding="utf-8")
                )
    print("\n".join(stale) if stale else "every table is current")
    return int(bool(stale and args.check))


if __name__ == "__main__":
    sys.exit(main())
