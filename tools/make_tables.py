"""Write the tables of pages that are not notebooks from committed results, between `% table: NAME` and `% end`.

python tools/make_tables.py              # all of them
python tools/make_tables.py --check      # exit status 1, and the pages' names, if a page does not hold what it should
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pandas as pd

from statesdiff.data import STATE_NAMES
from statesdiff.files.atomic import write_atomically
from statesdiff.intervals import interval
from statesdiff.results import compare, floor, intervals, pivot, table

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("book/project.md", "book/toys.md")
COURSE = ROOT / "benchmarks" / "results"
REFRESH = {"cosine": 50, "step": 25}  # epochs for which one set of noisy points serves
BLOCK = re.compile(r"(?<=^% table: )(?P<name>[\w-]+)\n.*?(?=^% end$)", re.MULTILINE | re.DOTALL)


def piped(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def of_frame(frame: pd.DataFrame, corner: str = "") -> str:
    """A table of text as Markdown, its index in the first column."""
    rows = zip(frame.index, frame.to_numpy(), strict=True)
    return piped([corner, *map(str, frame)], ([str(name), *map(str, row)] for name, row in rows))


def course_recipes() -> str:
    """Points from the whole map: each recipe as published and as trained here so far; the book's and real points."""
    formats = {"NLL": "{:.3f}", "gap": "{:+.3f}", "distance": "{:.4f}", "coverage": "{:.3f}"}
    lines = []
    for row in judged("samples == 'all'"):
        values = [shown(row[name], how) for name, how in formats.items()]
        lines.append([row["solution"], shown(row["trained"]).split(" + ")[0], *values])
    return piped(["", "denoiser trained", "NLL", "above its floor", "distance", "covered"], lines)


def course_classes() -> str:
    """Points of one state: the NLL and, in brackets, what it is above its floor."""
    lines: dict[str, list[str]] = {}
    for row in judged("samples != 'all'"):
        lines.setdefault(row["solution"], [row["solution"]]).append(f"{row['NLL']:.3f} ({row['gap']:+.3f})")
    return piped(["", *STATE_NAMES], lines.values())


def judged(which: str) -> list[dict]:
    """The rows of the judged solutions of the course project, in their order."""
    return pd.read_csv(COURSE / "course_recipes.csv", comment="#").query(which).to_dict("records")


def curve_of(recipe: str) -> pd.DataFrame:
    """Every epoch of a recipe's denoiser, by its number."""
    curve = pd.read_csv(COURSE / "course_recipes_curve.csv", comment="#").query(
        "part == 'denoiser' and recipe == @recipe"
    )
    return curve.set_index("epoch", drop=False)


def course_spikes() -> str:
    """What the first epoch with new noise has more than the last with old: mean, interval and number of refreshes."""
    measures = {"loss": "loss of the epoch", "loss (fresh)": "loss on fresh points", "NLL": "NLL of samples"}
    lines = []
    for recipe, every in REFRESH.items():
        rows = curve_of(recipe)
        last = list(range(every, rows.index.max(), every))
        cells = []
        for measure in measures:
            before, after = (rows.loc[[e + later for e in last], measure].to_numpy() for later in (0, 1))
            rise = interval([x for x in after - before if not pd.isna(x)])  # not judged after every epoch
            cells.append(f"{rise:+} ({rise.n})")
        lines.append([recipe, *cells])
    return piped(["", *measures.values()], lines)


def shown(value: object, how: str = "{}") -> str:
    """A value in its format, a dash where there is none."""
    return "-" if pd.isna(value) else how.format(value)


def by_scale(value: str, margin: float) -> str:
    """What samples at each scale of guidance have more than those at scale 1, which is conditional sampling."""
    return of_frame(compare(table(SCALES), "guidance", value, 1, margin=margin))


def conditional_and_real() -> str:
    """Conditional sampling by itself, next to real points."""
    rows = table(SCALES)
    rows = rows[(rows.guidance == 1) | (rows.network == "real")]
    columns = {}
    for name, value in (("accuracy", "accuracy"), ("EMD", "EMD of a class (total)")):
        columns[name], columns[f"{name}, real"] = pivot(rows, "guidance", value)[[1, "floor"]].to_numpy().T
    return of_frame(pd.DataFrame(columns, index=list(dict.fromkeys(rows["data"]))))


def conditional_less_real() -> str:
    """What conditional samples have more than real points, seed by seed."""
    rows = table(SCALES)
    samples = rows[rows.guidance == 1].assign(network="conditional")
    real = floor(rows).assign(network="real points")  # as one of the ways; the floor stays, for the margin
    known = pd.concat([real, samples, floor(rows)])
    shown = compare(known, "network", "EMD of a class (total)", "real points", margin=0.05)
    return of_frame(shown.rename(columns={"conditional": "EMD of a class, less that of real points"}))


def two_ways() -> str:
    """On STATES, at scale 1: an unconditional denoiser and a classifier, a conditional denoiser, real points."""
    rows = table("guidance-trainings").query("scale == 1 and above == 0 and `up to` == 500 and network != 'small'")
    ways = {"classifier": "classifier", "classifier-free": "conditional", "-": "real"}
    shown = intervals(rows, ["state", "method"], ["accuracy", "coverage"]).unstack()
    values = ("accuracy", "coverage")
    columns = {f"{value}, {name}": shown[value][way] for value in values for way, name in ways.items()}
    return of_frame(pd.DataFrame(columns).loc[["mean", "Oklahoma"]])


def of_classes(value: str, ways: Iterable[str], reference: str, margin: float) -> str:
    """What these ways to ask for a class have more than the reference, seed by seed, on each toy set."""
    rows = table("guided-conditional")
    kept = rows[rows.network.isin([reference, *ways, "real"])]
    return of_frame(compare(kept, "network", value, reference, margin=margin))


PAIRS = {  # a classifier's way, and the conditional one that it is held against
    "from scratch": ("two halves", "conditional"),
    "denoiser at hand": ("short classifier", "short conditional"),
}


def from_scratch_or_at_hand() -> str:
    """The EMD of a class: a denoiser and a classifier against one denoiser that was told the labels."""
    rows = table("guided-conditional")
    cases = []
    for case, ways in PAIRS.items():
        kept = rows[rows.network.isin([*ways, "real"])]
        named = dict(zip(ways, ("with a classifier", "conditional"), strict=True))
        cases.append(kept.assign(network=kept.network.replace(named), data=kept["data"] + ", " + case))
    both = pd.concat(cases)
    less = compare(both, "network", "EMD", "conditional", margin=0.05)["with a classifier"]
    means = both.groupby(["data", "network"]).EMD.mean().unstack()[["conditional", "with a classifier", "real"]]
    shown = means.loc[[f"{data}, {case}" for data in dict.fromkeys(rows["data"]) for case in PAIRS]]
    return of_frame(shown.map("{:.3f}".format).assign(**{"with a classifier, less conditional": less}))


def any_shape() -> str:
    """The exact denoiser, the book's recipe and real points, by the number of dimensions: mean and interval."""
    rows = table("any-shape")
    measures = ["distance", "coverage", "EMD", "deviation of the others", "EMD in D"]
    names = {"exact": "exact", "fourier": "learnt", "real": "real points"}
    lines = []
    for (D, network), part in rows.groupby(["D", "network"], sort=False):
        cells = [with_interval(part[measure]) for measure in measures]
        lines.append([f"D = {D}, {names[network]}", *cells])
    return piped(["", "distance", "covered", "EMD in the plane", "deviation of the others", "EMD in D"], lines)


def with_interval(values: pd.Series) -> str:
    """Mean and half-width, a dash where there is nothing to measure."""
    if values.isna().any():
        return "-"
    return str(interval(values.to_list()))


SCALES = "toy-guidance-best"
TABLES: dict[str, Callable[[], str]] = {
    "course-recipes": course_recipes,
    "course-classes": course_classes,
    "course-spikes": course_spikes,
    "conditional-and-real": conditional_and_real,
    "claim-1": two_ways,
    "claim-3": partial(by_scale, "accuracy", 0.02),
    "claim-4": conditional_less_real,
    "claim-4-coverage": partial(of_classes, "coverage", ("guided 3", "guided 5", "classifier 1"), "conditional", 0.02),
    "claim-5": from_scratch_or_at_hand,
    "claim-6": partial(by_scale, "EMD of a class (total)", 0.05),
    "any-shape": any_shape,
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
