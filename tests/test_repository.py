"""One place for the address and the branch of the repository: all files agree with it, and the tool rewrites all."""

import shutil
import subprocess
from pathlib import Path

import pytest
import set_repository
import yaml

ROOT = Path(__file__).resolve().parents[1]

OTHER = "https://github.com/some-school/diffusion.course"
BRANCH = "autumn/2026"
NOW = set_repository.configured(ROOT)
BACK = [NOW.url, "--branch", NOW.branch]


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
    assert set_repository.main([OTHER], root=copy) == 0
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    left = []
    for name in listed.stdout.splitlines():
        file = copy / name if (copy / name).exists() else ROOT / name
        if file.is_file() and name.split("/")[0] != "tests" and NOW.slug.encode() in file.read_bytes():
            left.append(name)
    assert not left


@pytest.mark.parametrize("arguments", [[OTHER], ["--branch", BRANCH], [OTHER, "--branch", BRANCH]])
def test_there_and_back_is_byte_identical(copy: Path, arguments: list[str]) -> None:
    before = contents(copy)
    set_repository.main(arguments, root=copy)
    changed = [file for file, data in contents(copy).items() if data != before[file]]
    assert {copy / "_config.yml", *copy.glob("notebooks/*.ipynb")} <= set(changed)
    assert set_repository.main(["--check"], root=copy) == 0
    set_repository.main(BACK, root=copy)
    assert contents(copy) == before


def test_a_rewrite_touches_nothing_but_the_address(copy: Path) -> None:
    set_repository.main([OTHER], root=copy)
    owner, name = NOW.slug.split("/")
    for file in set_repository.disagreeing(copy, NOW):
        new = file.read_text(encoding="utf-8").replace("some-school/diffusion.course", NOW.slug)
        new = new.replace("some-school.github.io/diffusion.course", f"{owner}.github.io/{name}")
        assert new == (ROOT / file.relative_to(copy)).read_text(encoding="utf-8")


def test_a_branch_is_where_links_lead_and_what_setup_cells_install(copy: Path) -> None:
    set_repository.main(["--branch", BRANCH], root=copy)
    assert set_repository.configured(copy) == set_repository.Place(NOW.slug, BRANCH)
    for file in copy.glob("notebooks/*.ipynb"):
        text = file.read_text(encoding="utf-8")
        assert text.count(f"/{NOW.slug}/blob/{BRANCH}/notebooks/{file.name}") == 1
        assert text.count(f"{NOW.slug}@{BRANCH}\\") == 1
        assert text.replace(BRANCH, NOW.branch) == (ROOT / "notebooks" / file.name).read_text(encoding="utf-8")


def test_setup_cells_can_install_a_commit_while_links_lead_to_a_branch(copy: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    set_repository.main([OTHER, "--branch", BRANCH, "--commit", commit], root=copy)
    assert set_repository.configured(copy).branch == BRANCH
    for file in copy.glob("notebooks/*.ipynb"):
        text = file.read_text(encoding="utf-8")
        assert f"diffusion.course/blob/{BRANCH}/notebooks/" in text and f"diffusion.course@{commit}\\" in text


# What YAML would read as a number or a truth is written in quotes
@pytest.mark.parametrize("branch", ["main", "v0.2.0", "1.10", "2026", "on", "a-b/c_d"])
def test_a_branch_is_read_as_it_was_written(copy: Path, branch: str) -> None:
    before = contents(copy)
    assert set_repository.main(["--branch", branch], root=copy) == 0
    config = yaml.safe_load((copy / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["branch"] == branch == set_repository.configured(copy).branch
    set_repository.main(BACK, root=copy)
    assert contents(copy) == before


@pytest.mark.parametrize("branch", ["", "a b", "a..b", "a/", "/a", ".a", "a.", "a.lock", "a@{1}", "a\nb", "é"])
def test_a_name_that_no_branch_can_have_is_refused(copy: Path, branch: str, capsys: pytest.CaptureFixture) -> None:
    before = contents(copy)
    assert set_repository.main(["--branch", branch], root=copy) == 2
    assert "a branch is named by" in capsys.readouterr().err
    assert contents(copy) == before


def test_quotes_and_comments_in_the_configuration_stay(copy: Path) -> None:
    config = copy / "_config.yml"
    config.write_text("repository:\n  url: \"https://github.com/a/b\"  # ours\n  branch: 'main'\n", encoding="utf-8")
    assert set_repository.configured(copy) == set_repository.Place("a/b", "main")
    set_repository.main(["--branch", "next"], root=copy)
    want = 'repository:\n  url: "https://github.com/a/b"  # ours\n  branch: next\n'
    assert config.read_text(encoding="utf-8") == want


def test_a_configuration_without_the_keys_is_named(copy: Path, capsys: pytest.CaptureFixture) -> None:
    (copy / "_config.yml").write_text("title: a\n", encoding="utf-8")
    assert set_repository.main([], root=copy) == 2
    assert "`url:` and `branch:`" in capsys.readouterr().err


def test_check_names_the_file_that_disagrees(copy: Path, capsys: pytest.CaptureFixture) -> None:
    page = copy / "book" / "stray.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text("git clone https://github.com/someone/else.git\n", encoding="utf-8")
    assert set_repository.main(["--check"], root=copy) == 1
    assert capsys.readouterr().out == "differs: book/stray.md\n"
    assert set_repository.main([], root=copy) == 0
    assert page.read_text(encoding="utf-8") == f"git clone {NOW.url}.git\n"


LINES = {
    "README.md": "[![ci](https://github.com/{0}/actions/workflows/ci.yml/badge.svg)]"
    "(https://github.com/{0}/actions/workflows/ci.yml)",
    "CITATION.cff": 'repository-code: "https://github.com/{0}"',
    "pyproject.toml": 'Homepage = "https://github.com/{0}"',
    "book/page.md": "clone it with `git clone https://github.com/{0}`.",
    "notebooks/01_a.ipynb": r'"%pip install \"git+https://github.com/{0}@{1}\"\n", '
    '"(https://colab.research.google.com/github/{0}/blob/{1}/notebooks/a)"',
}


@pytest.mark.parametrize("name", LINES)
def test_every_form_is_recognised(name: str) -> None:
    line, place = LINES[name], set_repository.Place("new/repo", "next")
    former = line.format("old-owner/a.b", "release/1.x")
    assert set_repository.rewrite(Path(name), former, place) == line.format("new/repo", "next")


@pytest.mark.parametrize(
    "line",
    [
        "see https://github.com/crowsonkb/k-diffusion and "
        "https://github.com/yuanchenyang/smalldiffusion/blob/main/a.py",
        "https://lilianweng.github.io/posts/2021-07-11-diffusion-models/",
    ],
)
def test_other_repositories_are_left_alone(line: str) -> None:
    place = set_repository.Place("new/repo", "next")
    assert set_repository.rewrite(Path("book/page.md"), line, place) == line


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
