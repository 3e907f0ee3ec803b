"""One place for the address of the repository: everything that carries it agrees, and the tool rewrites all of it."""

import shutil
import subprocess
from pathlib import Path

import pytest
import set_repository

ROOT = Path(__file__).resolve().parents[1]

OTHER = "https://github.com/some-school/diffusion.course"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that may carry the address."""
    for pattern in (set_repository.CONFIG, *set_repository.CARRIERS):
        for file in ROOT.glob(pattern):
            target = tmp_path / file.relative_to(ROOT)
            target.parent.mkdir(exist_ok=True)
            shutil.copy(file, target)
    return tmp_path


def contents(root: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def test_every_file_agrees_with_the_configuration(capsys: pytest.CaptureFixture) -> None:
    assert set_repository.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git lists the files, and this tree is not a clone")
def test_no_file_is_forgotten(copy: Path) -> None:
    """After a rewrite the former address stands in no text file of the repository, tracked or about to be."""
    former = set_repository.configured(ROOT)
    assert set_repository.main([OTHER], root=copy) == 0
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    left = []
    for name in listed.stdout.splitlines():
        file = copy / name if (copy / name).exists() else ROOT / name
        if file.is_file() and name.split("/")[0] != "tests" and former.encode() in file.read_bytes():
            left.append(name)
    assert not left


def test_there_and_back_is_byte_identical(copy: Path) -> None:
    before = contents(copy)
    set_repository.main([OTHER], root=copy)
    changed = [file for file, data in contents(copy).items() if data != before[file]]
    assert copy / "_config.yml" in changed
    assert set(copy.glob("notebooks/*.ipynb")) <= set(changed)
    set_repository.main([f"https://github.com/{set_repository.configured(ROOT)}"], root=copy)
    assert contents(copy) == before


def test_a_rewrite_touches_nothing_but_the_address(copy: Path) -> None:
    former = set_repository.configured(ROOT)
    set_repository.main([OTHER], root=copy)
    owner, name = former.split("/")
    for file in set_repository.disagreeing(copy, former):
        new = file.read_text(encoding="utf-8").replace("some-school/diffusion.course", former)
        new = new.replace("some-school.github.io/diffusion.course", f"{owner}.github.io/{name}")
        assert new == (ROOT / file.relative_to(copy)).read_text(encoding="utf-8")


def test_check_names_the_file_that_disagrees(copy: Path, capsys: pytest.CaptureFixture) -> None:
    page = copy / "book" / "stray.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text("git clone https://github.com/someone/else.git\n", encoding="utf-8")
    assert set_repository.main(["--check"], root=copy) == 1
    assert capsys.readouterr().out == "differs: book/stray.md\n"
    assert set_repository.main([], root=copy) == 0
    assert page.read_text(encoding="utf-8") == f"git clone https://github.com/{set_repository.configured(ROOT)}.git\n"


LINES = {
    "README.md": "[![ci](https://github.com/{0}/actions/workflows/ci.yml/badge.svg)]"
    "(https://github.com/{0}/actions/workflows/ci.yml)",
    "CITATION.cff": 'repository-code: "https://github.com/{0}"',
    "pyproject.toml": 'Homepage = "https://github.com/{0}"',
    "book/page.md": "clone it with `git clone https://github.com/{0}`.",
    "notebooks/01_a.ipynb": r'"%pip install \"git+https://github.com/{0}\"\n", '
    '"(https://colab.research.google.com/github/{0}/blob/main/a)"',
}


@pytest.mark.parametrize("name", LINES)
def test_every_form_is_recognised(name: str) -> None:
    line = LINES[name]
    assert set_repository.rewrite(Path(name), line.format("old-owner/a.b"), "new/repo") == line.format("new/repo")


@pytest.mark.parametrize(
    "line",
    [
        "see https://github.com/crowsonkb/k-diffusion and "
        "https://github.com/yuanchenyang/smalldiffusion/blob/main/a.py",
        "https://lilianweng.github.io/posts/2021-07-11-diffusion-models/",
    ],
)
def test_other_repositories_are_left_alone(line: str) -> None:
    assert set_repository.rewrite(Path("book/page.md"), line, "new/repo") == line


@pytest.mark.parametrize(
    "url", ["", "OWNER/statesdiff", "http://github.com/a/b", "https://gitlab.com/a/b", "https://github.com/a", "-a/b"]
)
def test_an_address_that_is_no_repository_is_refused(url: str, copy: Path, capsys: pytest.CaptureFixture) -> None:
    before = contents(copy)
    with pytest.raises(ValueError, match="https://github.com/OWNER/NAME"):
        set_repository.parse(url)
    if url and not url.startswith("-"):
        assert set_repository.main([url], root=copy) == 2
        assert "OWNER/NAME" in capsys.readouterr().err
    assert contents(copy) == before
