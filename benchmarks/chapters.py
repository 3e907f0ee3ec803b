"""Time and memory of every chapter: run each notebook from top to bottom in a fresh kernel and watch its process.

    python benchmarks/chapters.py [notebooks/01_states.ipynb ...]
    python benchmarks/chapters.py --write

Measured are the wall-clock seconds from the start of the kernel to the end of the last cell, and the largest resident
set of the kernel's process (VmHWM, so Linux only). The results, each with its machine and torch, go to
benchmarks/results/chapters.json, to the table of the book's first page (book/run_times.md), and into the cell tagged
`run-time` of each notebook. `--write` measures nothing: it writes the last results of all chapters to these places
again, as after a chapter has been edited.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

import nbformat
import torch

from statesdiff.files.atomic import write_atomically
from statesdiff.results import processors

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
from run_notebooks import execute  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "chapters.json"
TABLE = ROOT / "book" / "run_times.md"


def measure(path: Path) -> dict[str, float]:
    """Seconds and MiB of one run of the notebook. Raises CellExecutionError if a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("print(open('/proc/self/status').read())"))
    start = time.perf_counter()
    execute(notebook, path.parent)
    seconds = time.perf_counter() - start
    peak = re.search(r"VmHWM:\s+(\d+) kB", notebook.cells[-1].outputs[0].text)
    return {"seconds": round(seconds, 1), "MiB": round(int(peak[1]) / 1024)}


def title(path: Path) -> str:
    """The chapter's heading without its number."""
    first = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
    return re.sub(r"^# \d+\. ", "", first)


def write_table(results: dict) -> None:
    """The table for the first page, one row a chapter."""
    lines = ["| | chapter | run time | memory |", "|---|---|---|---|"]
    for name, row in sorted(results["chapters"].items()):
        link = f"[{title(ROOT / 'notebooks' / name)}](../notebooks/{name})"
        lines.append(f"| {int(name[:2])} | {link} | {row['seconds']:.0f} s | {row['MiB']} MiB |")
    text = "\n".join(lines) + f"\n\nMeasured on {machines(results['chapters'])}.\n"
    write_atomically(TABLE, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def machines(chapters: dict[str, dict]) -> str:
    """Where the rows were measured and with which torch; with the numbers of the chapters, if not all are of one."""
    numbers: dict[str, list[str]] = {}
    for name, row in sorted(chapters.items()):
        numbers.setdefault(f"{row['machine']}, with torch {row['torch']}", []).append(str(int(name[:2])))
    if len(numbers) == 1:
        return next(iter(numbers))
    return "; on ".join(f"{where} (chapters {', '.join(which)})" for where, which in numbers.items())


def stamp(path: Path, row: dict[str, float]) -> None:
    """Write the measurement into the notebook's cell tagged `run-time`, and change nothing else in the file."""
    text = path.read_text(encoding="utf-8")
    new = f"Run time: about {row['seconds']:.0f} s on two cores, with {row['MiB']} MiB of memory."
    changed, count = re.subn(r'"Run time: [^"\n]*"', json.dumps(new), text)
    if count != 1:
        raise ValueError(f"{path}: expected one cell that starts with 'Run time:', found {count}")
    write_atomically(path, lambda temporary: temporary.write_text(changed, encoding="utf-8"))


def measured(notebooks: list[Path], results: dict) -> None:
    """Measure these notebooks and keep each result as soon as it is there."""
    results["command"] = "python benchmarks/chapters.py"
    where = {"machine": f"{processors()[0]}, {os.cpu_count()} cores", "torch": torch.__version__}
    for path in notebooks:
        row = results["chapters"][path.name] = measure(path.resolve()) | where
        print(f"{path.name:32s}{row['seconds']:6.1f} s {row['MiB']:6d} MiB")
        write_atomically(
            RESULTS, lambda temporary: temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        )


def write_down(results: dict) -> None:
    """Write the results into every chapter and the table. Raises ValueError where a chapter has not been measured."""
    chapters = {path.name: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    if missing := sorted(chapters.keys() - results["chapters"].keys()):
        raise ValueError(f"not measured yet: {', '.join(missing)}")
    results["chapters"] = {name: results["chapters"][name] for name in chapters}  # one that is gone is forgotten
    for name, path in chapters.items():
        stamp(path, results["chapters"][name])
    write_table(results)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all")
    parser.add_argument("--write", action="store_true", help="measure nothing, write the last results again")
    args = parser.parse_args(arguments)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"chapters": {}}
    if not args.write:
        measured(args.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")), results)
    write_down(results)


if __name__ == "__main__":
    main()
