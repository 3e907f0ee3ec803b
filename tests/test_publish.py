"""The branch `published`: the last commit with the address of the repository that runs the workflow, mergeable."""

import shutil
import subprocess
from pathlib import Path

import publish
import pytest
import set_repository

ROOT = Path(__file__).resolve().parents[1]
FORK = "https://github.com/some-school/diffusion"
CHAPTERS = ("notebooks/01_states.ipynb", "notebooks/02_forward_process.ipynb")
FILES = ("_config.yml", "README.md", ".gitignore", ".github/workflows/ci.yml", "pyproject.toml", *CHAPTERS)
IDENTITY = ("-c", "user.name=A Teacher", "-c", "user.email=teacher@example.edu")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(("git", *IDENTITY, *arguments), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Change a word of a file, which must be there."""
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A clone of a bare repository that has some files of the book, a commit for the package and one for the rest."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    git(tmp_path, "clone", "--quiet", "remote.git", "fork")
    fork = tmp_path / "fork"
    (fork / "statesdiff").mkdir()
    shutil.copy(ROOT / "statesdiff" / "__init__.py", fork / "statesdiff")
    git(fork, "switch", "--quiet", "--create", "main")
    git(fork, "add", "-A")
    git(fork, "commit", "--quiet", "-m", "package")
    for name in FILES:
        (fork / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, fork / name)
    git(fork, "add", "-A")
    git(fork, "commit", "--quiet", "-m", "rest")
    git(fork, "push", "--quiet", "origin", "main")
    return fork


def in_published(fork: Path, name: str) -> str:
    return git(fork.parent / "remote.git", "show", f"published:{name}")


def tip(fork: Path) -> str:
    return git(fork.parent / "remote.git", "rev-parse", "published").strip()


def test_the_branch_has_the_last_commit_with_the_address(fork: Path) -> None:
    package = publish.package_commit(fork)
    assert publish.main([FORK, "--push"], root=fork) == 0
    place = set_repository.Place("some-school/diffusion", "published", package)
    listed = git(fork.parent / "remote.git", "ls-tree", "-r", "--name-only", "published").splitlines()
    assert set(listed) == {*FILES, "statesdiff/__init__.py"} - {".github/workflows/ci.yml"}
    for name in listed:
        text = (fork / name).read_text(encoding="utf-8")
        assert in_published(fork, name) == set_repository.rewrite(fork / name, text, place)
    for name in CHAPTERS:
        assert f"github/some-school/diffusion/blob/published/{name}" in in_published(fork, name)
        assert f"git+{FORK}@{package}\\" in in_published(fork, name)
    assert git(fork, "log", "-1", "--format=%an %ae%n%cn", tip(fork)) == "A Teacher teacher@example.edu\nA Teacher\n"


def test_the_working_tree_and_its_branch_stay_as_they_were(fork: Path) -> None:
    edit(fork, "README.md", "statesdiff", "being written")
    before = git(fork, "status", "--short", "--branch"), git(fork, "rev-parse", "HEAD")
    publish.main([FORK, "--push"], root=fork)
    assert (git(fork, "status", "--short", "--branch"), git(fork, "rev-parse", "HEAD")) == before
    assert "being written" not in in_published(fork, "README.md")
    assert len(git(fork, "worktree", "list").splitlines()) == 1


def test_the_pages_are_built_from_what_is_on_the_branch(fork: Path) -> None:
    publish.main([FORK, "--push"], root=fork)
    assert publish.main([FORK], root=fork) == 0
    for name in set(FILES) - {".github/workflows/ci.yml"}:
        assert (fork / name).read_text(encoding="utf-8") == in_published(fork, name)


def test_nothing_new_is_no_new_commit(fork: Path, capsys: pytest.CaptureFixture) -> None:
    publish.main([FORK, "--push"], root=fork)
    first = tip(fork)
    git(fork, "commit", "--quiet", "--allow-empty", "-m", "nothing")
    assert publish.main([FORK, "--push"], root=fork) == 0
    assert capsys.readouterr().out.endswith(f"up to date at {first}\n") and tip(fork) == first


def test_only_a_change_of_the_package_changes_what_setup_cells_install(fork: Path) -> None:
    package = publish.package_commit(fork)
    edit(fork, "README.md", "statesdiff", "a book")
    git(fork, "commit", "--quiet", "-am", "text")
    assert publish.package_commit(fork) == package
    edit(fork, "statesdiff/__init__.py", "diffusion", "Diffusion")
    git(fork, "commit", "--quiet", "-am", "package")
    assert publish.package_commit(fork) == git(fork, "rev-parse", "HEAD").strip()


def test_who_pulled_the_branch_and_worked_on_can_merge_the_next_one(fork: Path) -> None:
    """As nbgitpuller does: a clone of depth 1, a commit of the student's changes, a fetch, `merge -Xours`."""
    publish.main([FORK, "--push"], root=fork)
    url = (fork.parent / "remote.git").as_uri()
    git(fork.parent, "clone", "--quiet", "--depth", "1", "--branch", "published", url, "student")
    student = fork.parent / "student"
    edit(student, CHAPTERS[0], "# 1. Five states made of points", "# Mine")
    git(student, "commit", "--quiet", "-am", "student")
    edit(fork, CHAPTERS[0], "Run time: ", "Run time, measured: ")
    edit(fork, "statesdiff/__init__.py", "diffusion", "Diffusion")
    git(fork, "commit", "--quiet", "-am", "next")
    assert publish.main([FORK, "--push"], root=fork) == 0
    git(student, "fetch", "--quiet")
    git(student, "merge", "--quiet", "-Xours", "origin/published")
    text = (student / CHAPTERS[0]).read_text(encoding="utf-8")
    assert "# Mine" in text and "Run time, measured: " in text


def test_an_address_that_is_no_repository_is_refused(fork: Path, capfd: pytest.CaptureFixture) -> None:
    assert publish.main(["https://gitlab.com/a/b", "--push"], root=fork) == 2
    assert "https://github.com/OWNER/NAME" in capfd.readouterr().err
    assert git(fork.parent / "remote.git", "branch", "--list", "published") == ""


def test_what_git_refuses_is_named(fork: Path, capfd: pytest.CaptureFixture) -> None:
    assert publish.main([FORK, "--push", "--remote", "nowhere"], root=fork) == 1
    assert "failed: git ls-remote nowhere" in capfd.readouterr().err
    assert len(git(fork, "worktree", "list").splitlines()) == 1
