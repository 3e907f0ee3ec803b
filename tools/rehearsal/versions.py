"""The oldest and the newest versions that pyproject.toml allows: the tests of the method, and chapters."""

import time
from collections.abc import Sequence
from pathlib import Path

from rehearsal import chapters
from rehearsal.environments import FOLDER, ROOT, Environment, Trouble, prepare, run

OLDEST = Path(__file__).with_name("oldest.txt")
PYTHONS = {"oldest": ("3.10", "3.11"), "newest": ("3.14", "3.13", "3.12", "3.11")}
RUNNERS = ("nbclient", "ipykernel", "pytest", "hypothesis", "nbval")  # what runs the chapters and the tests
METHOD = ("checkpoints", "data", "exact", "guidance", "metrics", "models", "plotting", "rng", "samplers", "schedule")
METHOD += ("training", "widgets")
CHAPTERS = ("02", "07", "11")  # the forward process, training and guidance, many networks at once


def rehearse(which: str, names: Sequence[str], fresh: bool) -> None:
    """Rehearse the "oldest" or the "newest" versions. Raises Trouble naming what failed."""
    notebooks = chapters.chosen(names or CHAPTERS)
    cut = ["-c", str(OLDEST)] if which == "oldest" else []
    needed = [*dependencies(), *RUNNERS]
    environment = prepare(which, PYTHONS[which], [*cut, *needed], fresh=fresh)
    print(f"  with {', '.join(f'{name} {version}' for name, version in shown(environment).items())}", flush=True)
    failed = run_tests(environment)
    failed += chapters.run_each(environment, notebooks, chapters.wheel(environment))
    if failed:
        raise Trouble(f"failed: {', '.join(failed)}")


def dependencies() -> list[str]:
    """What the package needs, as pyproject.toml has it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = text.partition("\ndependencies = [\n")[2].partition("\n]")[0]
    return [line.strip().strip('",') for line in listed.splitlines()]


def shown(environment: Environment) -> dict[str, str]:
    """The versions of torch and numpy in it."""
    versions = environment.versions()
    return {name: versions[name] for name in ("torch", "numpy", "ipywidgets")}


def run_tests(environment: Environment) -> list[str]:
    """Run the tests of the method, without those that need another library to compare with; ["tests"] if one fails."""
    start, said = time.perf_counter(), ""
    files = [f"tests/test_{name}.py" for name in METHOD]
    options = ["-k", "not diffusers", "-W", "ignore", "-p", "no:cacheprovider"]
    log = FOLDER / "logs" / f"{environment.folder.name}-tests.log"
    try:
        run([environment.python, "-m", "pytest", *files, *options], log=log)
    except Trouble as trouble:
        said = f"  {trouble}"
    print(f"  {'tests of the method':40s}{time.perf_counter() - start:6.0f} s{said}", flush=True)
    return ["tests"] if said else []
