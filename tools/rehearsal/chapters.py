"""Chapters run in an environment that is not the book's: alone in an empty folder, as Colab opens them."""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rehearsal.environments import FOLDER, ROOT, Environment, Trouble, run

PROGRAM = Path(__file__).with_name("run_chapter.py")
BROUGHT = ("statesdiff", "POT")  # what the first cell installs where the rest is there


def chosen(names: Sequence[str]) -> list[Path]:
    """The notebooks whose names begin so ("02"), all where none is named. Raises Trouble for a name that fits none."""
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for name in names:
        if not any(path.name.startswith(name) for path in notebooks):
            numbers = ", ".join(path.name[:2] for path in notebooks)
            raise Trouble(f"there is no chapter {name!r}: the chapters are {numbers}")
    return [path for path in notebooks if not names or path.name.startswith(tuple(names))]


def wheel(environment: Environment) -> Path:
    """A wheel of the working tree, built anew by the pip of `environment`. Raises Trouble where that fails."""
    folder = FOLDER / "wheel" / environment.folder.name
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as source:  # setuptools leaves its notes beside what it builds
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        shutil.copytree(ROOT / "statesdiff", Path(source) / "statesdiff")
        command = [environment.python, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, source]
        run(command, log=FOLDER / "logs" / "wheel.log")
    return next(folder.glob("statesdiff-*.whl"))


def surroundings(spec: Path, **others: str) -> dict[str, str]:
    """The variables a chapter is run with: the caller's, none that leads to a Python elsewhere, `spec` to install."""
    ours = ("PYTHON", "STATESDIFF", "MPLBACKEND")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"STATESDIFF_SPEC": str(spec)} | others


def run_alone(environment: Environment, notebook: Path, variables: Mapping[str, str], clone: bool = False) -> str:
    """Run a copy of the notebook in a folder of its own, without the package at first; what its first cell printed.

    With `clone`, a folder `statesdiff` lies beside it, with the whole package inside. Raises Trouble with the error of
    the cell that failed.
    """
    run([environment.python, "-m", "pip", "uninstall", "--yes", *BROUGHT])
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone"
        alone.mkdir()
        shutil.copy(notebook, alone)
        if clone:
            shutil.copytree(ROOT / "statesdiff", alone / "statesdiff" / "statesdiff")
        log = FOLDER / "logs" / f"{environment.folder.name}-{notebook.stem}.log"
        return run([environment.python, PROGRAM, alone / notebook.name], env=variables, cwd=alone, log=log)


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The packages that have another version afterwards or are gone; those of the first cell may come and go."""
    brought = {name.lower() for name in BROUGHT}
    return [name for name, version in before.items() if name not in brought and after.get(name) != version]


def run_each(environment: Environment, notebooks: Sequence[Path], spec: Path) -> list[str]:
    """Run the notebooks one after the other, and print a line for each; the names of those that failed.

    It is a failure, too, if the installation changed what was in `environment`.
    """
    failed, before = [], environment.versions()
    for notebook in notebooks:
        start = time.perf_counter()
        try:
            run_alone(environment, notebook, surroundings(spec))
            if others := changed(before, environment.versions()):
                raise Trouble(f"the first cell changed {', '.join(others)}")
            said = ""
        except Trouble as trouble:
            said = f"  {trouble}"
        print(f"  {notebook.name:40s}{time.perf_counter() - start:6.0f} s{said}", flush=True)
        failed += [notebook.name] if said else []
    return failed
