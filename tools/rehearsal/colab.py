"""Colab: its versions, no package installed, each chapter alone in an empty folder; and two hosts that were harder."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rehearsal import chapters
from rehearsal.environments import FOLDER, Environment, Trouble, interpreter, prepare, run

REQUIREMENTS = Path(__file__).with_name("colab.txt")
PYTHONS = ("3.12", "3.11", "3.13")  # Colab's own first
QUICK = "02"  # the chapter that the harder hosts are tried with


def rehearse(names: Sequence[str], fresh: bool) -> None:
    """Run the chapters, and one of them on each of the harder hosts. Raises Trouble naming what failed."""
    notebooks = chapters.chosen(names)
    environment = prepare("colab", PYTHONS, ["-r", str(REQUIREMENTS)], fresh=fresh)
    spec = chapters.wheel(environment)
    failed = chapters.run_each(environment, notebooks, spec)
    failed += harder("a home without ~/.local", lambda: for_the_user(environment, spec))
    failed += harder("a clone beside the notebook", lambda: beside_a_clone(environment, spec))
    if failed:
        raise Trouble(f"failed: {', '.join(failed)}")


def harder(name: str, try_it: Callable[[], None]) -> list[str]:
    """Print a line for one host; its name where it failed."""
    start, said = time.perf_counter(), ""
    try:
        try_it()
    except Trouble as trouble:
        said = f"  {trouble}"
    print(f"  {name:40s}{time.perf_counter() - start:6.0f} s{said}", flush=True)
    return [name] if said else []


def beside_a_clone(environment: Environment, spec: Path) -> None:
    """A folder `statesdiff`, a clone, in the notebook's folder: Python would import it as an empty namespace."""
    notebook = chapters.chosen([QUICK])[0]
    chapters.run_alone(environment, notebook, chapters.surroundings(spec), clone=True)


def for_the_user(environment: Environment, spec: Path) -> None:
    """pip installs for the user, in a home without ~/.local: the kernel that runs has never looked there.

    The host's packages are those of `environment`, seen from a second one in which a user's installation is allowed.
    """
    host = Environment(FOLDER / "colab-user")
    run([interpreter(PYTHONS), "-m", "venv", "--clear", "--system-site-packages", host.folder])
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    link = Path(run([host.python, "-c", where]).strip()) / "host.pth"
    link.write_text(run([environment.python, "-c", where]), encoding="utf-8")
    run([environment.python, "-m", "pip", "uninstall", "--yes", *chapters.BROUGHT])
    with tempfile.TemporaryDirectory() as home:
        variables = chapters.surroundings(spec, HOME=home, PIP_USER="1")
        chapters.run_alone(host, chapters.chosen([QUICK])[0], variables)
        if not list(Path(home).glob(".local/lib/*/site-packages/statesdiff")):
            raise Trouble("the package was not installed in ~/.local: nothing was rehearsed")
