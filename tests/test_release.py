"""A release: the version is the same everywhere, nothing else changes, and its files are whole."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import release
import release_files
import set_repository
import yaml

ROOT = Path(__file__).resolve().parents[1]
FORK = "https://github.com/some-school/diffusion"
FILES = (
    release.SOURCE,
    release.CHANGELOG,
    release.CITATION,
    set_repository.CONFIG,
    "README.md",
    "notebooks/0[12]*.ipynb",
)
BEFORE, RELEASE, AFTER = "1.2.0.dev0", "1.2.0", "1.3.0.dev0"
DATE = "2026-09-30"
CHANGES = "# Changelog\n\nText.\n\n## Unreleased\n\n### Added\n\n- A thing.\n\n## 1.1.0 - 2026-01-01\n\n- Older.\n"


def contents(root: Path) -> dict[str, str]:
    return {str(f.relative_to(root)): f.read_bytes().decode("utf-8") for f in sorted(root.rglob("*")) if f.is_file()}


def write(root: Path, name: str, text: str) -> None:
    (root / name).write_bytes(text.encode("utf-8"))


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The files that carry a version, those of version 1.2.0.dev0 after 1.1.0, in a repository with an address."""
    root = tmp_path / "book"
    for file in (file for pattern in FILES for file in ROOT.glob(pattern)):
        target = root / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    set_repository.main([FORK, "--branch", "main"], root=root)
    now = release.current(ROOT)
    write(root, release.SOURCE, (root / release.SOURCE).read_text(encoding="utf-8").replace(now, BEFORE))
    for path in (root / "notebooks").glob("*.ipynb"):
        write(root, path, path.read_bytes().decode("utf-8").replace(f'version := \\"{now}', f'version := \\"{BEFORE}'))
    citation = release.DATE.sub("", release.read(root, release.CITATION))
    write(root, release.CITATION, release.IN_CITATION.sub("version: 1.1.0\ndate-released: 2026-01-01", citation))
    write(root, release.CHANGELOG, CHANGES)
    return root


def run(root: Path, *arguments: str) -> None:
    assert release.main(list(arguments), root=root) == 0


def test_the_version_of_this_book_is_the_same_everywhere(capsys: pytest.CaptureFixture) -> None:
    assert release.main(["--check"]) == 0, capsys.readouterr().out


def test_a_release_names_its_tag_everywhere_and_changes_nothing_else(book: Path) -> None:
    before = contents(book)
    run(book, RELEASE, "--date", DATE)
    run(book, "--check", "--tag", f"v{RELEASE}", "--url", FORK)
    after = contents(book)
    assert yaml.safe_load(after["CITATION.cff"])["version"] == RELEASE
    assert str(yaml.safe_load(after["CITATION.cff"])["date-released"]) == DATE
    assert yaml.safe_load(after["_config.yml"])["repository"]["branch"] == f"v{RELEASE}"
    for name in (name for name in after if name.endswith(".ipynb")):
        assert f"git+{FORK}@v{RELEASE}\\" in after[name] and f"/blob/v{RELEASE}/{name}" in after[name]
        former = after[name].replace(f"@v{RELEASE}\\", "@main\\").replace(f"/blob/v{RELEASE}/", "/blob/main/")
        assert former.replace(f'version := \\"{RELEASE}\\"', f'version := \\"{BEFORE}\\"') == before[name]
    assert after["CHANGELOG.md"] == before["CHANGELOG.md"].replace("## Unreleased", f"## {RELEASE} - {DATE}")
    assert after[release.SOURCE] == before[release.SOURCE].replace(BEFORE, RELEASE)
    changed = {name for name in after if after[name] != before[name] and not name.endswith(".ipynb")}
    assert changed == {"_config.yml", "CHANGELOG.md", "CITATION.cff", release.SOURCE}


def test_the_next_step_is_the_former_state_with_another_version(book: Path) -> None:
    before = contents(book)
    run(book, RELEASE, "--date", DATE)
    released = contents(book)
    run(book, AFTER)
    run(book, "--check")
    after = contents(book)
    want = {name: text.replace(BEFORE, AFTER) for name, text in before.items()}
    headings = f"## Unreleased\n\n## {RELEASE} - {DATE}"
    want["CHANGELOG.md"] = before["CHANGELOG.md"].replace("## Unreleased", headings)
    want["CITATION.cff"] = released["CITATION.cff"]
    assert after == want


def test_notes_are_the_section_of_the_version(book: Path, capsys: pytest.CaptureFixture) -> None:
    run(book, "--notes")
    assert capsys.readouterr().out == "### Added\n\n- A thing.\n"


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        ("v1.2.0", "a version is 1.2.3 for a release or 1.2.3.dev0 before it, not 'v1.2.0'"),
        ("1.2", "not '1.2'"),
        ("1.2.0rc1", "not '1.2.0rc1'"),
        ("1.2.0.dev1", "not '1.2.0.dev1'"),
        ("01.2.0", "not '01.2.0'"),
        ("1.2.0\n", "a version is"),
        ("١.2.0", "a version is"),
        ("1.1.0", f"the next version must be higher than {BEFORE}, not 1.1.0"),
        (BEFORE, f"must be higher than {BEFORE}"),
    ],
)
def test_a_version_that_cannot_be_is_refused(book: Path, version: str, complaint: str, capsys) -> None:
    before = contents(book)
    assert release.main([version], root=book) == 2
    assert complaint in capsys.readouterr().err
    assert contents(book) == before


@pytest.mark.parametrize("version", ["1.10.0", "10.0.0", "1.2.10"])
def test_versions_are_numbers_and_not_words(book: Path, version: str) -> None:
    run(book, version)
    assert release.current(book) == version


def test_a_release_without_an_address_or_without_news_is_refused(book: Path, capsys: pytest.CaptureFixture) -> None:
    write(book, release.CHANGELOG, CHANGES.replace("### Added\n\n- A thing.\n\n", ""))
    assert release.main([RELEASE], root=book) == 2
    assert "what the release brings" in capsys.readouterr().err
    set_repository.main(["https://github.com/OWNER/statesdiff"], root=book)
    assert release.main([RELEASE], root=book) == 2
    assert "set_repository.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("notebooks/01_states.ipynb", f'version := \\"{RELEASE}', 'version := \\"1.1.9', "not written for 1.2.0"),
        ("notebooks/01_states.ipynb", "@v1.2.0", "@main", "leads elsewhere"),
        ("_config.yml", "branch: v1.2.0", "branch: main", "links lead to main, not to v1.2.0"),
        ("CITATION.cff", "version: 1.2.0", "version: 1.1.0", "names ['1.1.0']"),
        ("CITATION.cff", "date-released: 2026-09-30", "", "names ['1.2.0'] of []"),
        ("CHANGELOG.md", "2026-09-30", "2026-09-29", "begins with 1.2.0 - 2026-09-29"),
        ("statesdiff/__init__.py", "1.2.0", "1.4.0.dev0", "begins with 1.2.0"),
    ],
)
def test_whatever_disagrees_is_named(book: Path, name: str, old: str, new: str, complaint: str, capsys) -> None:
    run(book, RELEASE, "--date", DATE)
    text = release.read(book, name)
    assert old in text
    write(book, name, text.replace(old, new))
    capsys.readouterr()
    assert release.main(["--check"], root=book) == 1
    assert complaint in capsys.readouterr().out


def test_between_releases_the_last_one_is_cited(book: Path, capsys: pytest.CaptureFixture) -> None:
    write(book, release.CITATION, release.read(book, release.CITATION).replace("1.1.0", "1.2.0"))
    assert release.main(["--check"], root=book) == 1
    assert "not a release before 1.2.0.dev0" in capsys.readouterr().out


def test_the_tag_must_be_this_commit_and_this_repository(book: Path, capsys: pytest.CaptureFixture) -> None:
    assert release.main(["--check", "--tag", "v1.2.0"], root=book) == 1
    assert "the tag v1.2.0 is not that of version 1.2.0.dev0" in capsys.readouterr().out
    run(book, RELEASE)
    assert release.main(["--check", "--tag", "v1.2.0", "--url", "https://github.com/a/b"], root=book) == 1
    assert f"links lead to {FORK}, not to https://github.com/a/b" in capsys.readouterr().out
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a"], ["tag", "v1.2.0"]):
        subprocess.run([*git, *command], cwd=book, check=True)
    run(book, "--check", "--tag", "v1.2.0")
    subprocess.run([*git, "commit", "-qm", "b", "--allow-empty"], cwd=book, check=True)
    assert release.main(["--check", "--tag", "v1.2.0"], root=book) == 1
    assert "the tag v1.2.0 is at " in capsys.readouterr().out


# The files of a release


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a release, from the package and from pages that stand for those of the book."""
    root = tmp_path_factory.mktemp("release") / "book"
    shutil.copytree(ROOT / "statesdiff", root / "statesdiff", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, root)
    (root / "_build/html/book").mkdir(parents=True)
    for name in ("index.html", "book/intro.html", "statesdiff.pdf", "statesdiff.epub", ".nojekyll"):
        write(root, f"_build/html/{name}", name)
    assert release_files.main([str(root.parent / "dist")], root=root) == 0
    assert not list(root.rglob("*.egg-info")) and not (root / "build").exists()
    return root.parent / "dist"


def test_a_release_carries_packages_pages_books_and_notes(made: Path) -> None:
    name = f"statesdiff-{release.current(ROOT)}"
    packages = {f"packages/{name}-py3-none-any.whl", f"packages/{name}.tar.gz"}
    files = {f"{name}-pages.zip", f"{name}.pdf", f"{name}.epub", "notes.md"}
    assert {str(file.relative_to(made)) for file in made.rglob("*") if file.is_file()} == packages | files
    with zipfile.ZipFile(made / f"{name}-pages.zip") as pages:
        found = {file for file in pages.namelist() if not file.endswith("/")}
    assert found == {f"{name}/{page}" for page in ("index.html", "book/intro.html", ".nojekyll")}
    assert (made / "notes.md").read_text(encoding="utf-8").startswith("###")


def test_the_sdist_makes_the_same_wheel(made: Path, tmp_path: Path) -> None:
    (sdist,), (wheel,) = (made / "packages").glob("*.tar.gz"), (made / "packages").glob("*.whl")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "pip", "-q", "wheel", "--no-deps", "--no-build-isolation", "-w", "again", "."]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (again,) = (folder / "again").glob("*.whl")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert again.name == wheel.name and sorted(one.namelist()) == sorted(other.namelist())
        assert all(one.read(name) == other.read(name) for name in one.namelist())


def test_what_is_not_built_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert release_files.main([str(tmp_path / "dist")], root=tmp_path) == 2
    assert "statesdiff.pdf" in capsys.readouterr().err and not (tmp_path / "dist").exists()
