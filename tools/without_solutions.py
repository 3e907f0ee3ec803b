"""An edition of the notebooks without solutions: `python tools/without_solutions.py handout`.

Every cell tagged `solution` goes, code or text, and so does the link to Colab, which opens the notebook with them.
Exercises and checks stay, and a notebook runs from top to bottom as before: where a later cell calls what the exercise
asks for, a cell of two lines takes the book's answer from the package until the reader's own passes its check. A
notebook with a cell that needs more of a solution is named, and nothing is written. Outputs are cleared: a figure is
not seen before the question that asks what it will show, and the numbers of cells have no gaps.
"""

import argparse
import ast
import dis
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = Path("statesdiff", "check", "answers.py")
CHECK = re.compile(r"^check\.(?P<check>\w+)\((?P<answer>\w+)\)$", re.MULTILINE)
STAND_IN = """if not check.{check}({answer}).passed:
    # until yours is right, what follows uses the book's
    from statesdiff.check.answers import {answer}"""
COLAB = re.compile(r"\n*\[Open in Colab\]\([^)]*\)\s*$", re.MULTILINE)


def is_solution(cell: dict) -> bool:
    """Whether a cell is tagged as a solution."""
    return "solution" in cell["metadata"].get("tags", [])


def nested(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of the functions and classes in `code`, however deep."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested(constant)


def names(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell takes from cells before it, and the names that it defines."""
    code, taken, defined = compile(source, "cell", "exec"), set(), set()
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_NAME" and step.argval not in defined:
            taken.add(step.argval)
        elif step.opname == "STORE_NAME":
            defined.add(step.argval)
    inner = {step.argval for part in nested(code) for step in dis.get_instructions(part)
             if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}  # fmt: skip
    return taken | (inner - defined), defined


def needed(cells: list[dict]) -> Iterator[tuple[str, str, str]]:
    """Yield each name that a cell takes from a solution, with the ids of the cell and of the solution."""
    of_solution = {}
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        taken, defined = names("".join(cell["source"]))
        if not is_solution(cell):
            yield from ((name, cell["id"], of_solution[name]) for name in sorted(taken & of_solution.keys()))
        for name in defined:
            of_solution.pop(name, None)
            if is_solution(cell):
                of_solution[name] = cell["id"]


def answers(root: Path) -> set[str]:
    """Return the names of the book's answers in the package."""
    tree = ast.parse((root / ANSWERS).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def stand_in(cell: dict, asked: set[str]) -> dict:
    """Return what takes the place of a solution: the book's answer, as long as the reader's does not pass the check."""
    source = "".join(cell["source"])
    checks = [match for match in CHECK.finditer(source) if match["answer"] in asked]
    text = "\n".join(STAND_IN.format(**match.groupdict()) for match in checks)
    tags = [tag for tag in cell["metadata"]["tags"] if tag != "solution"]
    return cell | {"source": lines(text), "metadata": cell["metadata"] | {"tags": tags}}


def lines(text: str) -> list[str]:
    """Return a cell's source as a notebook file has it."""
    return text.splitlines(keepends=True)


def edition(notebook: dict) -> dict:
    """Return a notebook without solutions, outputs and link to Colab."""
    asked = {}
    for name, _, solution in needed(notebook["cells"]):
        asked.setdefault(solution, set()).add(name)
    kept = []
    for cell in notebook["cells"]:
        if is_solution(cell):
            if cell["id"] not in asked:
                continue
            cell = stand_in(cell, asked[cell["id"]])
        if cell["cell_type"] == "code":
            cell = cell | {"execution_count": None, "outputs": []}
        elif cell["cell_type"] == "markdown":
            cell = cell | {"source": lines(COLAB.sub("", "".join(cell["source"])))}
        kept.append(cell)
    return notebook | {"cells": kept}


def faults(notebook: dict, known: set[str]) -> Iterator[str]:
    """Yield what a cell needs of a solution and no answer of the package, of those `known`, can give."""
    checked = {
        cell["id"]: {match["answer"] for match in CHECK.finditer("".join(cell["source"]))}
        for cell in notebook["cells"]
        if is_solution(cell)
    }
    for name, cell, solution in needed(notebook["cells"]):
        if name not in checked[solution] & known:
            yield f"{cell} needs `{name}` of the solution {solution}, which {ANSWERS} does not have"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the edition. Return 0, 1 when a notebook would not run, 2 when nothing can be written there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to write the notebooks; must be empty, or not there yet")
    folder = parser.parse_args(arguments).folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        print(f"{folder} must be an empty folder, or not there yet", file=sys.stderr)
        return 2
    paths = sorted((root / "notebooks").glob("*.ipynb"))
    notebooks = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    known = answers(root)
    found = [f"{name}: {fault}" for name, notebook in notebooks.items() for fault in faults(notebook, known)]
    if found:
        print("\n".join(found), file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, notebook in notebooks.items():
        text = json.dumps(edition(notebook), indent=1, ensure_ascii=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
    print(f"{len(notebooks)} notebooks without solutions are in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
