"""Put what a release carries into a folder: `python tools/release_files.py dist`, after `make book pdf epub`.

`packages/` gets a wheel and an sdist, which is what PyPI takes; beside it lie the pages as a zip file that unpacks into
one folder, the PDF, the ePub, and `notes.md`, what CHANGELOG.md says of the version.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import release

ROOT = Path(__file__).resolve().parents[1]
HTML = Path("_build", "html")
BOOKS = (HTML / "statesdiff.pdf", HTML / "statesdiff.epub")
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "statesdiff")
BUILD = "import sys, setuptools.build_meta as b; to = sys.argv[1]; b.build_sdist(to); b.build_wheel(to)"


def packages(root: Path, folder: Path) -> None:
    """Build the sdist and the wheel into `folder`, from a copy: a build leaves things beside its sources."""
    with tempfile.TemporaryDirectory() as copy:
        for name in SOURCES:
            source, target = root / name, Path(copy, name)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        subprocess.run([sys.executable, "-c", BUILD, folder.resolve()], cwd=copy, check=True, capture_output=True)


def pages(root: Path, folder: Path, name: str) -> None:
    """Zip the built pages into `folder`, without the books that lie beside them, so that they unpack into `name`."""
    with tempfile.TemporaryDirectory() as copy:
        ignored = shutil.ignore_patterns(*(book.name for book in BOOKS), ".buildinfo*")
        shutil.copytree(root / HTML, Path(copy, name), ignore=ignored)
        shutil.make_archive(str(folder / f"{name}-pages"), "zip", copy, name)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Fill the folder. Return 0, 1 when the package does not build, 2 when pages or books are not built."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to put it; must not exist")
    folder = parser.parse_args(arguments).folder
    missing = [str(path) for path in (HTML / "index.html", *BOOKS) if not (root / path).is_file()]
    if missing or folder.exists():
        reason = f"{', '.join(missing)}: run `make book pdf epub` first" if missing else f"{folder} is there already"
        print(reason, file=sys.stderr)
        return 2
    name = f"statesdiff-{release.current(root)}"
    (folder / "packages").mkdir(parents=True)
    try:
        packages(root, folder / "packages")
    except subprocess.CalledProcessError as error:
        print(error.stderr.decode("utf-8", "replace"), file=sys.stderr)
        return 1
    pages(root, folder, name)
    for book in BOOKS:
        shutil.copy(root / book, folder / f"{name}{book.suffix}")
    notes = release.section(release.read(root, release.CHANGELOG))[1]
    (folder / "notes.md").write_text(notes + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
