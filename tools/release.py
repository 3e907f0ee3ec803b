"""The version of the book, wherever it stands; `__version__` in statesdiff/__init__.py decides.

`python tools/release.py 0.2.0` prepares a release: the version and the tag v0.2.0 in the setup cells, the links and
CITATION.cff, and in CHANGELOG.md a heading with the date. `python tools/release.py 0.3.0.dev0` is the next step: the
version of what follows, and links to the branch main again. Each is then committed. `--check` writes nothing and names
what disagrees, with `--tag` and `--url` also whether this is the commit and the repository of a release; `--notes`
prints what CHANGELOG.md says of the version.
"""

import argparse
import datetime
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import set_repository

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(\.dev0)?", re.ASCII)
SOURCE, CITATION, CHANGELOG = "statesdiff/__init__.py", "CITATION.cff", "CHANGELOG.md"
IN_SOURCE = re.compile(r'(?<=^__version__ = ")[^"]*', re.MULTILINE)
IN_SETUP = re.compile(r'(?<=version := \\")[^"\\]*')
IN_CITATION = re.compile(r"^version: *(.*)$", re.MULTILINE)
DATE = re.compile(r"^date-released: *[\"']?([\d-]+)[\"']?$\n?", re.MULTILINE)
UNRELEASED = "Unreleased"
HEADING = re.compile(r"^## (.+)\n", re.MULTILINE)


def parse(version: str) -> tuple[int, int, int, bool]:
    """Return a version's three numbers and whether it is a release, in the order of versions. Raises `ValueError`."""
    match = VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"a version is 1.2.3 for a release or 1.2.3.dev0 before it, not {version!r}")
    return int(match[1]), int(match[2]), int(match[3]), match[4] is None


def is_release(version: str) -> bool:
    """Whether a version has no suffix."""
    return parse(version)[3]


def read(root: Path, name: str) -> str:
    """Return the text of a file, its line ends as they are."""
    return (root / name).read_bytes().decode("utf-8")


def current(root: Path) -> str:
    """Return `__version__` of the package in `root`, which is not imported. Raises `ValueError`."""
    found = IN_SOURCE.search(read(root, SOURCE))
    version = found[0] if found else ""
    parse(version)
    return version


def section(changelog: str) -> tuple[str, str]:
    """Return the first heading of the changelog and what stands below it. Raises `ValueError`."""
    parts = HEADING.split(changelog)
    if len(parts) < 3:
        raise ValueError(f"{CHANGELOG} must have a section, `## {UNRELEASED}` or a release")
    return parts[1], parts[2].strip()


def releasable(root: Path, version: str) -> None:
    """Raise `ValueError` when `version` cannot follow the present one, or there is nothing to release or no address."""
    now = current(root)
    if parse(version) <= parse(now):
        raise ValueError(f"the next version must be higher than {now}, not {version}")
    if not is_release(version):
        return
    if set_repository.configured(root).is_placeholder:
        raise ValueError("a release needs an address: python tools/set_repository.py https://github.com/OWNER/NAME")
    heading, text = section(read(root, CHANGELOG))
    if heading != UNRELEASED or not text:
        raise ValueError(f"{CHANGELOG} must say under `## {UNRELEASED}` what the release brings")


def rewritten(root: Path, version: str, date: str, branch: str) -> dict[Path, str]:
    """Return the files under `root` that another version changes, each with what it should hold."""
    place = set_repository.Place(set_repository.configured(root).slug, branch)
    texts = set_repository.disagreeing(root, place)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        texts[path] = IN_SETUP.sub(version, texts.get(path) or read(root, path))
    texts[root / SOURCE] = IN_SOURCE.sub(version, read(root, SOURCE))
    changelog = read(root, CHANGELOG)
    if is_release(version):
        citation = DATE.sub("", texts.get(root / CITATION) or read(root, CITATION))
        texts[root / CITATION] = IN_CITATION.sub(f"version: {version}\ndate-released: {date}", citation)
        texts[root / CHANGELOG] = changelog.replace(f"## {UNRELEASED}\n", f"## {version} - {date}\n", 1)
    elif section(changelog)[0] != UNRELEASED:
        texts[root / CHANGELOG] = HEADING.sub(lambda first: f"## {UNRELEASED}\n\n{first[0]}", changelog, count=1)
    return {path: text for path, text in texts.items() if text != read(root, path)}


def disagreements(root: Path) -> Iterator[str]:
    """Yield what does not fit the version: in files that carry it, in the links, in CITATION.cff and CHANGELOG.md."""
    version, place = current(root), set_repository.configured(root)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        if IN_SETUP.findall(read(root, path)) != [version]:
            yield f"{path.relative_to(root)}: the setup cell is not written for {version}"
    for path in set_repository.disagreeing(root, place):
        yield f"{path.relative_to(root)}: leads elsewhere than {place.url}, {place.branch}"
    cited, dates = IN_CITATION.findall(read(root, CITATION)), DATE.findall(read(root, CITATION))
    heading = section(read(root, CHANGELOG))[0]
    if not is_release(version):
        if len(cited) != 1 or parse(cited[0]) >= parse(version) or not is_release(cited[0]):
            yield f"{CITATION}: names {cited}, not a release before {version}"
        if heading != UNRELEASED:
            yield f"{CHANGELOG}: begins with {heading}, not with {UNRELEASED}"
        return
    if place.branch != f"v{version}":
        yield f"{set_repository.CONFIG}: links lead to {place.branch}, not to v{version}"
    if cited != [version] or len(dates) != 1:
        yield f"{CITATION}: names {cited} of {dates}, not {version} and its date"
    elif heading != f"{version} - {dates[0]}":
        yield f"{CHANGELOG}: begins with {heading}, not with {version} - {dates[0]}"


def commit(root: Path, revision: str) -> str:
    """Return the hash of the commit that git knows by a name; nothing if there is none."""
    command = ("git", "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
    return subprocess.run(command, cwd=root, capture_output=True, text=True).stdout.strip()


def other_place(root: Path, tag: str | None, url: str | None) -> Iterator[str]:
    """Yield why this is not the commit of the release `tag`, or not the repository `url`."""
    version = current(root)
    if tag and (tag != f"v{version}" or not is_release(version)):
        yield f"the tag {tag} is not that of version {version}"
    elif tag and (there := commit(root, f"refs/tags/{tag}")) not in ("", here := commit(root, "HEAD")):
        yield f"the tag {tag} is at {there}, this is {here}"
    if url and set_repository.parse(url) != set_repository.configured(root).slug:
        yield f"links lead to {set_repository.configured(root).url}, not to {url}"


def prepare(root: Path, version: str, date: str, branch: str) -> None:
    """Write `version` everywhere, all files or none when it cannot be. Raises `ValueError`."""
    releasable(root, version)
    for path, text in rewritten(root, version, date, f"v{version}" if is_release(version) else branch).items():
        path.write_bytes(text.encode("utf-8"))
        print(f"rewritten: {path.relative_to(root)}")


def day(text: str) -> str:
    """Return a date as 2026-09-30, for `argparse`. Raises `ValueError`."""
    return datetime.date.fromisoformat(text).isoformat()


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write, check or print. Return 0, 1 when `--check` found what disagrees, 2 when what was given is no good."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("version", nargs="?", help="the release, 1.2.3, or the version of what follows one, 1.3.0.dev0")
    what.add_argument("--check", action="store_true", help="write nothing; name what disagrees")
    what.add_argument("--notes", action="store_true", help="print what CHANGELOG.md says of the version")
    parser.add_argument("--date", type=day, default=day(str(datetime.date.today())), help="of a release (today)")
    parser.add_argument("--branch", default="main", help="where links lead between releases (default: main)")
    parser.add_argument("--tag", help="with --check: the tag of the release that this must be")
    parser.add_argument("--url", help="with --check: the repository that links must lead to")
    options = parser.parse_args(arguments)
    try:
        if options.notes:
            print(section(read(root, CHANGELOG))[1])
        elif options.version:
            prepare(root, options.version, options.date, set_repository.parse_branch(options.branch))
        found = [*disagreements(root), *other_place(root, options.tag, options.url)] if options.check else []
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(found), end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
